"""Read the answers that Claude Code's transcripts tell of: when, which model, whose, how many tokens.

What the files say (Claude Code 2.1.112 and 2.1.332, measured):

- An answer of the API is one `assistant` entry for each of its content blocks.  Each repeats message.id,
  requestId and the usage; where a client wrote it before the answer had ended, the last is the largest.
- `--fork-session` and a resumed session copy entries into another file: only the pair of both ids tells that
  they are the same answer.
- `<synthetic>` and `isApiErrorMessage` entries are made by the client; nothing was used for them.
- Sub-agents have files of their own below their session's folder; their entries have an `agentId`.

Only one line at a time is in memory, and no text of a conversation is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Optional

from ...routing.quota.usage import Usage
from ...values import NamedTuple

__all__ = ["Answer", "ReadCounts", "answers_in", "transcript_files", "transcript_roots"]

MAX_LINE_BYTES = 16 << 20  # a line may hold pasted pictures; longer ones are skipped
# Entries of one answer follow each other, with few of parallel answers between them.
OPEN_ANSWERS = 256
MAX_COUNT = 10**12  # tokens of one answer
MAX_ID, MAX_NAME = 128, 200  # characters
SYNTHETIC = "<synthetic>"
_SEPARATORS = re.compile(r"[/\\]")


class Answer(NamedTuple):
    """One answer of the API."""

    key: int  # of its two ids, 63 bits: the same in each copy
    at: float  # epoch seconds
    model: str
    session: str
    agent: str  # empty: the session's own conversation
    project: str  # the last part of the working directory
    usage: Usage


class ReadCounts:
    """What was read so far; `broken` lines could not be understood."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.broken = 0
        self.unreadable = 0  # files


def transcript_roots(directories: Sequence[str]) -> list[str]:
    """Return the folders to search, each once: of a directory of Claude Code its `projects`."""
    found: dict[str, str] = {}
    for directory in directories:
        projects = os.path.join(directory, "projects")
        root = projects if os.path.isdir(projects) else directory
        found.setdefault(os.path.realpath(root), root)
    return list(found.values())


def transcript_files(roots: Sequence[str]) -> list[tuple[str, int]]:
    """Return (path, bytes) of all transcripts, the oldest first: a copy is newer than what it copies."""
    found: dict[str, tuple[float, int]] = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                if name.endswith(".jsonl"):
                    path = os.path.join(folder, name)
                    try:
                        stamp = os.stat(path)
                    except OSError:
                        continue
                    found[path] = (stamp.st_mtime, stamp.st_size)
    return [(path, found[path][1]) for path in sorted(found, key=lambda path: (found[path][0], path))]


def answers_in(path: str, counts: ReadCounts) -> Iterator[Answer]:
    """Yield the answers of a transcript, each once; count what can't be read instead of raising."""
    open_answers: OrderedDict[int, Answer] = OrderedDict()
    session = os.path.basename(path)[: -len(".jsonl")]
    for line in _lines(path, counts):
        # Most lines are of other kinds, and large: they are not parsed.
        if b'"assistant"' not in line or b'"usage"' not in line:
            continue
        answer = _answer(line, session, counts)
        if answer is None:
            continue
        before = open_answers.pop(answer.key, None)
        open_answers[answer.key] = answer if before is None else _merged(before, answer)
        if len(open_answers) > OPEN_ANSWERS:
            yield open_answers.popitem(last=False)[1]
    yield from open_answers.values()


def _lines(path: str, counts: ReadCounts) -> Iterator[bytes]:
    try:
        # Not blocking: somebody may have put a pipe there.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb", buffering=1 << 18) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a link to /dev/zero has no end
                counts.unreadable += 1
                return
            counts.files += 1
            while True:
                line = file.readline(MAX_LINE_BYTES)
                counts.bytes += len(line)
                if not line:
                    return
                if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                    counts.broken += 1
                    while line and not line.endswith(b"\n"):
                        line = file.readline(MAX_LINE_BYTES)
                        counts.bytes += len(line)
                    continue
                yield line
    except OSError:
        counts.unreadable += 1


def _answer(line: bytes, file_session: str, counts: ReadCounts) -> Optional[Answer]:
    """Return what an entry says; None for one of another kind, or that can't be understood."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        counts.broken += 1
        return None
    entry = _unwrapped(entry)
    message = entry.get("message")
    if not isinstance(message, dict) or entry.get("type") != "assistant":
        return None
    model, usage = message.get("model"), _usage(message.get("usage"))
    if entry.get("isApiErrorMessage") is True or model == SYNTHETIC or message.get("usage") is None:
        return None
    at = _time(entry.get("timestamp"))
    if usage is None or at is None:
        counts.broken += 1
        return None
    cwd = _text(entry.get("cwd"), 4096).rstrip("/\\")
    return Answer(
        _key(message.get("id"), entry.get("requestId"), entry.get("uuid"), line),
        at,
        _text(model, MAX_NAME),
        _text(entry.get("sessionId"), MAX_ID) or file_session[:MAX_ID],
        _text(entry.get("agentId"), MAX_ID),
        _SEPARATORS.split(cwd)[-1][:MAX_NAME],
        usage,
    )


def _unwrapped(entry: Any) -> dict[str, Any]:
    """Return the entry; of a `progress` entry the sub-agent's one that older clients keep inside."""
    if not isinstance(entry, dict):
        return {}
    data = entry.get("data") if entry.get("type") == "progress" else None
    inner = data.get("message") if isinstance(data, dict) else None
    return {**entry, **inner} if isinstance(inner, dict) else entry


def _merged(first: Answer, later: Answer) -> Answer:
    """Return one answer of two of its entries: the counts only grow while it is written."""
    return first._replace(usage=Usage(*map(max, first.usage, later.usage)))


def _key(message: Any, request: Any, entry: Any, line: bytes) -> int:
    """Return the identity of an answer; without ids that of the entry, or of its line."""
    message, request = _text(message, MAX_ID), _text(request, MAX_ID)
    identity = f"{message}:{request}" if message or request else f"entry:{_text(entry, MAX_ID)}"
    raw = line if identity == "entry:" else identity.encode("utf-8", "replace")
    digest = hashlib.blake2b(raw, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1  # SQLite's integers have a sign


def _usage(value: Any) -> Optional[Usage]:
    """Return the tokens; None where a count is none.  Writes whose life is not told count as 5 minutes."""
    if not isinstance(value, dict):
        return None
    parts = value.get("cache_creation")
    parts = parts if isinstance(parts, dict) else {}
    counts = [
        value.get("input_tokens"),
        value.get("output_tokens"),
        value.get("cache_read_input_tokens"),
        value.get("cache_creation_input_tokens"),
        parts.get("ephemeral_5m_input_tokens"),
        parts.get("ephemeral_1h_input_tokens"),
    ]
    if any(not _is_count(count) for count in counts):
        return None
    given, out, read, written, short, long = (count or 0 for count in counts)
    return Usage(given, out, read, max(written - long, short), long)


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= MAX_COUNT)


def _time(value: Any) -> Optional[float]:
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def _text(value: Any, limit: int) -> str:
    """Return a text; half a character, which JSON can hold, becomes a question mark."""
    if not isinstance(value, str):
        return ""
    return value[:limit].encode("utf-8", "replace").decode("utf-8")
