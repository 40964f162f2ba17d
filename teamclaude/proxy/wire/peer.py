"""Whose process is at the other end of a loopback connection: read from Linux' socket tables.

Each TCP socket of this host is one line of `/proc/net/tcp` or `tcp6` (proc_pid_net(5)) with its two addresses
and the uid of its owner.  The peer's socket is the line whose local address is our remote address.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from functools import lru_cache
from typing import Callable, NamedTuple

__all__ = ["Address", "PeerCheck", "is_loopback", "peer_uid", "same_user"]

# Columns of a line, split at blanks.
_LOCAL, _REMOTE, _STATE, _UID, _INODE = 1, 2, 3, 7, 9
_TIME_WAIT = b"06"


class Address(NamedTuple):
    host: str
    port: int


@lru_cache(maxsize=256)  # asked once per request, nearly always about 127.0.0.1
def is_loopback(host: str) -> bool:
    """Whether `host` is an IP literal of this machine's loopback: 127/8, ::1 or v4-mapped 127/8."""
    try:
        return _unmapped(host).is_loopback
    except ValueError:
        return False


def peer_uid(local: Address, peer: Address, proc_net: str = "/proc/net") -> int | None:
    """The uid that owns the peer's socket of the connection `local` (ours) to `peer`, or None.

    None: the tables can't be read (not Linux, restricted), the peer isn't on this host or has closed
    its socket already.
    """
    try:
        ours, theirs = _unmapped(local[0]), _unmapped(peer[0])
    except ValueError:
        return None
    # A v4 peer may have used a v6 socket: then its line is in tcp6 with v4-mapped addresses.
    tables = ("tcp", "tcp6") if theirs.version == 4 else ("tcp6",)
    for table in tables:
        mapped = table == "tcp6"
        row_local = _hex(theirs, peer[1], mapped)
        row_remote = _hex(ours, local[1], mapped)
        uid = _owner(os.path.join(proc_net, table), row_local, row_remote)
        if uid is not None:
            return uid
    return None


def same_user(
    local: Address,
    peer: Address,
    proc_net: str = "/proc/net",
    own_uid: Callable[[], int] | None = getattr(os, "geteuid", None),
) -> bool | None:
    """Whether the peer's process runs as our user; None where that can't be known."""
    uid = peer_uid(local, peer, proc_net) if own_uid is not None else None
    return None if uid is None or own_uid is None else uid == own_uid()


class PeerCheck:
    """`same_user` for one connection, looked up when first asked and remembered as long as it lives."""

    def __init__(
        self, connection: socket.socket, lookup: Callable[[Address, Address], bool | None] = same_user
    ) -> None:
        self._connection = connection
        self._lookup = lookup
        self._asked = False
        self._answer: bool | None = None

    def __call__(self) -> bool | None:
        if not self._asked:
            self._answer = self._look()
            self._asked = True
        return self._answer

    def _look(self) -> bool | None:
        try:
            local, peer = self._connection.getsockname(), self._connection.getpeername()
        except OSError:  # the client is gone already
            return None
        return self._lookup(Address(*local[:2]), Address(*peer[:2]))


def _owner(table: str, row_local: bytes, row_remote: bytes) -> int | None:
    try:
        with open(table, "rb") as lines:
            for line in lines:
                if row_local not in line:
                    continue
                row = line.split()
                # A closed socket's line lingers with uid 0 and inode 0: taken at its word, anybody who
                # sends and closes at once would be root.
                if (
                    len(row) > _INODE
                    and row[_LOCAL] == row_local
                    and row[_REMOTE] == row_remote
                    and row[_STATE] != _TIME_WAIT
                    and row[_INODE] != b"0"
                ):
                    return int(row[_UID])
    except (OSError, ValueError):
        return None
    return None


def _unmapped(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _hex(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, mapped: bool) -> bytes:
    """`address:port` as the tables print it: 32-bit words in the byte order of the machine, in hex."""
    packed = address.packed
    if address.version == 4 and mapped:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    words = (packed[i : i + 4] for i in range(0, len(packed), 4))
    text = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    return f"{text}:{port:04X}".encode()
