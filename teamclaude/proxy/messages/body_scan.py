"""The few facts routing needs of a request body, without parsing megabytes.

Rules that hold in this file:

1. Only keys of the top level count: a "model" in a message's text or in a tool's input is no model.
2. `scan_body` never raises, never copies a large body, and takes time linear in its size, within a budget.
3. A fact that can't be found is None.  A body that is not JSON is forwarded all the same, since the API's own
   400 is the best answer: facts of such a body may be wrong but cost nothing.

How a 2 MB body takes microseconds: Claude Code writes model, messages, system, tools, metadata,
max_tokens, ..., stream (measured).  The members in front are read up to the first large one; those at the
end are parsed from the last `"metadata"` on.  That succeeds only if this key is on the top level: in JSON an
unescaped quote can't stand inside a string, and the braces must match up to the very end.  Only when the
name of a wanted key that is still missing occurs in between, on whatever level, the whole body is read: by
the standard parser up to 1 MiB, by walking over it beyond.  (Of a key that occurs twice, one counts, as a
rule the last.)

Measured (CPython 3.11, one core of an AMD EPYC, bodies as Claude Code writes them): 7 us for 50 kB and for
2 MB; 150 us for 2 MB without output_config; in another order of keys 90 us for 50 kB, 12 ms for 2 MB.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Mapping
from typing import Any, Optional, Union

from ...values import NamedTuple

__all__ = [
    "NO_FACTS",
    "Body",
    "BodyFacts",
    "JsonWalker",
    "body_of",
    "cache_digests",
    "decode_json",
    "leading_model",
    "scan_body",
]

Body = Union[bytes, bytearray, mmap.mmap]

# Up to here the standard parser is the fastest way.
_SMALL_BYTES = 4096
# The longest value, and the longest tail of a body, that is decoded.
_MAX_VALUE_BYTES = 65536
# Up to here the standard parser is the fallback; beyond, it would hold the interpreter for too long and
# take several times the body's memory.
_MEDIUM_BYTES = 1 << 20
# Up to here a request without a session is parsed for the digests of its cache.
_DIGEST_BYTES = 1 << 18
# Within which the members in front are read.
_FRONT_BYTES = 1024
# Searched in one go: about 1 ms.
_SEARCH_BYTES = 1 << 20
# Brackets, strings with escapes and members that one walk may meet, about 1 us each.  1 MB of a real
# conversation has 5,000.
_MAX_STEPS = 150_000

_QUOTE, _BACKSLASH = b'"\\'
_WANTED = {key.encode(): key for key in ("model", "stream", "metadata", "max_tokens", "output_config")}
# Looked for only where the head announces it: looking for a key that is missing takes 150 us for 2 MB.
_WANTED_WITH_THREAD = {**_WANTED, b"thread": "thread"}

_OPENING = re.compile(rb"[ \t\r\n]*\{")
_MODEL = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]{0,256}")[ \t\r\n]*,')
_SPACE = re.compile(rb"[ \t\r\n]*")
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_KEY = re.compile(rb'[ \t\r\n]*"([^"\\]{0,32})"[ \t\r\n]*:[ \t\r\n]*')
_SCALAR = re.compile(rb'[^ \t\r\n,\[\]{}":]{1,64}')
# The inside of a string.  The repeat is bounded because the matcher keeps state for every round.
_TEXT = re.compile(rb'[^"\\]*(?:\\.[^"\\]*){0,500}', re.DOTALL)
# Everything up to the next bracket or string with an escape in it: plain strings are the most frequent.
_UNNESTED = re.compile(rb'[^"\[\]{}]*(?:"[^"\\]*"[^"\[\]{}]*){0,500}')

_SESSION_ID = re.compile(r"[0-9A-Za-z._:-]{1,128}")
_TTL = re.compile(rb'"ttl"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}\Z')


class BodyFacts(NamedTuple):
    """What a request asks for; None where the body does not say."""

    model: Optional[str] = None
    stream: Optional[bool] = None
    session_id: Optional[str] = None  # of metadata.user_id
    effort: Optional[str] = None  # output_config.effort
    cache_ttl_1h: bool = False  # at least one prompt cache entry is to live for an hour
    max_tokens: Optional[int] = None
    continues_thread: bool = False  # its messages are only what follows those that the API has kept


NO_FACTS = BodyFacts()


def scan_body(
    body: bytes | bytearray | memoryview, with_session: bool = True, with_thread: bool = False
) -> BodyFacts:
    """Return the facts of a request body; never raises.

    `with_session` False: the session is known already (saves 4 us).  `with_thread`: it may continue a thread.
    """
    data = body if type(body) is bytes else body_of(body)
    if len(data) > _SMALL_BYTES:
        fields: Any = JsonWalker(data, _WANTED_WITH_THREAD if with_thread else _WANTED).top_level()
    else:
        try:
            fields = decode_json(data[:])
        except ValueError:
            return NO_FACTS
    if not isinstance(fields, dict):
        return NO_FACTS
    get = fields.get
    stream, max_tokens = get("stream"), get("max_tokens")
    facts = (
        _printable(get("model")),
        stream if isinstance(stream, bool) else None,
        _session_of(_member(get("metadata"), "user_id")) if with_session else None,
        _printable(_member(get("output_config"), "effort")),
        _has_one_hour_cache(data),
        max_tokens if type(max_tokens) is int else None,
        with_thread and _member(get("thread"), "type") == "continue",
    )
    return tuple.__new__(BodyFacts, facts)  # as values.py says


def leading_model(beginning: bytes) -> str | None:
    """Return the model of a request body that begins with it, as Claude Code's do, else None.

    The same key may follow once more, so only the whole body is certain of it.
    """
    first = _MODEL.match(beginning)
    return None if first is None else _printable(_decoded(first[1]))


def cache_digests(body: bytes | bytearray | memoryview, model: str | None) -> tuple[str, ...]:
    """Return digests of what a request's prompt cache consists of, the longest prefix first; () for none.

    The cache is kept per model, and its prefix is tools, then system, then messages (platform docs, prompt
    caching).  So the first digest stands for one dialogue (it includes the first message), the second for all
    that share tools and system.  A body too large to be parsed has the digest of its beginning.
    """
    data = body_of(body)
    if _rfind(data, b'"cache_control"', 0, len(data)) < 0:
        return ()
    if len(data) > _DIGEST_BYTES:
        return (_digest(model, data[:_MAX_VALUE_BYTES]),)
    fields = _decoded(data[:])
    if not isinstance(fields, dict):
        return ()
    shared = [fields.get("tools"), fields.get("system")]
    messages = fields.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    names = [_digest(model, _canonical([*shared, first]))]
    return (*names, _digest(model, _canonical(shared))) if any(shared) else tuple(names)


_scan_once = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009 - not in typeshed


def decode_json(text: Union[str, bytes, bytearray]) -> Any:
    """Return what `json.loads` returns; raise ValueError, also for a text that is nested too deep.

    Most texts are UTF-8 without space around them: with that known, the scanner takes 1.1 us for a small
    body, where `json.loads` takes 2.5.  For the two of a small request that is 5 % of its bytecodes.
    """
    try:
        characters = text if isinstance(text, str) else text.decode()
        value, end = _scan_once(characters, 0)
        if end == len(characters):
            return value
    except (ValueError, StopIteration, RecursionError):
        pass
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(model: str | None, data: Body) -> str:
    import hashlib  # few requests need it: those of programs without a session

    return hashlib.blake2b((model or "").encode() + b"\0" + bytes(data), digest_size=12).hexdigest()


def body_of(body: bytes | bytearray | memoryview) -> Body:
    """Return the body itself, not a view of it: it can be searched."""
    if not isinstance(body, memoryview):
        return body
    under: Any = body.obj
    if isinstance(under, (bytes, bytearray, mmap.mmap)) and len(under) == body.nbytes:
        return under
    return bytes(body)


def _decoded(text: str | bytes | bytearray) -> Any:
    try:
        return decode_json(text)
    except ValueError:
        return None


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _printable(value: Any) -> str | None:
    """Return the text if it fits to be shown on one line, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable() else None


def _session_of(user_id: Any) -> str | None:
    """Return the session in metadata.user_id.

    It is a JSON text; before Claude Code 2.1 it was `user_<hash>_account_<id>_session_<id>`.
    """
    if not isinstance(user_id, str):
        return None
    session: Any = None
    if user_id.startswith("{"):
        session = _member(_decoded(user_id), "session_id")
    elif user_id.startswith("user_"):
        session = user_id.rpartition("_session_")[2] if "_session_" in user_id else None
    return session if isinstance(session, str) and _SESSION_ID.fullmatch(session) else None


def _has_one_hour_cache(body: Body) -> bool:
    """Return whether a `"ttl": "1h"` occurs; only cache_control has such a member."""
    at = len(body)
    for _ in range(64):
        at = _rfind(body, b'"1h"', 0, at)
        if at < 0:
            return False
        if _TTL.search(body[max(0, at - 24) : at]):
            return True
    return False


def _rfind(body: Body, text: bytes, start: int, end: int) -> int:
    """Search like `rfind`, in parts, so that other threads get the interpreter in between.

    In one go 50 MB held it for 30 ms.
    """
    while end - start > _SEARCH_BYTES:
        found = body.rfind(text, end - _SEARCH_BYTES, end)
        if found >= 0:
            return found
        end -= _SEARCH_BYTES - len(text) + 1
    return body.rfind(text, start, end)


class _WalkStoppedError(Exception):
    """The walk ends: at the limit of what may be read, at malformed JSON, or over the budget."""


class JsonWalker:
    """Walk over a JSON object without building it; positions are indexes into the body."""

    def __init__(self, body: Body, wanted: Mapping[bytes, str]) -> None:
        self._body = body
        self._wanted = wanted
        self._end = len(body)
        self._budget = _MAX_STEPS
        self._fields: dict[str, Any] = {}

    def top_level(self) -> dict[str, Any]:
        """Return the values of the wanted keys of the outermost object; {} if the body is no object."""
        first = _MODEL.match(self._body)
        if first is not None:
            # As Claude Code begins: no need to find the end of the large member behind it (saves 25 us).
            self._fields["model"] = _decoded(first[1])
            if self._has_nothing_between(first.end(), self._parse_tail(first.end())):
                return self._fields
        opening = _OPENING.match(self._body)
        if opening is None:
            return {}
        front, complete = self._walk_members(opening.end(), opening.end() + _FRONT_BYTES)
        if complete or self._has_nothing_between(front, self._parse_tail(front)):
            return self._fields
        if self._end <= _MEDIUM_BYTES:
            parsed = _decoded(self._body[:])
            return parsed if isinstance(parsed, dict) else self._fields
        self._walk_members(front, self._end)
        return self._fields

    def _has_nothing_between(self, front: int, tail: int) -> bool:
        """Return whether no name of a key that is still missing occurs there, on whatever level."""
        for key, name in self._wanted.items():  # no generator: 2 us, of a large body 5
            if name not in self._fields and _rfind(self._body, b'"' + key + b'"', front, tail) >= 0:
                return False
        return True

    def _parse_tail(self, front: int) -> int:
        """Take the members from the last `"metadata"` on; return where they begin, or the end of the body."""
        at = self._body.rfind(b'"metadata"', front)
        if at < 0 or self._end - at > _MAX_VALUE_BYTES or self._body[at - 1] == _BACKSLASH:
            return self._end
        members = _decoded(b"{" + self._body[at:])
        if not isinstance(members, dict):
            return self._end
        for name in self._wanted.values():
            if name in members:
                self._fields[name] = members[name]
        return at

    def _walk_members(self, at: int, stop: int) -> tuple[int, bool]:
        """Walk the members of an object from `at` on, taking the values of the wanted keys.

        Return the place behind the closing brace and True; or False and where the member starts that could
        not be walked (it ends behind `stop`, is cut off or malformed).
        """
        stop = min(stop, self._end)
        try:
            while True:
                key, value_at = self._key(at)
                end = self._skip(value_at, stop)
                behind = self._past_space(end) + 1
                after = self._body[behind - 1 : behind]
                if after not in (b",", b"}"):  # malformed, or a number that `stop` cut
                    return at, False
                if key in self._wanted and end - value_at <= _MAX_VALUE_BYTES:
                    self._fields[self._wanted[key]] = _decoded(self._body[value_at:end])
                if after == b"}":
                    return behind, True
                at = behind
        except _WalkStoppedError:
            return at, False

    def _key(self, at: int) -> tuple[bytes, int]:
        """Return a member's key (empty for a long one or one with escapes) and where its value starts."""
        self._count_step()
        match = _KEY.match(self._body, at)
        if match is not None:
            return bytes(match[1]), match.end()
        at = self._past_space(at)
        if self._body[at : at + 1] != b'"':
            raise _WalkStoppedError
        match = _COLON.match(self._body, self._skip_text(at + 1, self._end))
        if match is None:
            raise _WalkStoppedError
        return b"", match.end()

    def _skip(self, at: int, stop: int) -> int:
        """Return the place behind the value at `at`; raise _WalkStoppedError if it ends behind `stop`."""
        first = self._body[at : at + 1]
        if first == b'"':
            return self._skip_text(at + 1, stop)
        if first in (b"{", b"["):
            return self._skip_container(at, stop)
        match = _SCALAR.match(self._body, at, stop)
        if match is None:
            raise _WalkStoppedError
        return match.end()

    def _skip_text(self, at: int, stop: int) -> int:
        """Return the place behind the closing quote of a string whose inside starts at `at`."""
        while True:
            self._count_step()
            match = _TEXT.match(self._body, at, stop)
            at = match.end() if match else stop
            # Not a quote: the pattern's repeat ran out, or only a lone backslash is left.
            if at + 1 >= stop and self._body[at:stop] != b'"':
                raise _WalkStoppedError
            if self._body[at] == _QUOTE:
                return at + 1

    def _skip_container(self, at: int, stop: int) -> int:
        """Return the place behind the bracket that closes the one at `at`; their kinds are not compared."""
        depth = 0
        while True:
            self._count_step()
            match = _UNNESTED.match(self._body, at, stop)
            at = match.end() if match else stop
            if at >= stop:
                raise _WalkStoppedError
            char = self._body[at]
            at += 1
            if char == _QUOTE:
                at = self._skip_text(at, stop)
            elif char in b"[{":
                depth += 1
            else:
                depth -= 1
                if not depth:
                    return at

    def _past_space(self, at: int) -> int:
        match = _SPACE.match(self._body, at)
        return match.end() if match else at

    def _count_step(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise _WalkStoppedError
