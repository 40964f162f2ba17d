"""Proxies on loopback that do what a test says.  Every name but an address is this machine to them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Optional


class ScriptedProxy:
    """Serve each connection in a thread; with `tls` the proxy itself is spoken to by TLS."""

    def __init__(self, tls: Optional[ssl.SSLContext] = None) -> None:
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connections = 0
        self._socks: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._start(self._begin, sock)

    def _begin(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, IndexError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._socks.append(sock)
            self.serve(sock)

    def serve(self, sock: socket.socket) -> None:
        raise NotImplementedError

    def relay(self, sock: socket.socket, host: str, port: int) -> None:
        onward = socket.create_connection((host if _is_address(host) else "127.0.0.1", port))
        onward.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socks.append(onward)
        self._start(_pump, onward, sock)
        _pump(sock, onward)

    def close(self) -> None:
        """End all connections; a socket is closed once no thread uses it.

        TLS writes to a number of a descriptor, which another socket of this process would have by then.
        """
        socks = [self._server, *self._socks]
        for sock in socks:
            with contextlib.suppress(OSError):  # not SSLSocket.shutdown, which drops the TLS object
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(2)
        for sock in socks:
            sock.close()


class HttpProxy(ScriptedProxy):
    """A CONNECT proxy; `asked` are the heads it saw.  `answer` is its status line, more fields may follow."""

    def __init__(
        self, answer: str = "200 Connection established", tls: Optional[ssl.SSLContext] = None
    ) -> None:
        self.asked: list[str] = []
        self.answer = answer
        super().__init__(tls)

    def serve(self, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        self.asked.append(head.decode())
        sock.sendall(f"HTTP/1.1 {self.answer}\r\n\r\n".encode())
        if not self.answer.startswith("200"):
            return sock.close()
        host, _, port = head.split()[1].decode().rpartition(":")
        self.relay(sock, host.strip("[]"), int(port))


class SocksProxy(ScriptedProxy):
    """A SOCKS5 proxy; `asked` are the hosts it was asked for, `refuses` its reply to some of them."""

    def __init__(self, login: str = "", refuses: Optional[dict[str, int]] = None) -> None:
        self.asked: list[str] = []
        self._login = login
        self._refuses = refuses or {}
        super().__init__()

    def serve(self, sock: socket.socket) -> None:
        offered = _exactly(sock, _exactly(sock, 2)[1])
        method = 2 if self._login else 0
        if method not in offered:
            return sock.sendall(b"\x05\xff")
        sock.sendall(bytes([5, method]))
        if self._login:
            user = _exactly(sock, _exactly(sock, 2)[1])
            password = _exactly(sock, _exactly(sock, 1)[0])
            right = f"{user.decode()}:{password.decode()}" == self._login
            sock.sendall(b"\x01\x00" if right else b"\x01\x01")
            if not right:
                return sock.close()
        kind = _exactly(sock, 4)[3]
        if kind == 3:
            host = _exactly(sock, _exactly(sock, 1)[0]).decode()
        else:
            host = str(ipaddress.ip_address(_exactly(sock, 4 if kind == 1 else 16)))
        port = int.from_bytes(_exactly(sock, 2), "big")
        self.asked.append(host)
        reply = self._refuses.get(host, 0)
        sock.sendall(bytes([5, reply, 0, 1]) + bytes(6))
        if reply:
            return sock.close()
        return self.relay(sock, host, port)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    # TLS has no half of a connection to close.
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR if isinstance(sink, ssl.SSLSocket) else socket.SHUT_WR)
