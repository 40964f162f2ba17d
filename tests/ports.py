"""Ports for servers that are told theirs: no other test gets the same, nor does a connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Optional

__all__ = ["claim_descriptors", "free_port"]

# Below what systems give to connections and to port 0 (Linux from 32768, macOS and Windows from 49152):
# another socket could get such a port between its check and its use.
FIRST, SLICES, SLICE = 10_240, 352, 64

_claims: list[socket.socket] = []


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens, each time another one."""
    return next(_ports)


def claim_descriptors() -> set[int]:
    """Return the descriptors that are kept open for the ports of this process: no leak of what is tested."""
    return {claim.fileno() for claim in _claims}


def _free_ports() -> Iterator[int]:
    while True:
        first = _claimed_slice()
        for port in range(first + 1, first + SLICE):
            probe = _bound(socket.SOCK_STREAM, port)
            if probe is not None:
                probe.close()
                yield port


def _claimed_slice() -> int:
    """Take a slice: its first UDP port is bound as long as this process lives, so no other one takes it."""
    for number in range(SLICES):
        first = FIRST + SLICE * ((os.getpid() + number) % SLICES)
        claim = _bound(socket.SOCK_DGRAM, first)
        if claim is not None:
            _claims.append(claim)
            return first
    raise AssertionError(f"no ports are left from {FIRST} to {FIRST + SLICE * SLICES}")


def _bound(kind: socket.SocketKind, port: int) -> Optional[socket.socket]:
    sock = socket.socket(socket.AF_INET, kind)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        return None
    return sock


_ports = _free_ports()
