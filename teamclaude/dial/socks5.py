"""CONNECT, spoken to a SOCKS proxy (RFC 1928), with no login or user name and password (RFC 1929).

`open_socks5` is a generator like `http_tunnel.open_tunnel`: it yields what to send and how many bytes to
read.
"""

from __future__ import annotations

from .http_tunnel import Dialogue, RefusedByProxyError
from .no_proxy import address_of
from .proxies import ProxyAddress

__all__ = ["open_socks5"]

_NO_LOGIN, _PASSWORD, _NO_METHOD = 0, 2, 0xFF
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_BYTES = {_IPV4: 4, _IPV6: 16}
# RFC 1928, 6.
_REPLIES = {
    1: "it failed",
    2: "its rules do not allow this target",
    3: "it finds the network unreachable",
    4: "it finds the host unreachable",
    5: "the target refused its connection",
    6: "its connection's time to live expired",
    7: "it can't open connections (CONNECT)",
    8: "it does not take this type of address",
}
_FINAL = {2, 7}
_UNREACHABLE = {1, 3, 4, 5, 6, 8}


def open_socks5(proxy: ProxyAddress, host: str, port: int) -> Dialogue:
    """Ask for a connection to host:port, a name or an address; raises RefusedByProxyError."""
    methods = bytes([_NO_LOGIN] if proxy.user is None else [_NO_LOGIN, _PASSWORD])
    version, method = yield bytes([5, len(methods)]) + methods, 2
    if version != 5:
        raise RefusedByProxyError("it is no SOCKS5 proxy", final=True)
    if method == _PASSWORD and proxy.user is not None:
        user, password = proxy.user.encode(), proxy.password.encode()
        login = bytes([1, len(user)]) + user + bytes([len(password)]) + password
        _, status = yield login, 2
        if status != 0:
            raise RefusedByProxyError("it does not accept the user name and password", final=True)
    elif method != _NO_LOGIN:
        need = "asks for a login" if proxy.user is None else "does not take a user name and password"
        hint = ": write USER:PASSWORD@ before its host" if proxy.user is None else ""
        raise RefusedByProxyError(f"it {need}{hint}", final=True)
    version, reply, _, kind = yield b"\x05\x01\x00" + _encoded(host) + port.to_bytes(2, "big"), 4
    if version != 5:
        raise RefusedByProxyError("it breaks off in the middle of SOCKS5", final=True)
    if reply != 0:
        text = _REPLIES.get(reply, f"it refuses with code {reply}")
        raise RefusedByProxyError(
            f"{text} ({host}:{port})", final=reply in _FINAL, unreachable=reply in _UNREACHABLE
        )
    # Its own address of the connection says nothing to us.
    if kind == _NAME:
        size = (yield b"", 1)[0]
    elif kind in _ADDRESS_BYTES:
        size = _ADDRESS_BYTES[kind]
    else:
        raise RefusedByProxyError("it answers with an unknown type of address", final=True)
    yield b"", size + 2


def _encoded(host: str) -> bytes:
    address = address_of(host)
    if address is not None:
        return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed
    name = host.encode("ascii" if host.isascii() else "idna")
    if len(name) > 255:
        raise RefusedByProxyError("the host name is longer than SOCKS can carry", final=True)
    return bytes([_NAME, len(name)]) + name
