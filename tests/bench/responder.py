"""An upstream that answers every request with the same bytes: used where there is no nginx.

python -m tests.bench.responder PORT        the answer comes on standard input
"""

from __future__ import annotations

import re
import selectors
import socket
import sys

__all__ = ["MESSAGE", "message_end", "respond"]

MESSAGE = {
    "id": "msg_fake00000001",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-8",
    "content": [{"type": "text", "text": "ok"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    },
}

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


def message_end(data: bytes) -> int:
    """Return the index after the first message in `data`, -1 while it is incomplete."""
    blank = data.find(b"\r\n\r\n")
    if blank < 0:
        return -1
    length = _LENGTH.search(data, 0, blank + 2)
    end = blank + 4 + (int(length[1]) if length else 0)
    return end if end <= len(data) else -1


def respond(port: int, answer: bytes) -> None:
    waiting = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    waiting.register(listener, selectors.EVENT_READ, None)
    arrived: dict[socket.socket, bytes] = {}
    while True:
        for key, _ in waiting.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is listener:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(client, selectors.EVENT_READ, None)
                arrived[client] = b""
            elif not _serve(sock, arrived, answer):
                waiting.unregister(sock)
                del arrived[sock]
                sock.close()


def _serve(sock: socket.socket, arrived: dict[socket.socket, bytes], answer: bytes) -> bool:
    """Read what has arrived; return False when the client has left."""
    try:
        data = sock.recv(65536)
        pending = arrived[sock] + data
        while (end := message_end(pending)) > 0:
            pending = pending[end:]
            sock.sendall(answer)
    except OSError:
        return False
    arrived[sock] = pending
    return bool(data)


if __name__ == "__main__":
    respond(int(sys.argv[1]), sys.stdin.buffer.read())
