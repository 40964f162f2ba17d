"""Ids that exist for one credential alone: which request makes one, and which names one.

Files, batches and skills belong to the organisation whose credential made them; with another account's they
are not found (404).  Source: the paths of the public API.
"""

from __future__ import annotations

import re
from typing import Optional, Union
from urllib.parse import unquote

from ...routing.state.decision import Lease
from .router import Router

__all__ = ["ids_in_body", "deletes_id", "created_id", "id_in_path", "record_owner"]

_SEARCH_BYTES = 1 << 20  # what is searched in one go: about 1 ms
_MAX_MEMBER_BYTES = 256  # of a member with an id
_MAX_ID_CHARS = 128

Buffer = Union[bytes, bytearray, memoryview]

_CREATING_PATHS = ("/v1/files", "/v1/messages/batches", "/v1/skills")
_ID = re.compile(rf"(?:{'|'.join(_CREATING_PATHS)})/([^/]{{1,384}})(?:/|\Z)")
# In a request's body: {"source": {"type": "file", "file_id": ...}}, {"type": "container_upload", ...} and
# {"skills": [{"skill_id": ...}]}.  A tool may be called with a `file_id`, too: that has no such type.
_MEMBER = rb'"%b"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}"(%b)"'
_IN_BODY = tuple(
    (re.compile(_MEMBER % (name, rb"[0-9A-Za-z._-]{1,128}")), re.compile(type))
    for name, type in ((b"file_id", _MEMBER % (b"type", b"file|container_upload")), (b"skill_id", b""))
)


def id_in_path(path: str) -> Optional[str]:
    """The id that a path names; None where it names none."""
    found = _ID.match(path)
    id = unquote(found[1]) if found is not None else ""
    return id if 0 < len(id) <= _MAX_ID_CHARS else None


def created_id(method: str, path: str, id: Optional[str]) -> Optional[str]:
    """The id that a served request has made, `id` being that of its answer's JSON."""
    return id if method == "POST" and path in _CREATING_PATHS else None


def deletes_id(method: str, path: str) -> bool:
    """Whether a served request has deleted what its path names."""
    return method == "DELETE" and _ID.fullmatch(path) is not None


def record_owner(router: Router, lease: Lease, method: str, path: str, made: Optional[str]) -> None:
    """Remember whose the id is that a served request has made, or has found where nobody knew whose it was.

    `made` is the id of its answer's JSON.
    """
    id = id_in_path(path) or created_id(method, path, made)
    if id is None:
        return
    if deletes_id(method, path):
        router.forget_owner(id)
    elif lease.request.owner is None:
        router.record_owner(id, lease)


def ids_in_body(body: Buffer) -> list[str]:
    """The first file and the first skill that a request's body names."""
    found = (_first(pattern, kinds, body) for pattern, kinds in _IN_BODY)
    return [match[1].decode() for match in found if match is not None]


def _first(pattern: re.Pattern[bytes], kinds: re.Pattern[bytes], body: Buffer) -> Optional[re.Match[bytes]]:
    """The first one in an object of one of these types; between parts other threads have their turn."""
    for at in range(0, max(1, len(body)), _SEARCH_BYTES):
        for found in pattern.finditer(body, at, at + _SEARCH_BYTES + _MAX_MEMBER_BYTES):
            before = bytes(body[max(0, found.start() - _MAX_MEMBER_BYTES) : found.start()]).rpartition(b"{")[
                2
            ]
            after = bytes(body[found.end() : found.end() + _MAX_MEMBER_BYTES]).partition(b"}")[0]
            if kinds.search(before + after):
                return found
    return None
