"""Ids that exist for one credential alone: which request makes one, and which names one.

Files, batches and skills belong to the organisation whose credential made them; with another account's they
are not found (404).  Source: the paths of the public API.
"""

from __future__ import annotations

import re
from typing import Optional, Union
from urllib.parse import unquote

from ..routing.decision import Lease
from .router import Router

__all__ = ["in_body", "is_deleted_by", "made_by", "named_in", "note_owner"]

_PART = 1 << 20  # what is searched in one go: about 1 ms
_LONGEST = 256  # of a member with an id
_LONGEST_ID = 128

Buffer = Union[bytes, bytearray, memoryview]

_MAKERS = ("/v1/files", "/v1/messages/batches", "/v1/skills")
_ID = re.compile(rf"(?:{'|'.join(_MAKERS)})/([^/]{{1,384}})(?:/|\Z)")
# In a request's body: {"source": {"type": "file", "file_id": ...}}, {"type": "container_upload", ...} and
# {"skills": [{"skill_id": ...}]}.  A tool may be called with a `file_id`, too: that has no such type.
_MEMBER = rb'"%b"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}"(%b)"'
_IN_BODY = tuple(
    (re.compile(_MEMBER % (name, rb"[0-9A-Za-z._-]{1,128}")), re.compile(type))
    for name, type in ((b"file_id", _MEMBER % (b"type", b"file|container_upload")), (b"skill_id", b""))
)


def named_in(path: str) -> Optional[str]:
    """The id that a path names; None where it names none."""
    found = _ID.match(path)
    id = unquote(found[1]) if found is not None else ""
    return id if 0 < len(id) <= _LONGEST_ID else None


def made_by(method: str, path: str, id: Optional[str]) -> Optional[str]:
    """The id that a served request has made, `id` being that of its answer's JSON."""
    return id if method == "POST" and path in _MAKERS else None


def is_deleted_by(method: str, path: str) -> bool:
    """Whether a served request has deleted what its path names."""
    return method == "DELETE" and _ID.fullmatch(path) is not None


def note_owner(router: Router, lease: Lease, method: str, path: str, made: Optional[str]) -> None:
    """Remember whose the id is that a served request has made, or has found where nobody knew whose it was.

    `made` is the id of its answer's JSON.
    """
    id = named_in(path) or made_by(method, path, made)
    if id is None:
        return
    if is_deleted_by(method, path):
        router.forget_owner(id)
    elif lease.ask.owner is None:
        router.record_owner(id, lease)


def in_body(body: Buffer) -> list[str]:
    """The first file and the first skill that a request's body names."""
    found = (_first(pattern, kinds, body) for pattern, kinds in _IN_BODY)
    return [match[1].decode() for match in found if match is not None]


def _first(pattern: re.Pattern[bytes], kinds: re.Pattern[bytes], body: Buffer) -> Optional[re.Match[bytes]]:
    """The first one in an object of one of these types; between parts other threads have their turn."""
    for at in range(0, max(1, len(body)), _PART):
        for found in pattern.finditer(body, at, at + _PART + _LONGEST):
            before = bytes(body[max(0, found.start() - _LONGEST) : found.start()]).rpartition(b"{")[2]
            after = bytes(body[found.end() : found.end() + _LONGEST]).partition(b"}")[0]
            if kinds.search(before + after):
                return found
    return None
