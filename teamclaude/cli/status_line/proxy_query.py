"""Which proxy the environment names, and one question to it.

A bare socket instead of http.client: that takes 14 ms to import, the question one.

Rules:
1. A key goes only where the client itself sends it: to the address that stands beside it in the environment.
2. Nothing is asked of a server on another machine unless its key says that it is one of ours.
3. The whole question has one time limit; no answer is no error.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping

from ...values import NamedTuple

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import Any, Optional

__all__ = ["Answer", "ProxyAddress", "ask", "proxy_address", "uses_a_gateway"]

LOOPBACK_SEC = 0.25  # it takes 1 ms, but while a client starts the processors are busy
REMOTE_SEC = 0.6
MAX_ANSWER_BYTES = 65536
USER_OF_PROXY_URL = "teamclaude"  # in HTTPS_PROXY, for first-party mode
OUR_KEY = "tc-"  # how the keys begin that we make
THE_API = "api.anthropic.com"


class ProxyAddress(NamedTuple):
    """Where a proxy listens, and the key for it (empty: this user needs none over loopback)."""

    host: str
    port: int
    tls: bool = False
    key: str = ""
    prefix: str = ""  # of every path

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, by an address or name that needs no look-up."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


class Answer(NamedTuple):
    """The JSON of an answer, and its bytes."""

    facts: Mapping[str, Any]
    data: bytes


def proxy_address(env: Mapping[str, str]) -> Optional[ProxyAddress]:
    """Return the proxy that a client with this environment uses; None for a direct client, or another's."""
    base = _parse(env.get("ANTHROPIC_BASE_URL", ""))
    if base is not None and base.host != THE_API:
        token = env.get("ANTHROPIC_AUTH_TOKEN", "")
        key = _own_header(env.get("ANTHROPIC_CUSTOM_HEADERS", ""))
        key = key or (token if token.startswith(OUR_KEY) else "") or _named_key(env, base)
        return base._replace(key=key) if key or base.is_loopback else None
    for name in ("HTTPS_PROXY", "https_proxy"):
        proxy = _parse(env.get(name, ""), USER_OF_PROXY_URL)
        if proxy is not None and proxy.key:
            return proxy
    return None


def _named_key(env: Mapping[str, str], base: ProxyAddress) -> str:
    """Return TEAMCLAUDE_KEY if TEAMCLAUDE_URL names the same server: `run` and `env` set both."""
    return env.get("TEAMCLAUDE_KEY", "").strip() if _parse(env.get("TEAMCLAUDE_URL", "")) == base else ""


def uses_a_gateway(env: Mapping[str, str]) -> bool:
    """Return whether the client has a base URL that is not the API's own: ours or somebody else's."""
    base = _parse(env.get("ANTHROPIC_BASE_URL", ""))
    return base is not None and base.host != THE_API


def ask(proxy: ProxyAddress, session: str) -> Optional[Answer]:
    """Return the answer for `session`; None when there is none in time, or it is not ours."""
    if proxy.is_loopback or not any(char.isalpha() for char in proxy.host.replace(":", "")):
        seconds = LOOPBACK_SEC if proxy.is_loopback else REMOTE_SEC
        return _ask(proxy, session, seconds)
    from .bounded import in_time

    # A name has to be looked up, which takes as long as it likes.
    return in_time(lambda: _ask(proxy, session, REMOTE_SEC), REMOTE_SEC)


def _ask(proxy: ProxyAddress, session: str, seconds: float) -> Optional[Answer]:
    try:
        return _read_answer(_exchange(proxy, session, time.monotonic() + seconds))
    except (OSError, ValueError, RecursionError):
        return None


def _exchange(proxy: ProxyAddress, session: str, deadline: float) -> bytes:
    """Send the question and return all bytes of the answer; raise OSError when it comes too late."""

    def left() -> float:
        return max(0.001, deadline - time.monotonic())

    sock = _connected(proxy, left())
    try:
        if proxy.tls:
            sock = _with_tls(sock, proxy.host)
        sock.settimeout(left())
        sock.sendall(_request(proxy, session))
        data = b""
        while len(data) < MAX_ANSWER_BYTES and not _is_whole(data):
            sock.settimeout(left())
            piece = sock.recv(MAX_ANSWER_BYTES)
            if not piece or time.monotonic() > deadline:
                break
            data += piece
        return data
    finally:
        sock.close()


def _connected(proxy: ProxyAddress, seconds: float) -> socket.socket:
    if not proxy.is_loopback or proxy.host == "localhost":
        return socket.create_connection((proxy.host, proxy.port), seconds)
    # Without a look-up, for which Python imports its codec of international names (1 ms).
    sock = socket.socket(socket.AF_INET6 if ":" in proxy.host else socket.AF_INET)
    try:
        sock.settimeout(seconds)
        sock.connect((proxy.host, proxy.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _request(proxy: ProxyAddress, session: str) -> bytes:
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    lines = [
        f"GET {proxy.prefix}/teamclaude/statusline/{session} HTTP/1.1",
        f"Host: {host}:{proxy.port}",
        "Connection: close",
    ]
    lines += [f"x-teamclaude-key: {proxy.key}"] if proxy.key else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _is_whole(data: bytes) -> bool:
    """Return whether the answer has as many bytes as its Content-Length says."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return value.strip().isdigit() and len(body) >= int(value)
    return False


def _read_answer(data: bytes) -> Optional[Answer]:
    head, _, body = data.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] != [b"200"]:
        return None
    facts = json.loads(body)
    return Answer(facts, body) if isinstance(facts, dict) and facts.get("service") == "teamclaude" else None


def _with_tls(sock: Any, host: str) -> Any:
    """Return the socket with TLS, trusting what the client trusts."""
    import os
    import ssl

    context = ssl.create_default_context()
    context.verify_flags |= ssl.VerifyFlags(0x80000)  # X509_V_FLAG_PARTIAL_CHAIN; has a name since 3.10
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which clients don't ask for
    extra = os.environ.get("NODE_EXTRA_CA_CERTS") or os.environ.get("TEAMCLAUDE_CA_FILE")
    if extra:
        context.load_verify_locations(extra)
    return context.wrap_socket(sock, server_hostname=host)


def _own_header(text: str) -> str:
    """Return the key in ANTHROPIC_CUSTOM_HEADERS, where each line is a header."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "x-teamclaude-key":
            return value.strip()
    return ""


def _parse(url: str, user: str = "") -> Optional[ProxyAddress]:
    """Return the address in a URL, with its password as the key if its user is `user`; None if it is none.

    By hand: urllib.parse takes 3 ms.
    """
    scheme, found, rest = url.strip().partition("://")
    if not found or scheme.lower() not in ("http", "https") or not url.isascii() or not url.isprintable():
        return None
    authority, slash, path = rest.partition("/")
    login, _, place = authority.rpartition("@")
    name, _, password = login.partition(":")
    host, port = _host_and_port(place)
    tls = scheme.lower() == "https"
    number = int(port) if port.isdigit() else 443 if tls else 80
    if not host or (port and not port.isdigit()) or number > 65535 or " " in rest:
        return None
    key = _decoded(password) if user and name == user else ""
    return ProxyAddress(host, number, tls, key, (slash + path).rstrip("/") if not user else "")


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host.lower(), rest[1:] if rest.startswith(":") else ""
    host, _, port = place.partition(":")
    return host.lower(), port


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)
