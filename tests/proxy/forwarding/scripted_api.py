"""An API whose every step a test takes: what it has read so far, and when it answers."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any, Optional

from tests.proxy.conftest import PATIENCE_SEC, Pem

__all__ = ["ApiConnection", "ScriptedApi"]

SERVED = {"id": "msg_1", "type": "message", "model": "claude-opus-4-8", "content": [], "usage": {}}


class ApiConnection:
    """The API's end of one connection: it reads as much as it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.head = b""
        self.body = bytearray()
        self._length = 0

    def read_head(self) -> ApiConnection:
        data = bytearray()
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.head = bytes(head)
        lines = self.head.lower().split(b"\r\n")
        self._length = int(next(line for line in lines if line.startswith(b"content-length:"))[15:])
        return self

    def read(self, size: int = -1) -> bytes:
        """Read on until there are `size` bytes of the body, -1 for all."""
        while len(self.body) < (self._length if size < 0 else size):
            self.body += self._receive()
        return bytes(self.body)

    def _receive(self) -> bytes:
        data = self.sock.recv(65536)
        assert data, "the proxy closed the connection"
        return data

    def ends(self) -> bool:
        """Read to the end of the connection; return whether the body was not whole by then."""
        try:
            while data := self.sock.recv(65536):
                self.body += data
        except ConnectionResetError:
            pass
        return len(self.body) < self._length

    def answer(self, status: int = 200, content: Optional[dict[str, Any]] = None, more: str = "") -> None:
        data = json.dumps(SERVED if content is None else content)
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {len(data)}"
        self.sock.sendall(f"{head}\r\n\r\n{data}".encode())

    def refuse(self, status: int, kind: str) -> None:
        self.answer(status, {"type": "error", "error": {"type": kind, "message": "no"}})


class ScriptedApi:
    """It accepts connections, with or without TLS."""

    def __init__(self, pem: Optional[Pem]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 8192
        )  # so that what it leaves is noticed
        self.listener.settimeout(PATIENCE_SEC)
        self.url = f"{'https' if pem else 'http'}://127.0.0.1:{self.listener.getsockname()[1]}"
        self._tls: Optional[ssl.SSLContext] = None
        if pem:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(pem.cert, pem.key)
        self._accepted: list[socket.socket] = []

    def accept(self) -> ApiConnection:
        sock, _ = self.listener.accept()
        sock.settimeout(PATIENCE_SEC)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True)
        self._accepted.append(sock)
        return ApiConnection(sock)

    def close(self) -> None:
        for sock in (*self._accepted, self.listener):
            sock.close()
