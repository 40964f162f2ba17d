"""CONNECT, spoken to an HTTP proxy (RFC 9110, 9.3.6): bytes in, bytes out.

`open_tunnel` is a generator: it yields what to send and how many bytes to read, and is sent these.  The
answer is read byte by byte: what follows its head belongs to the target, which may speak first.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator

from .authority import authority
from .proxies import ProxyAddress

__all__ = ["Dialogue", "RefusedByProxyError", "open_tunnel"]

MAX_HEAD_BYTES = 65536
_WANTS_LOGIN = (401, 407)  # tinyproxy 1.11 answers 401 to a wrong password

# Yields (bytes to send, number of bytes to receive), is sent exactly these.
Dialogue = Generator["tuple[bytes, int]", bytes, None]


class RefusedByProxyError(Exception):
    """The proxy does not open the way; `final`: asked again, it would refuse again.

    `unreachable`: the proxy could not reach this address of the target, another one may do.
    """

    def __init__(self, message: str, final: bool = False, unreachable: bool = False) -> None:
        super().__init__(message)
        self.final = final
        self.unreachable = unreachable


def open_tunnel(proxy: ProxyAddress, host: str, port: int) -> Dialogue:
    """Ask for a tunnel to host:port; raises RefusedByProxyError."""
    head = bytearray((yield request_head(proxy, host, port), 1))
    while not head.endswith((b"\n\r\n", b"\n\n")):
        if len(head) > MAX_HEAD_BYTES:
            raise RefusedByProxyError(f"its answer's head is longer than {MAX_HEAD_BYTES} bytes", final=True)
        if len(head) == 5 and head != b"HTTP/":
            raise RefusedByProxyError("it does not answer in HTTP; is it another kind of proxy?", final=True)
        head += yield b"", 1
    check_answer(proxy, bytes(head), f"{host}:{port}")


def request_head(proxy: ProxyAddress, host: str, port: int) -> bytes:
    """Return the head of the CONNECT request."""
    name = host if host.isascii() else host.encode("idna").decode()
    target = authority(name, port)
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user is not None:
        login = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    return "\r\n".join([*lines, "", ""]).encode()


def check_answer(proxy: ProxyAddress, head: bytes, target: str) -> None:
    """Raise RefusedByProxyError unless the answer is a 2xx, whose other fields mean nothing."""
    lines = head.decode("latin-1").splitlines()
    parts = re.match(r"HTTP/\d(?:\.\d)? (\d{3})(?: +(.*))?$", lines[0])
    if parts is None:
        raise RefusedByProxyError("it does not answer in HTTP", final=True)
    status = int(parts[1])
    if 200 <= status < 300:
        return
    if status in _WANTS_LOGIN:
        raise RefusedByProxyError(_login_text(proxy, status, lines[1:]), final=True)
    reason = re.sub(r"[^\x20-\x7e]", "?", parts[2] or "")[:60].strip()
    said = f"it answers {status} {reason}".rstrip()
    # A gateway's 502, 503 and 504 are about the target; so is a 500 of some.
    raise RefusedByProxyError(f"{said} instead of a tunnel to {target}", final=status < 500)


def _login_text(proxy: ProxyAddress, status: int, fields: list[str]) -> str:
    challenges = [line for line in fields if line.lower().startswith("proxy-authenticate:")]
    asked = [line.partition(":")[2].split() for line in challenges]
    schemes = [re.sub(r"[^\w-]", "", words[0])[:20] for words in asked if words]
    if schemes and "basic" not in map(str.lower, schemes):
        asked_for = " or ".join(schemes)
        return f"it asks for a login by {asked_for} ({status}), which is not spoken here: only Basic is"
    if proxy.user is None:
        return f"it asks for a login ({status}): write USER:PASSWORD@ before its host"
    return f"it does not accept the user name and password ({status})"
