"""Ask the Linux kernel for the owner of one TCP socket by its addresses (sock_diag(7)).

A query takes 20 us whatever other sockets there are; the tables in `/proc/net` take 2 ms at 1,000 sockets.

Rules that hold in this file:

1. Only the kernel's reply to this query counts: its port id is 0, the sequence number is ours, and the socket
   has exactly the addresses that were asked for.  (If no connection has them, Linux replies with a socket
   that listens on that port, which may be another user's.)
2. "No such socket" counts only from a kernel that shows our own end of the same connection: one without
   inet_diag says it of every socket.
3. The netlink socket is kept open: the answer is needed most when no descriptor is free.
"""

from __future__ import annotations

import errno
import socket
import struct
import threading
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Optional, Union

from ...values import NamedTuple

__all__ = ["SocketDiag", "SocketOwner"]

IpAddress = Union[IPv4Address, IPv6Address]

_NETLINK: Optional[int] = getattr(socket, "AF_NETLINK", None)
_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST = 1  # NLM_F_REQUEST
_ERROR = 2  # NLMSG_ERROR
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence number, port id
_QUERY = struct.Struct("=BBBxI")  # inet_diag_req_v2 up to its id: family, protocol, extensions, states
_PORTS = struct.Struct("!HH16s16s")  # inet_diag_sockid: ports and addresses of the socket that is asked for
_REST = struct.Struct("=III")  # interface, cookie
_REPLY = struct.Struct("=BBxx48xIIIII")  # inet_diag_msg: family, state; expires, queues, uid, inode
_NO_COOKIE = 0xFFFFFFFF
_ALL_STATES = 0xFFF
_LOOPBACK = 1  # the index of `lo` in every network namespace
# Linux's numbers (tcp_states.h): a socket in these states is gone or belongs to no connection.
_TIME_WAIT, _CLOSE, _LISTEN, _NEW_SYN_RECV = 6, 7, 10, 12
_UNOWNED_STATES = (_TIME_WAIT, _CLOSE, _LISTEN, _NEW_SYN_RECV)
TIMEOUT_SEC = 1.0  # the kernel replies before `send` returns
MAX_STALE_REPLIES = 16  # replies to an earlier query that timed out


class SocketOwner(NamedTuple):
    """A reply; not `is_known`: the kernel does not answer such queries; `uid` None: no process owns it."""

    is_known: bool
    uid: Optional[int] = None


# With these errors the kernel will never answer; any other failure may pass.
_PERMANENT_ERRORS = {
    errno.EPERM,
    errno.EACCES,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EAFNOSUPPORT,
    errno.EOPNOTSUPP,
    errno.EPROTONOSUPPORT,
    getattr(errno, "ESOCKTNOSUPPORT", errno.EPROTONOSUPPORT),
}

_UNKNOWN_OWNER, _NO_OWNER = SocketOwner(False), SocketOwner(True)


class SocketDiag:
    """Query the kernel; any thread, one query at a time."""

    def __init__(self, open_socket: Any = None) -> None:
        self._open = open_socket or _open
        self._lock = threading.Lock()  # guards the three below
        self._sock: Optional[socket.socket] = None
        self._is_unsupported = False  # this system will never answer
        self._sequence = 0

    def owner(self, host: IpAddress, port: int, remote: IpAddress, remote_port: int) -> SocketOwner:
        """Return the owner of the socket with this local and this remote address.

        Raises OSError (EMFILE, ENFILE) if no descriptor is free to ask.
        """
        if self._is_unsupported or _NETLINK is None:
            return _UNKNOWN_OWNER
        with self._lock:
            try:
                for interface in (0, _LOOPBACK):  # the second finds a socket that is bound to `lo`
                    found = self._query(host, port, remote, remote_port, interface)
                    if found is not None:
                        return found
                own = self._query(remote, remote_port, host, port, 0)
                return _UNKNOWN_OWNER if own is None else _NO_OWNER
            except OSError as error:
                self._close()
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise
                self._is_unsupported = error.errno in _PERMANENT_ERRORS
            except struct.error:  # the reply is malformed
                self._close()
                self._is_unsupported = True
            return _UNKNOWN_OWNER

    def _query(
        self, host: IpAddress, port: int, remote: IpAddress, remote_port: int, interface: int
    ) -> Optional[SocketOwner]:
        """Send one query; None if there is no such socket, or the kernel shows no sockets."""
        if self._sock is None:
            self._sock = self._open()
        self._sequence = number = (self._sequence + 1) & 0xFFFFFFFF
        ends = _PORTS.pack(port, remote_port, host.packed, remote.packed)
        family = socket.AF_INET if host.version == 4 else socket.AF_INET6
        query = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + ends
        query += _REST.pack(interface, _NO_COOKIE, _NO_COOKIE)
        head = _HEADER.pack(_HEADER.size + len(query), _BY_FAMILY, _REQUEST, number, 0)
        self._sock.send(head + query)
        for _ in range(MAX_STALE_REPLIES):
            data, sender = self._sock.recvfrom(4096)
            length, kind, _flags, sequence, _port = _HEADER.unpack_from(data)
            if sender[0] == 0 and sequence == number:
                return _parse_reply(kind, data[_HEADER.size : length], ends, host, remote)
        raise socket.timeout("no answer among many")

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _open() -> socket.socket:
    assert _NETLINK is not None
    sock = socket.socket(_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
    sock.settimeout(TIMEOUT_SEC)
    return sock


def _parse_reply(
    kind: int, body: bytes, ends: bytes, host: IpAddress, remote: IpAddress
) -> Optional[SocketOwner]:
    if kind == _ERROR:
        code = -struct.unpack_from("=i", body)[0]
        if code == errno.ENOENT:
            return None
        raise OSError(code, "sock_diag refused")
    family, state, _expires, _receive, _send, uid, inode = _REPLY.unpack_from(body)
    if (
        not _is_same_connection(family, body[4:40], ends, host, remote)
        or state in _UNOWNED_STATES
        or not inode
    ):
        return _NO_OWNER
    return SocketOwner(True, uid)


def _is_same_connection(family: int, told: bytes, ends: bytes, host: IpAddress, remote: IpAddress) -> bool:
    """Return whether the reply is about the connection asked for; a v6 socket may carry a v4 one."""
    if family == socket.AF_INET and host.version == 4:
        # Only 4 of the 16 bytes of each address are defined.
        return told[:8] == ends[:8] and told[20:24] == ends[20:24]
    if family != socket.AF_INET6:
        return False
    theirs = told[4:20], told[20:36]
    return told[:4] == ends[:4] and theirs == (_as_v6_bytes(host), _as_v6_bytes(remote))


def _as_v6_bytes(address: IpAddress) -> bytes:
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
