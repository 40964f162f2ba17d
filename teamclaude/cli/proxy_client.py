"""The HTTP client that commands use to talk to a running proxy.

It connects directly: the environment's HTTP proxies are for outgoing traffic, not for this machine.  While
our server is down another user of this machine may listen in its place: such a program gets no key.
Every failure becomes one line that says what to do.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional
from urllib.parse import SplitResult, urlsplit

from ..accounts.config.config import Config, TlsConfig
from ..errors import ConfigError, TeamClaudeError, UsageError
from .user_config import read_config, server_host, server_url

__all__ = [
    "KEY_VARIABLE",
    "ProxyClient",
    "ProxyDownError",
    "ProxyRefusedError",
    "ProxyResponse",
    "ProxyUnreachableError",
    "RemoteProxyClient",
    "configured_proxy",
    "parse_address",
]

TIMEOUT_S = 10.0
CHUNK = 65536
KEY_VARIABLE = "TEAMCLAUDE_KEY"


class ProxyUnreachableError(TeamClaudeError):
    """Our proxy does not answer at the configured address."""


class ProxyDownError(ProxyUnreachableError):
    """Nothing listens at the address."""


class ProxyRefusedError(TeamClaudeError):
    """The proxy answered with an error; the message is its own."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ProxyResponse:
    """A response whose body is read as it arrives; reading raises ProxyUnreachableError."""

    def __init__(self, proxy: ProxyClient, response: http.client.HTTPResponse) -> None:
        self._proxy, self._response = proxy, response
        self.status, self.reason = response.status, response.reason
        self.headers = response.getheaders()

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives; raise ProxyUnreachableError if it is truncated."""
        while True:
            with self._proxy.translate_errors():
                chunk = self._response.read1(CHUNK)
            if not chunk:
                break
            yield chunk
        if self._response.length:  # read1 does not report a truncated body
            raise self._proxy.truncated_error()

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.chunks())


class ProxyClient:
    """The proxy that a config describes.

    Every method raises ProxyUnreachableError or ProxyRefusedError.
    """

    def __init__(
        self, config: Config, path: Path, port: Optional[int] = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Set up without connecting.

        `path`: the config file, for error texts.  `port`: the server's, if it is not the config's.
        """
        self.url = server_url(config.proxy, port)
        self._host = server_host(config.proxy)
        self._port = port or config.proxy.port
        self._key = config.proxy.api_key or ""
        self._tls = config.proxy.tls
        self._path = path
        self._timeout_s = timeout_s

    def get(self, path: str) -> Any:
        """Return the JSON of one of the proxy's own endpoints."""
        return self._json("GET", path, None)

    def post(self, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        """Return the JSON of an endpoint that changes something."""
        return self._json("POST", path, json.dumps(body or {}).encode())

    def is_up(self) -> bool:
        """Return False when nothing listens; raise ProxyUnreachableError if another program does."""
        try:
            health = self._json("GET", "/health", None)
        except ProxyDownError:
            return False
        if not isinstance(health, dict) or health.get("service") != "teamclaude":
            raise self._other_program_error()
        return True

    def reload(self) -> bool:
        """Have the proxy reload its config; return False if none runs."""
        try:
            self.post("/teamclaude/accounts/reload")
        except ProxyUnreachableError:
            return False
        return True

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        path: str,
        body: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Iterator[ProxyResponse]:
        """Send one request with the proxy key; read the response, of any status, inside the `with`."""
        sent = {"x-teamclaude-key": self._key}
        if body is not None:
            sent["Content-Type"] = "application/json"
        with contextlib.closing(self._connection()) as connection:
            with self.translate_errors():
                connection.connect()
                self._check_listener(connection.sock)
                connection.request(method, path, body, {**sent, **(headers or {})})
                response = connection.getresponse()
            yield ProxyResponse(self, response)

    def _check_listener(self, sock: socket.socket) -> None:
        """Raise ProxyUnreachableError if another user's program listens there; root may be a service's."""
        own = os.geteuid() if hasattr(os, "geteuid") else 0
        if own == 0 or self._tls is not None:
            return
        from ..proxy.net.peer_user import Address, is_loopback, listener_uid  # once a server answers

        address = Address(*sock.getpeername()[:2])
        if is_loopback(address.host) and listener_uid(address) not in (None, 0, own):
            raise ProxyUnreachableError(
                f"a program of another user of this machine listens at {self.url}: nothing was sent to it; "
                "set another proxy.port in the config file, or name the server's with --port"
            )

    @contextlib.contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Translate the exceptions of a connection into ProxyUnreachableError."""
        try:
            yield
        except ssl.SSLError as error:
            raise ProxyUnreachableError(f"no TLS with {self.url}: {error.reason or error}") from error
        except (ConnectionResetError, BrokenPipeError, http.client.IncompleteRead) as error:
            raise self.truncated_error() from error
        except http.client.HTTPException as error:
            raise self._other_program_error() from error
        except socket.timeout as error:
            raise ProxyUnreachableError(
                f"the proxy at {self.url} gave no answer in {self._timeout_s:g} s"
            ) from error
        except OSError as error:
            raise self._down_error() from error

    def truncated_error(self) -> ProxyUnreachableError:
        """Return the error for a response that ends too early or never begins."""
        return ProxyUnreachableError(f"the proxy at {self.url} broke off its answer")

    def _json(self, method: str, path: str, body: Optional[bytes]) -> Any:
        with self.request(method, path, body) as answer:
            status, text = answer.status, answer.read()
        try:
            value = json.loads(text)
        except ValueError:
            raise self._other_program_error() from None
        if status == 401:
            raise ProxyRefusedError(f"the proxy at {self.url} does not accept {self._key_name()}", status)
        if status >= 400:
            raise ProxyRefusedError(
                _error_message(value) or f"the proxy at {self.url} answered {status} to {path}", status
            )
        return value

    def _connection(self) -> http.client.HTTPConnection:
        if not self._port:
            raise ProxyDownError(
                f"proxy.port is 0 (any free one) in {self._path}: name the server's with --port"
            )
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        context = _tls_context(self._tls)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)

    # RemoteProxyClient overrides these: without a config file the person must do other things.

    def _key_name(self) -> str:
        return f"the proxy.apiKey of {self._path}"

    def _down_error(self) -> ProxyDownError:
        return ProxyDownError(f"no proxy answers at {self.url}; start it with: teamclaude server")

    def _other_program_error(self) -> ProxyUnreachableError:
        return ProxyUnreachableError(
            f"another program answers at {self.url}, not teamclaude; "
            "set another proxy.port in the config file, or name the server's with --port"
        )


def configured_proxy(port: Optional[int] = None, timeout_s: float = TIMEOUT_S) -> ProxyClient:
    """Return a client of the config file's proxy, without connecting.  Raise ConfigError without a file."""
    file, config = read_config()
    return ProxyClient(config, file.path, port, timeout_s)


def _tls_context(tls: TlsConfig) -> ssl.SSLContext:
    """Trust the config's certificate besides the system's: it is often self-signed, for this proxy only."""
    context = ssl.create_default_context()
    # The certificate is identified by its bytes; its host name is the one that other machines use.
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags(0x80000)  # X509_V_FLAG_PARTIAL_CHAIN; has a name since 3.10
    try:
        with open(tls.cert, encoding="ascii", errors="ignore") as file:
            context.load_verify_locations(cadata=file.read())
    except OSError as error:
        raise ConfigError(f"proxy.tls.cert: can't read {tls.cert}: {error.strerror or error}") from error
    return context


def _error_message(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def parse_address(text: str) -> SplitResult:
    """Parse `http://host:port`, `https://host` or `host:port`; raise UsageError for anything else."""
    try:
        split = urlsplit(text if "://" in text else f"http://{text}")
        good = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        good = False
    if not good or split.username or split.password or split.path not in ("", "/") or split.query:
        raise UsageError(f'"{text}" is not the address of a proxy, like http://host:3456')
    return split


class RemoteProxyClient(ProxyClient):
    """A client of a proxy on another machine; TLS trusts the system's certificates and $SSL_CERT_FILE."""

    def __init__(self, at: SplitResult, key: str, timeout_s: float) -> None:
        host = at.hostname or ""
        self._host = host
        self._secure = at.scheme == "https"
        self._port = at.port or (443 if self._secure else 80)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{at.scheme}://{shown}:{self._port}"
        self._key = key
        self._timeout_s = timeout_s

    def _connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)

    def _check_listener(self, sock: socket.socket) -> None:
        """Whose server it is, who names its address knows."""

    def _key_name(self) -> str:
        return "this key" if self._key else f"a request without its key: set {KEY_VARIABLE}"

    def _down_error(self) -> ProxyDownError:
        return ProxyDownError(
            f"no proxy answers at {self.url}; start it there with: teamclaude server "
            "(its proxy.host must let other machines in)"
        )

    def _other_program_error(self) -> ProxyUnreachableError:
        return ProxyUnreachableError(f"another program answers at {self.url}, not teamclaude")
