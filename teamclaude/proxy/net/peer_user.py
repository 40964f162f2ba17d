"""Find the user whose process is at the other end of a loopback connection (Linux).

Rules that hold in this file:

1. The kernel is asked for the one socket whose local address is our remote address (`sock_diag`); only where
   that is refused are the tables of all sockets read (`/proc/net/tcp`, `tcp6`: proc_pid_net(5)).
2. A closed socket (inode 0, TIME_WAIT) and a listening one have no owner: their uid does not say who sent.
3. A table answers the queries that came before it was read: a later connection may have the addresses of an
   earlier one.  So a burst costs two reads, and no answer is stale.
4. Without a free descriptor the owner is unknown: that is OverloadedError, to be asked again, and not
   "another user".
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from typing import Callable

from ...errors import OverloadedError
from ...values import NamedTuple
from .sock_diag import IpAddress, SocketDiag

__all__ = [
    "Address",
    "PeerUserCheck",
    "is_descriptor_shortage",
    "is_loopback",
    "listener_uid",
    "parse_ip",
    "peer_uid",
    "same_user",
]

PROC_NET = "/proc/net"
MAX_ROW_BYTES = 512
RETRY_SEC = 1
# Columns of a row, split at blanks.
_LOCAL, _REMOTE, _STATE, _UID, _INODE = 1, 2, 3, 7, 9
_TIME_WAIT = b"06"
_LISTEN = b"0A"


class Address(NamedTuple):
    """One end of a TCP connection; `host` is an IP literal."""

    host: str
    port: int


@lru_cache(maxsize=256)  # called once per request, nearly always with 127.0.0.1
def is_loopback(host: str) -> bool:
    """Return whether `host` is an IP literal of the loopback: 127/8, ::1 or v4-mapped 127/8."""
    try:
        return parse_ip(host).is_loopback
    except ValueError:
        return False


def is_descriptor_shortage(error: OSError) -> bool:
    """Return whether no descriptor was free, in this process or on this machine."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


class ProcNetTables:
    """The rows of `/proc/net/tcp` and `tcp6`; rule 3 says how long a reading may be used."""

    def __init__(self, proc_net: str = PROC_NET) -> None:
        self._proc_net = proc_net
        self._count_lock = threading.Lock()  # guards _queries
        self._queries = 0
        self._read_lock = threading.Lock()  # guards _contents; held while a table is read
        self._contents: dict[str, tuple[int, bytes]] = {}  # by name: the first query that came too late

    def owner(self, table: str, row_local: bytes, row_remote: bytes) -> int | None:
        """Return the uid in the row with these two addresses; raises OSError."""
        with self._count_lock:
            number = self._queries
            self._queries += 1
        with self._read_lock:
            too_late, content = self._contents.get(table, (0, b""))
            if number >= too_late:
                with self._count_lock:
                    too_late = self._queries
                with open(os.path.join(self._proc_net, table), "rb") as file:
                    content = file.read()
                self._contents[table] = too_late, content
        return _uid_in_rows(content, row_local, row_remote)


_tables = ProcNetTables()
_diag = SocketDiag()


def peer_uid(
    local: Address, peer: Address, tables: ProcNetTables | None = None, diag: SocketDiag | None = None
) -> int | None:
    """Return the uid that owns the peer's socket of the connection from `local` (ours) to `peer`, or None.

    None: the system does not say (not Linux, restricted), the peer is on another host or has closed its
    socket. Raises OverloadedError if no descriptor is free to ask.
    """
    try:
        ours, theirs = parse_ip(local[0]), parse_ip(peer[0])
    except ValueError:
        return None
    try:
        found = (diag or _diag).owner(theirs, peer[1], ours, local[1])
        if found.is_known:
            return found.uid
        return _uid_in_tables(tables or _tables, ours, local[1], theirs, peer[1])
    except OSError as error:
        if is_descriptor_shortage(error):
            raise OverloadedError(
                "No descriptor is free to see whose process this is; try again in a moment, or send the key.",
                RETRY_SEC,
            ) from error
        return None


def listener_uid(address: Address, proc_net: str = PROC_NET) -> int | None:
    """Return the uid of whoever listens at an address of this machine; None where that can't be told.

    A connection tells no owner before it is accepted, which its other side may put off.
    """
    try:
        ip = parse_ip(address.host)
        any_ip = ipaddress.ip_address(bytes(len(ip.packed)))
        found: dict[str, bytes] = {}
        for table in ("tcp", "tcp6"):
            with suppress(FileNotFoundError), open(os.path.join(proc_net, table), "rb") as file:
                found[table] = file.read()
    except (OSError, ValueError):
        return None
    # A listener at the address itself gets the connection before one at all addresses.
    for host in (ip, any_ip, ipaddress.IPv6Address(0)):
        for table, content in found.items():
            if host.version == 6 and table == "tcp":
                continue
            at = _proc_net_address(host, address.port, table == "tcp6")
            for row in map(bytes.split, content.splitlines()):
                if len(row) > _UID and row[_LOCAL] == at and row[_STATE] == _LISTEN and row[_UID].isdigit():
                    return int(row[_UID])
    return None


def same_user(
    local: Address,
    peer: Address,
    own_uid: Callable[[], int] | None = getattr(os, "geteuid", None),
) -> bool | None:
    """Return whether the peer's process runs as our user, None if unknown; raises OverloadedError."""
    uid = peer_uid(local, peer) if own_uid is not None else None
    return None if uid is None or own_uid is None else uid == own_uid()


class PeerUserCheck:
    """`same_user` for one connection: looked up on the first call, then remembered."""

    def __init__(
        self, connection: socket.socket, lookup: Callable[[Address, Address], bool | None] = same_user
    ) -> None:
        self._connection = connection
        self._lookup = lookup
        self._is_known = False
        self._is_same_user: bool | None = None

    def __call__(self) -> bool | None:
        """Return the answer; raises OverloadedError, after which it may be called again."""
        if not self._is_known:
            self._is_same_user = self._lookup_addresses()
            self._is_known = True
        return self._is_same_user

    def _lookup_addresses(self) -> bool | None:
        try:
            local, peer = self._connection.getsockname(), self._connection.getpeername()
        except OSError:  # the client is gone already
            return None
        return self._lookup(Address(*local[:2]), Address(*peer[:2]))


def _uid_in_tables(
    tables: ProcNetTables, ours: IpAddress, our_port: int, theirs: IpAddress, their_port: int
) -> int | None:
    # A v4 peer may use a v6 socket: then its row is in tcp6 with v4-mapped addresses.
    for table in ("tcp", "tcp6") if theirs.version == 4 else ("tcp6",):
        mapped = table == "tcp6"
        uid = tables.owner(
            table, _proc_net_address(theirs, their_port, mapped), _proc_net_address(ours, our_port, mapped)
        )
        if uid is not None:
            return uid
    return None


def _uid_in_rows(content: bytes, row_local: bytes, row_remote: bytes) -> int | None:
    at = -1
    while (at := content.find(row_local + b" " + row_remote, at + 1)) >= 0:
        start = content.rfind(b"\n", 0, at) + 1
        row = content[start : start + MAX_ROW_BYTES].split(b"\n", 1)[0].split()
        # A closed socket's row lingers with uid 0 and inode 0: with that, any process that sends and closes
        # at once would be root.
        if (
            len(row) > _INODE
            and row[_LOCAL] == row_local
            and row[_REMOTE] == row_remote
            and row[_STATE] != _TIME_WAIT
            and row[_INODE] != b"0"
            and row[_UID].isdigit()
        ):
            return int(row[_UID])
    return None


def parse_ip(host: str) -> IpAddress:
    """Parse an IP literal; drop its zone, and return v4 for a v4-mapped address.  Raises ValueError."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _proc_net_address(address: IpAddress, port: int, mapped: bool) -> bytes:
    """Return `address:port` as the tables print it: 32-bit words in the byte order of the machine, in hex."""
    packed = address.packed
    if address.version == 4 and mapped:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    words = (packed[i : i + 4] for i in range(0, len(packed), 4))
    text = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    return f"{text}:{port:04X}".encode()
