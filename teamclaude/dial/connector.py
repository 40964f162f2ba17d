"""Open connections to servers outside: by the proxy that serves the target or directly, and with TLS.

Rules that hold in this file:

1. One deadline covers all of it: the connection, the proxy's answer and each handshake.  Only the look-up of
   a name can't be interrupted.
2. Certificates, those of a proxy too, are verified with the system's store (OpenSSL's, so SSL_CERT_FILE
   counts) and the configured file in addition.
3. Every failure is a ConnectFailedError that says what did not answer, a proxy by its variable or setting;
   ProxyRefusedError where asking again would not help.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Optional

from ..errors import ConnectFailedError, ForbiddenError, ProxyRefusedError
from ..lazy_modules import ssl
from .no_proxy import IpAddress, address_of, is_exempt, is_loopback
from .proxies import ProxyAddress, no_proxy_of, proxy_for
from .race import Address, Deadline, Families, connect_first, interleave, resolve
from .tls_sockets import is_tls

if TYPE_CHECKING:
    from .http_tunnel import Dialogue

__all__ = ["Allow", "Connector", "error_text"]

# Whether an address may be connected to.
Allow = Callable[[IpAddress], bool]

MAX_SOCKS_ADDRESSES = 3  # of a target, tried one after the other
_IGNORE_UNEXPECTED_EOF = 0x80  # ssl.OP_IGNORE_UNEXPECTED_EOF, which 3.9 does not export
_FAMILIES = Families()  # of this process: what worked does not depend on who asked


class Connector:
    """Open connections for one configuration.  Any thread.

    `timeout`: seconds for one connection.  `proxy`: the configured one; None: `env` decides.
    """

    def __init__(
        self,
        timeout: float,
        ca_file: Optional[str],
        proxy: Optional[ProxyAddress],
        env: Mapping[str, str],
        families: Families = _FAMILIES,
    ) -> None:
        self._timeout = timeout
        self._ca_file = ca_file
        self._proxy = proxy
        self._env = env
        self._families = families
        self._context: Optional[ssl.SSLContext] = None
        self._lock = threading.Lock()  # guards _context

    def check_proxy(self, scheme: str, host: str, port: int) -> None:
        """Raise ConfigError if the proxy on the way to a target can't be used."""
        proxy_for(scheme, host, port, self._env, self._proxy)

    def open(self, scheme: str, host: str, port: int, via: Optional[ProxyAddress] = None) -> socket.socket:
        """Return a connection to an http or https server; `via` overrides the proxy.

        Raises ConnectFailedError or ConfigError.
        """
        proxy = proxy_for(scheme, host, port, self._env, via or self._proxy)
        deadline = Deadline(self._timeout)
        if scheme == "http":
            return self._stream(host, port, proxy, None, deadline)
        self._tls()  # before anything is sent
        return self._secured(self._stream(host, port, proxy, None, deadline), host, host, deadline)

    def open_stream(self, host: str, port: int, allow: Optional[Allow] = None) -> socket.socket:
        """Return a connection to any server, for bytes that another program makes.

        It goes through the configured proxy as well, unless NO_PROXY names the host.  An address that we
        connect to, or have a proxy connect to, must be allowed by `allow`; where a proxy looks the name up,
        it decides.  Raises ConnectFailedError, ConfigError, and ForbiddenError for an address.
        """
        here = is_loopback(host) or is_exempt(host, port, no_proxy_of(self._env))
        proxy = None if here else proxy_for("https", host, port, self._env, self._proxy)
        return self._stream(host, port, proxy, allow, Deadline(self._timeout))

    # --- the way to the target ----------------------------------------------------------------------

    def _stream(
        self,
        host: str,
        port: int,
        proxy: Optional[ProxyAddress],
        allow: Optional[Allow],
        deadline: Deadline,
    ) -> socket.socket:
        if proxy is None:
            addresses = _allowed(_look_up(host, port, f"{host}:{port}"), host, allow)
            return self._connect(host, addresses, f"{host}:{port}", deadline)
        if address_of(host) is not None or proxy.scheme == "socks5":
            targets = _for_socks(_allowed(_look_up(host, port, f"{host}:{port}"), host, allow))
        else:
            targets = [host]
        for target in targets[:-1]:
            try:
                return self._tunnel(proxy, target, port, deadline)
            except _UnreachableError:
                continue
        return self._tunnel(proxy, targets[-1], port, deadline)

    def _connect(self, host: str, addresses: list[Address], name: str, deadline: Deadline) -> socket.socket:
        ordered = interleave(addresses, self._families.last(host))
        try:
            sock, address = connect_first(ordered, deadline)
        except OSError as error:
            raise _failed(name, error) from error
        if len(ordered) > 1:
            self._families.remember(host, address.family)
        sock.setblocking(True)
        with contextlib.suppress(OSError):  # it broke already, which the next use of it says
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _tunnel(self, proxy: ProxyAddress, host: str, port: int, deadline: Deadline) -> socket.socket:
        from .http_tunnel import RefusedByProxyError, open_tunnel  # where there is a proxy
        from .socks5 import open_socks5

        name = f"the proxy {proxy}"
        sock = self._connect(proxy.host, _look_up(proxy.host, proxy.port, name), name, deadline)
        dialogue = open_socks5 if proxy.scheme.startswith("socks") else open_tunnel
        if proxy.scheme == "https":
            sock = self._secured(sock, proxy.host, name, deadline)
        try:
            _speak(sock, dialogue(proxy, host, port), deadline)
        except (OSError, UnicodeError, RefusedByProxyError) as error:
            sock.close()
            if not isinstance(error, RefusedByProxyError):
                raise _failed(name, error) from error
            kind = ProxyRefusedError if error.final else ConnectFailedError
            raise (_UnreachableError if error.unreachable else kind)(f"{name}: {error}") from error
        sock.settimeout(None)
        return sock

    # --- TLS ------------------------------------------------------------------------------------------

    def _secured(self, sock: socket.socket, host: str, name: str, deadline: Deadline) -> socket.socket:
        try:
            context = self._tls()
            if is_tls(sock):
                from .socket_pair import through_pair  # where the proxy speaks TLS, too

                sock, _ = through_pair(sock)
            sock.settimeout(deadline.left())
            secured = context.wrap_socket(sock, server_hostname=host.rstrip("."))
        except (OSError, UnicodeError, ConnectFailedError) as error:
            sock.close()
            if isinstance(error, ConnectFailedError):
                raise
            if isinstance(error, ssl.SSLCertVerificationError):
                self._drop_empty_trust_store()
                raise ConnectFailedError(
                    f"the certificate of {name} is not trusted: {error.verify_message}; "
                    "set upstreamCaFile if that is intended"
                ) from error
            raise _failed(name, error) from error
        # An end of the connection without close_notify cuts off the response.
        secured.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        secured.settimeout(None)
        return secured

    def _drop_empty_trust_store(self) -> None:
        """Forget a trust store that was loaded while no descriptor was free: it would stay empty."""
        with self._lock:
            if self._context is not None and not self._context.cert_store_stats()["x509"]:
                self._context = None

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                try:
                    ssl.OPENSSL_VERSION  # noqa: B018 - loads it
                except (ImportError, OSError) as error:  # no OpenSSL, or no free descriptor
                    raise ConnectFailedError(f"TLS can't be used by this Python: {error}") from error
                try:
                    # Not create_default_context(cafile=...), which would trust that file alone.
                    context = ssl.create_default_context()
                    if self._ca_file:
                        context.load_verify_locations(self._ca_file)
                except OSError as error:
                    raise ConnectFailedError(
                        f"upstreamCaFile {self._ca_file} can't be used: {error_text(error)}"
                    ) from error
                # Python 3.9 with OpenSSL 3 otherwise takes any end of the connection as a regular one.
                context.options = ssl.Options(context.options & ~_IGNORE_UNEXPECTED_EOF)
                context.set_alpn_protocols(["http/1.1"])
                self._context = context
            return self._context


class _UnreachableError(ConnectFailedError):
    """A SOCKS proxy could not reach one address of the target."""


def _look_up(host: str, port: int, name: str) -> list[Address]:
    try:
        return resolve(host.rstrip("."), port)
    except (OSError, UnicodeError) as error:
        raise _failed(name, error) from error


def _allowed(addresses: list[Address], host: str, allow: Optional[Allow]) -> list[Address]:
    if allow is None:
        return addresses
    kept = [a for a in addresses if (ip := address_of(a.sockaddr[0])) is not None and allow(ip)]
    if not kept:
        raise ForbiddenError(f"{host} has no address that may be connected to from here")
    return kept


def _for_socks(addresses: list[Address]) -> list[str]:
    """Return the addresses as text, those of IPv4 first: many a proxy has no other way out."""
    return [address.sockaddr[0] for address in interleave(addresses, socket.AF_INET)[:MAX_SOCKS_ADDRESSES]]


def _speak(sock: socket.socket, dialogue: Dialogue, deadline: Deadline) -> None:
    """Carry a dialogue out; raises OSError, or what the dialogue raises."""
    try:
        data, size = next(dialogue)
        while True:
            sock.settimeout(deadline.left())
            if data:
                sock.sendall(data)
            data, size = dialogue.send(_receive_exactly(sock, size, deadline))
    except StopIteration:
        return


def _receive_exactly(sock: socket.socket, size: int, deadline: Deadline) -> bytes:
    received = b""
    while len(received) < size:
        sock.settimeout(deadline.left())
        piece = sock.recv(size - len(received))
        if not piece:
            raise ConnectionError("it closed the connection")
        received += piece
    return received


def _failed(name: str, error: Exception) -> ConnectFailedError:
    return ConnectFailedError(f"no connection to {name}: {error_text(error)}")


def error_text(error: BaseException) -> str:
    """Return the system's description of a failure, without a final period."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
