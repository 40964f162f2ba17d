"""A client and an API at the ends of slow lines: what a proxy adds where both take their time.

python -m tests.bench.paced PORT        the API; its answer comes on standard input
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.load import HEADERS, PATH, body, session
from tests.bench.responder import message_end

if TYPE_CHECKING:
    from tests.bench.routes import Route

__all__ = ["BYTES_PER_SEC", "Upload", "command", "upload"]

BYTES_PER_SEC = 12_500_000  # 100 Mbit/s
PART_BYTES = 16384
BUFFER_BYTES = 65536  # of the API's socket, so that who sends feels its pace
TIMEOUT_SEC = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Upload(NamedTuple):
    """One upload; milliseconds from its first byte to the end of its answer."""

    took: float
    errors: int


def upload(route: Route, size: int) -> Upload:
    """Ask once for little and then with a body of about this size, on one connection and in one session."""
    with socket.create_connection(("127.0.0.1", route.port), timeout=TIMEOUT_SEC) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _ask(sock, _request(route, 1000))
        return _ask(sock, _request(route, size))


def _request(route: Route, size: int) -> bytes:
    content = body(size)
    fields = {**HEADERS, **route.headers, "X-Claude-Code-Session-Id": session(1), "Host": "127.0.0.1"}
    lines = [f"POST {route.prefix}{PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", content]).encode()


def _ask(sock: socket.socket, request: bytes) -> Upload:
    began = time.perf_counter()
    for at in range(0, len(request), PART_BYTES):
        sock.sendall(request[at : at + PART_BYTES])
        _keep_pace(began, at + PART_BYTES)
    answer = b""
    while message_end(answer) < 0:
        answer += sock.recv(65536) or b"\r\n\r\n"
    took = 1e3 * (time.perf_counter() - began)
    return Upload(took, int(not answer.startswith(b"HTTP/1.1 200 ")))


def _keep_pace(began: float, size: int) -> None:
    time.sleep(max(0.0, began + size / BYTES_PER_SEC - time.perf_counter()))


# --- the API ----------------------------------------------------------------------------------------


def command(port: int) -> list[str]:
    """Return the command that starts the API."""
    return [sys.executable, "-m", "tests.bench.paced", str(port)]


def _serve(sock: socket.socket, answer: bytes) -> None:
    with sock:
        while head := sock.recv(PART_BYTES):
            began, got = time.perf_counter(), len(head)
            length = _LENGTH.search(head)
            size = head.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
            while got < size:
                data = sock.recv(PART_BYTES)
                if not data:
                    return
                got += len(data)
                _keep_pace(began, got)
            sock.sendall(answer)


def main() -> None:
    answer = sys.stdin.buffer.read()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_serve, args=(sock, answer), daemon=True).start()


if __name__ == "__main__":
    main()
