"""`rewriteAccountUuid`: the serving account's uuid in a request's metadata, same length, in place.

Off by default: bodies stay as the client sent them.  Claude Code puts a JSON text into
`metadata.user_id` with the uuid of its own login; nothing else of the body is ever touched.
"""

from __future__ import annotations

import re
from typing import Optional, Union

from ..messages.body_scan import BodyFacts

__all__ = ["with_account_uuid"]

Buffer = Union[bytes, bytearray, memoryview]

_USER_ID_FIELD = re.compile(
    rb'"metadata"\s{0,8}:\s{0,8}\{\s{0,8}"user_id"\s{0,8}:\s{0,8}"((?:[^"\\]|\\.){1,2048})"'
)
_UUID = re.compile(rb'\\"account_uuid\\"\s?:\s?\\"([0-9a-fA-F-]{36})\\"')


def with_account_uuid(body: Buffer, facts: BodyFacts, uuid: Optional[str]) -> Buffer:
    """The body with `uuid` as its account; the same object when there is nothing to rewrite.

    Only where the metadata is the one that was scanned: its session must be that of `facts`.
    """
    if not uuid or len(uuid) != 36 or not facts.session_id:
        return body
    data = bytes(body)
    at = data.rfind(b'"metadata"')
    user_id = _USER_ID_FIELD.match(data, at) if at >= 0 else None
    if user_id is None or facts.session_id.encode() not in user_id[1]:
        return body
    found = _UUID.search(data, user_id.start(1), user_id.end(1))
    if found is None or found[1] == uuid.encode():
        return body
    return data[: found.start(1)] + uuid.encode() + data[found.end(1) :]
