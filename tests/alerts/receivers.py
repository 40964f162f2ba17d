"""A server that takes events, and misbehaves as told."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Optional

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def status(code: int, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {code} X\r\n{lines}Content-Length: 0\r\n\r\n".encode()


class Receiver:
    """Answer each request with the next of `answers`, the last one again and again.

    None: no answer at all; a text: its bytes one by one, without end.
    """

    def __init__(self, *answers: Optional[bytes], tls: Optional[ssl.SSLContext] = None) -> None:
        self._answers = list(answers) or [OK]
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.requests: list[bytes] = []
        self._open: list[socket.socket] = [self._server]
        self._over = threading.Event()
        self.slowly = False
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            self.requests.append(self._read(sock))
            answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
            if answer is None:
                self._over.wait(20)
            elif self.slowly:
                for byte in answer:
                    sock.sendall(bytes([byte]))
                    if self._over.wait(0.05):
                        break
            else:
                sock.sendall(answer)
            sock.close()

    def _read(self, sock: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        while len(body) < size:
            body += sock.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._over.set()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def receiver(
    *answers: Optional[bytes], tls: Optional[ssl.SSLContext] = None, slowly: bool = False
) -> Iterator[Receiver]:
    """A receiver that is closed afterwards."""
    made = Receiver(*answers, tls=tls)
    made.slowly = slowly
    try:
        yield made
    finally:
        made.close()


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Wait for a condition, a function, to become true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
