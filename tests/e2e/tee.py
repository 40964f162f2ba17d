"""Two loopback listeners: one copies a client's bytes to the proxy, the other refuses outgoing traffic."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import NamedTuple, Optional

__all__ = ["BlockingProxy", "Loopback", "Sent", "Tee"]


class Sent(NamedTuple):
    """One request as the client sent it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> Optional[str]:
        """Return the first value of a field, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


class Loopback:
    """A listener with one thread per connection; port 0 is any free one."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()  # guards the lists of subclasses
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        raise NotImplementedError


class Tee(Loopback):
    """Forwards to the proxy at `port_behind`; `sent` is what the clients sent, byte for byte."""

    def __init__(self, port_behind: int) -> None:
        self._behind = port_behind
        self._written: list[bytearray] = []
        super().__init__()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sent(self) -> list[Sent]:
        """All complete requests, connection by connection."""
        with self._lock:
            copies = [bytes(written) for written in self._written]
        return [request for copy in copies for request in _requests(copy)]

    @property
    def turns(self) -> list[Sent]:
        """The inference requests."""
        return [request for request in self.sent if request.path == "/v1/messages"]

    def _serve(self, sock: socket.socket) -> None:
        behind = socket.create_connection(("127.0.0.1", self._behind))
        for end in (sock, behind):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        written = bytearray()
        with self._lock:
            self._written.append(written)
        answers = threading.Thread(target=self._pass_on, args=(behind, sock, None), daemon=True)
        answers.start()
        self._pass_on(sock, behind, written)
        answers.join()
        sock.close()
        behind.close()

    def _pass_on(self, source: socket.socket, target: socket.socket, copy: Optional[bytearray]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 18):
                if copy is not None:
                    with self._lock:
                        copy += data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class BlockingProxy(Loopback):
    """The target of HTTPS_PROXY: every outgoing connection ends here; `asked` names the hosts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(5.0)
        with contextlib.suppress(OSError), sock:
            line = sock.recv(4096).partition(b"\r\n")[0].decode("latin-1")
            with self._lock:
                self.asked.append(line)
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _requests(data: bytes) -> Iterator[Sent]:
    """Split a connection into requests; the client never sends chunked ones (measured)."""
    while data:
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines]
        headers = tuple((name, value.strip(" \t")) for name, _, value in fields)
        assert not any(name.lower() == "transfer-encoding" for name, _ in headers)
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        if len(rest) < length:
            return
        method, target, _ = first.split(" ")
        yield Sent(method, target, headers, rest[:length])
        data = rest[length:]
