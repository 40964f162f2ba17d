"""Proxies on loopback that do what a test says."""

from __future__ import annotations

import contextlib
import socket
import threading


class HttpProxy:
    """A CONNECT proxy; `asked` are the heads it saw.  Every name but an address is this machine."""

    def __init__(self, status: str = "200 Connection established") -> None:
        self._status = status
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.asked: list[str] = []
        self._socks: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                self._socks.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        self.asked.append(head.decode())
        sock.sendall(f"HTTP/1.1 {self._status}\r\n\r\n".encode())
        if not self._status.startswith("200"):
            return sock.close()
        host, port = head.split()[1].decode().split(":")
        onward = socket.create_connection((host if host[0].isdigit() else "127.0.0.1", int(port)))
        self._socks.append(onward)
        threading.Thread(target=_pump, args=(onward, sock), daemon=True).start()
        _pump(sock, onward)

    def close(self) -> None:
        for sock in [self._server, *self._socks]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
