"""Open connections to the upstream: look-up, connect, a tunnel through an HTTPS proxy if there is one, TLS.

Certificates are verified with the system's store (OpenSSL's, so SSL_CERT_FILE counts) and the configured file
in addition.  HTTPS_PROXY and NO_PROXY apply unless a proxy is configured.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
from typing import NamedTuple, Optional
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from ...errors import ConfigError, ConnectFailedError
from ..http.origin import Origin
from .socket_wait import ClientWatch, run_in_thread

__all__ = ["Dialer", "error_text"]

_IGNORE_UNEXPECTED_EOF = 0x80  # ssl.OP_IGNORE_UNEXPECTED_EOF, which 3.9 does not export


class Dialer:
    """Open connections for one configuration; `connect_timeout` is in seconds."""

    def __init__(self, connect_timeout: float, ca_file: Optional[str], proxy: Optional[str]) -> None:
        self._connect_timeout = connect_timeout
        self._ca_file = ca_file
        self._proxy = proxy
        self._context: Optional[ssl.SSLContext] = None
        self._lock = threading.Lock()  # guards _context

    def dial(self, origin: Origin, watch: ClientWatch) -> socket.socket:
        """Return a new connection; raises ConnectFailedError, ConfigError or ClientGoneError.

        Look-up, connect, tunnel and handshake can each block for seconds in a call that can't be waited for
        together with the client, so a thread does them.  Where none can be started, this one does, and a
        client that leaves is noticed afterwards.
        """
        return run_in_thread(lambda: self._connect(origin), watch.check, socket.socket.close, "connect")

    def _connect(self, origin: Origin) -> socket.socket:
        opener = self._http_connection(origin)
        try:
            opener.connect()
            sock: socket.socket = opener.sock
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            opener.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                self._drop_empty_trust_store()
                raise ConnectFailedError(
                    f"the certificate of {origin.host} is not trusted: {error.verify_message}; "
                    "set upstreamCaFile if that is intended"
                ) from error
            raise ConnectFailedError(
                f"no connection to {origin.host}:{origin.port}: {error_text(error)}"
            ) from error
        if isinstance(sock, ssl.SSLSocket):
            # An end of the connection without close_notify cuts off the response.
            sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        return sock

    def _http_connection(self, origin: Origin) -> http.client.HTTPConnection:
        proxy = self._proxy_for(origin)
        host, port = (proxy.host, proxy.port) if proxy is not None else (origin.host, origin.port)
        timeout = self._connect_timeout
        opener: http.client.HTTPConnection
        if origin.scheme == "https":
            opener = http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls())
        else:
            opener = http.client.HTTPConnection(host, port, timeout=timeout)
        if proxy is not None:
            opener.set_tunnel(origin.host, origin.port, proxy.headers)
        return opener

    def _proxy_for(self, origin: Origin) -> Optional[_Proxy]:
        url = self._proxy
        if not url and origin.scheme == "https":
            proxies = getproxies_environment()
            if proxies and not proxy_bypass(f"{origin.host}:{origin.port}"):
                url = proxies.get("https") or proxies.get("all")
        return _parse_proxy(url) if url else None

    def _drop_empty_trust_store(self) -> None:
        """Forget a trust store that was loaded while no descriptor was free: it would stay empty."""
        with self._lock:
            if self._context is not None and not self._context.cert_store_stats()["x509"]:
                self._context = None

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                try:
                    # Not create_default_context(cafile=...), which would trust that file alone.
                    context = ssl.create_default_context()
                    if self._ca_file:
                        context.load_verify_locations(self._ca_file)
                except OSError as error:
                    raise ConnectFailedError(f"upstreamCaFile can't be used: {error_text(error)}") from error
                # Python 3.9 with OpenSSL 3 otherwise takes any end of the connection as a regular one.
                context.options = ssl.Options(context.options & ~_IGNORE_UNEXPECTED_EOF)
                context.set_alpn_protocols(["http/1.1"])
                self._context = context
            return self._context


class _Proxy(NamedTuple):
    host: str
    port: int
    headers: dict[str, str]  # of the CONNECT request


def _parse_proxy(url: str) -> _Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or 80
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError("the HTTPS proxy must be an http:// URL (HTTPS_PROXY or upstreamProxy)")
    if parts.username is None:
        return _Proxy(parts.hostname, port, {})
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    basic = base64.b64encode(login.encode()).decode()
    return _Proxy(parts.hostname, port, {"Proxy-Authorization": f"Basic {basic}"})


def error_text(error: BaseException) -> str:
    """Return the system's description of a failure, without a final period."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
