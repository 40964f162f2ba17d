"""The header of the PROXY protocol, versions 1 and 2: where a connection comes from, by the proxy's word.

Source: HAProxy's proxy-protocol.txt; 2.1 and 2.2 are its sections.

1. A header that is malformed or too long is refused: without it nobody knows whose the connection is.
2. LOCAL (a health check of the proxy itself), UNKNOWN, UNSPEC and UNIX name no address: the connection's own
   counts.
3. What follows the addresses of version 2 (TLVs) is skipped.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Optional

from ...errors import BadRequestError
from ..net.peer_user import parse_ip

__all__ = ["MAX_HEADER_BYTES", "header_size", "named_caller"]

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V1_MAX = 107  # with its CRLF (2.1)
_V2_FIXED = 16  # signature, command, family, length
_V2_MAX_LENGTH = 8192  # of addresses and TLVs; a client's certificate may be among them
MAX_HEADER_BYTES = _V2_FIXED + _V2_MAX_LENGTH
_LOCAL, _PROXY = 0, 1
# Bytes of the addresses and ports by family (2.2).
_ADDRESS_BYTES = {0: 0, 1: 12, 2: 36, 3: 216}
_IP_BYTES = {1: 4, 2: 16}
_V1_LINE = re.compile(rb"PROXY (TCP[46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (\d{1,5}) (\d{1,5})\r\n")


def header_size(data: bytes) -> Optional[int]:
    """Return the size of the header that the bytes begin with; 0: none; None: more must be read to tell.

    Raises BadRequestError for one that can't become valid.
    """
    if data.startswith(_V2):
        return _v2_size(data)
    if data.startswith(_V1):
        end = data.find(b"\r\n", 0, _V1_MAX)
        if end < 0 and len(data) >= _V1_MAX:
            raise BadRequestError(f"the PROXY line is longer than {_V1_MAX} bytes")
        return end + 2 if end >= 0 else None
    return None if _V2.startswith(data) or _V1.startswith(data) else 0


def _v2_size(data: bytes) -> Optional[int]:
    if len(data) > 12:
        _check_command(data[12])
    if len(data) < _V2_FIXED:
        return None
    length = int.from_bytes(data[14:16], "big")
    if length > _V2_MAX_LENGTH:
        raise BadRequestError(f"the PROXY header is longer than {MAX_HEADER_BYTES} bytes")
    return _V2_FIXED + length


def _check_command(value: int) -> None:
    if value >> 4 != 2 or value & 15 not in (_LOCAL, _PROXY):
        raise BadRequestError("the PROXY header has another version or command than is known")


def named_caller(header: bytes) -> str:
    """Return the address that a whole header names, "" when it names none; raises BadRequestError."""
    if header.startswith(_V2):
        return _v2_caller(header)
    words = header.split(b" ", 2)
    if words[1].rstrip(b"\r\n") == b"UNKNOWN":  # whatever follows (2.1)
        return ""
    match = _V1_LINE.fullmatch(header)
    if match is None or max(int(match[4]), int(match[5])) > 65535:
        raise BadRequestError("the PROXY line is not 'PROXY TCP4|TCP6|UNKNOWN source destination port port'")
    try:
        addresses = [ipaddress.ip_address(match[number].decode()) for number in (2, 3)]
    except ValueError:
        addresses = []
    version = int(match[1][3:])
    if not addresses or any(address.version != version for address in addresses):
        raise BadRequestError(f"the PROXY line has an address that is not IPv{version}")
    return str(parse_ip(str(addresses[0])))


def _v2_caller(header: bytes) -> str:
    if header[12] & 15 == _LOCAL:
        return ""
    family, transport = header[13] >> 4, header[13] & 15
    needed = _ADDRESS_BYTES.get(family)
    if needed is None or transport > 2:
        raise BadRequestError("the PROXY header has an unknown address family")
    if len(header) - _V2_FIXED < needed:
        raise BadRequestError("the PROXY header is too short for its addresses")
    size = _IP_BYTES.get(family, 0)
    if not size:
        return ""
    return str(parse_ip(str(ipaddress.ip_address(header[_V2_FIXED : _V2_FIXED + size]))))
