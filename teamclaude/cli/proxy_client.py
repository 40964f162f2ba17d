"""The HTTP client that commands use to talk to a running proxy.

It connects directly: the environment's HTTP proxies are for outgoing traffic, not for this machine.  While
our server is down another program may listen in its place: before anything else is asked, and the key is
sent, GET /health without a key tells who answers.  A program of another user gets not even that.
Every failure becomes one line that says what to do.  An answer is bounded in size and in time.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..accounts.config.config import Config, TlsConfig
from ..errors import ConfigError, TeamClaudeError
from .http_exchange import BrokenOffError, HttpAnswer, HttpExchange, NotHttpError
from .user_config import has_config, open_config, read_config, server_host, server_url

if TYPE_CHECKING:
    import ssl

__all__ = [
    "ProxyClient",
    "ProxyDownError",
    "ProxyRefusedError",
    "ProxyResponse",
    "ProxyUnreachableError",
    "configured_proxy",
]

TIMEOUT_S = 10.0
START = "start it with: teamclaude server"
MAX_JSON_BYTES = 64 << 20  # the Deck of 10,000 conversations has 9 MB


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

    def __init__(self, proxy: ProxyClient, answer: HttpAnswer) -> None:
        self._proxy, self._answer = proxy, answer
        self.status, self.reason, self.headers = answer.status, answer.reason, answer.headers

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives; raise ProxyUnreachableError if it is truncated."""
        chunks = self._answer.chunks()
        while True:
            with self._proxy.translate_errors():
                chunk = next(chunks, None)
            if chunk is None:
                break
            yield chunk

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.chunks())


class ProxyClient:
    """The proxy that a config describes.

    Every method raises ProxyUnreachableError or ProxyRefusedError.  `key` is the one it sends.
    """

    _prefix = ""  # of every path
    _is_verified = False  # a TeamClaude answered there, and since then no request has failed

    def __init__(
        self, config: Config, path: Path, port: Optional[int] = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Set up without connecting; `path` is the config file, `port` the server's if not the config's."""
        self.url = server_url(config.proxy, port)
        self._host = server_host(config.proxy)
        self._port = port or config.proxy.port
        self.key = config.proxy.api_key or ""
        self._tls = config.proxy.tls
        self._path = path
        self._timeout_s = timeout_s

    def get(self, path: str) -> Any:
        """Return the JSON of one of the proxy's own endpoints."""
        return self._json("GET", path, None)

    def get_text(self, path: str) -> str:
        """Return the body of an endpoint that answers something else than JSON."""
        with self.request("GET", path, deadline=time.monotonic() + self._timeout_s) as answer:
            data = self._whole(answer)
        if answer.status >= 400:
            self._check_status(answer.status, path, _parsed(data))
        return data.decode("utf-8", "replace")

    def post(self, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        """Return the JSON of an endpoint that changes something."""
        return self._json("POST", path, json.dumps(body or {}).encode())

    def is_up(self) -> bool:
        """Return False when nothing listens; raise ProxyUnreachableError if another program does."""
        try:
            self._verify()
        except ProxyDownError:
            return False
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
        deadline: Optional[float] = None,
    ) -> Iterator[ProxyResponse]:
        """Send one request with the proxy key; read the response, of any status, inside the `with`.

        `deadline`: of the whole response, on the monotonic clock; None: each part of it has the time limit.
        """
        if not self._is_verified:
            self._verify()
        sent = {"x-teamclaude-key": self.key} if self.key else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        with self._send(method, path, body, {**sent, **(headers or {})}, deadline) as answer:
            yield answer

    @contextlib.contextmanager
    def _send(
        self,
        method: str,
        path: str,
        body: Optional[bytes],
        headers: Mapping[str, str],
        deadline: Optional[float],
    ) -> Iterator[ProxyResponse]:
        with contextlib.closing(self._exchange(deadline)) as exchange:
            with self.translate_errors():
                self._check_listener(exchange.connect())
                answer = exchange.ask(method, self._prefix + path, body, headers)
            yield ProxyResponse(self, answer)

    def _verify(self) -> None:
        """Raise ProxyUnreachableError unless a TeamClaude answers; it is not told the key."""
        self._is_verified = False
        deadline = time.monotonic() + self._timeout_s
        with self._send("GET", "/health", None, {}, deadline) as answer:
            health = self._json_of(answer)
        if answer.status in _REFUSALS and _error_message(health):  # a balancer, or a server that is full
            self._check_status(answer.status, "/health", health)
        if not isinstance(health, dict) or health.get("service") != "teamclaude":
            raise self._other_program_error()
        self._is_verified = True

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
        was_verified, self._is_verified = self._is_verified, False
        try:
            yield
            self._is_verified = was_verified
        except (ConnectionResetError, BrokenPipeError, BrokenOffError) as error:
            raise self.truncated_error() from error
        except NotHttpError as error:
            raise self._other_program_error() from error
        except socket.timeout as error:
            raise ProxyUnreachableError(
                f"the proxy at {self.url} gave no answer in {self._timeout_s:g} s"
            ) from error
        except OSError as error:
            tls = sys.modules.get("ssl")  # without it the error is none of TLS
            if tls is not None and isinstance(error, tls.SSLError):
                raise self._tls_error(error) from error
            raise self._down_error(error) from error

    def truncated_error(self) -> ProxyUnreachableError:
        """Return the error for a response that ends too early or never begins."""
        return ProxyUnreachableError(f"the proxy at {self.url} broke off its answer")

    def _json(self, method: str, path: str, body: Optional[bytes]) -> Any:
        with self.request(method, path, body, deadline=time.monotonic() + self._timeout_s) as answer:
            value = self._json_of(answer)
        self._check_status(answer.status, path, value)
        return value

    def _json_of(self, answer: ProxyResponse) -> Any:
        """Return the JSON of an answer; raise ProxyUnreachableError for another place, or no JSON."""
        data = self._whole(answer)
        location = next((value for name, value in answer.headers if name.lower() == "location"), "")
        if 300 <= answer.status < 400 and location:
            raise ProxyUnreachableError(f"{self.url} is elsewhere: it leads to {location[:200]}")
        value = _parsed(data)
        if value is _NO_JSON:
            self._is_verified = False
            raise self._other_program_error()
        return value

    def _whole(self, answer: ProxyResponse) -> bytes:
        """Return the body of an answer; raise ProxyUnreachableError for an endless one."""
        data = bytearray()
        for chunk in answer.chunks():
            data += chunk
            if len(data) > MAX_JSON_BYTES:
                raise ProxyUnreachableError(f"the answer of {self.url} is too long: it is not teamclaude's")
        return bytes(data)

    def _check_status(self, status: int, path: str, value: Any) -> None:
        """Raise ProxyRefusedError for an error."""
        if status == 401:
            raise ProxyRefusedError(f"the proxy at {self.url} does not accept {self._key_name()}", status)
        if status >= 400:
            raise ProxyRefusedError(
                _error_message(value) or f"the proxy at {self.url} answered {status} to {path}", status
            )

    def _exchange(self, deadline: Optional[float]) -> HttpExchange:
        if not self._port:
            raise ProxyDownError(
                f"proxy.port is 0 (any free one) in {self._path}: name the server's with --port"
            )
        context = None if self._tls is None else _tls_context(self._tls)
        return HttpExchange(self._host, self._port, self._timeout_s, context, deadline)

    # RemoteProxyClient overrides these: without a config file the person must do other things.

    def _key_name(self) -> str:
        return f"the proxy.apiKey of {self._path}"

    def _tls_error(self, error: ssl.SSLError) -> ProxyUnreachableError:
        return ProxyUnreachableError(f"no TLS with {self.url}: {error.reason or error}")

    def _down_error(self, error: OSError) -> ProxyDownError:
        from ..proxy.lifecycle.server_presence import port_elsewhere

        at = port_elsewhere(self._path, self._port)  # proxy.port was changed, and no restart followed
        what = f"one with this config file listens on port {at}: add --port {at}" if at else START
        return ProxyDownError(f"no proxy answers at {self.url}; {what}")

    def _other_program_error(self) -> ProxyUnreachableError:
        what = "set another proxy.port in the config file, or name the server's with --port"
        return ProxyUnreachableError(f"another program answers at {self.url}, not teamclaude; {what}")


def configured_proxy(
    port: Optional[int] = None, timeout_s: float = TIMEOUT_S, or_url: bool = False
) -> ProxyClient:
    """Return a client of the config file's proxy, without connecting.

    Raise ConfigError without a file, except for a `port`: a demo's proxy there needs none, and no key.
    `or_url`: the command takes --url.
    """
    if port is not None and not has_config():
        return ProxyClient(Config(), Path(open_config().path), port, timeout_s)
    file, config = read_config(or_url)
    return ProxyClient(config, file.path, port, timeout_s)


def _tls_context(tls: TlsConfig) -> ssl.SSLContext:
    """Trust the config's certificate besides the system's: it is often self-signed, for this proxy only."""
    import ssl  # 10 ms, for servers with TLS

    from ..dial.trust import trust_itself

    context = ssl.create_default_context()
    # The certificate is identified by its bytes; its host name is the one that other machines use.
    context.check_hostname = False
    try:
        with open(tls.cert, encoding="ascii", errors="ignore") as file:
            trust_itself(context, file.read())
    except OSError as error:
        raise ConfigError(f"proxy.tls.cert: can't read {tls.cert}: {error.strerror or error}") from error
    return context


_NO_JSON = object()
_REFUSALS = (403, 429, 500, 502, 503, 504)  # what may be said to one who asks for /health


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return _NO_JSON


def _error_message(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""
