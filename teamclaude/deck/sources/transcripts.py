"""Read transcripts backwards from their end, then only what is appended.

The first read is of the last 64 KiB; one of the whole file follows when it held no turn or no title.  After
that only what was appended is read.

What the lines say (Claude Code 2.1.112 and 2.1.330, measured):
- `user` and `assistant` entries are the turns; they have `timestamp`, `cwd`, `gitBranch`.  One answer is one
  entry for each of its blocks; one that holds `tool_use` waits for a `user` entry with the result.
- `custom-title` (by the user), `ai-title` and `last-prompt` are short lines that begin with their type.  They
  are repeated now and then; the last one counts.
- All other entries (requests, snapshots, modes) are no turns, and some of them are written at idle.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Optional

from ...values import dataclass
from .files import FileStamp, clean_text, json_object, open_to_read, parse_time

__all__ = ["TranscriptFacts", "TranscriptFile", "lines_backwards", "parse_facts"]

MAX_NOTE_BYTES = 1 << 14  # a title or a prompt
MAX_PATH_CHARS = 1024

_NOTE_START = re.compile(rb'\s*\{\s*"type"\s*:\s*"(custom-title|ai-title|last-prompt)"')
_TURN = re.compile(rb'"type"\s*:\s*"(?:user|assistant)"')
_USER = re.compile(rb'"type"\s*:\s*"user"')
_NOTES = (
    ("custom-title", "customTitle", "own_title"),
    ("ai-title", "aiTitle", "ai_title"),
    ("last-prompt", "lastPrompt", "prompt"),
)
_FINAL_STOP_REASONS = ("end_turn", "stop_sequence", "max_tokens", "refusal")
# Wrapped commands, their output, and what the client writes in the user's name.
_NOT_A_PROMPT = ("<", "[Request interrupted", "Caveat:")


@dataclass(frozen=True)
class TranscriptFacts:
    """What a transcript says; None and empty: not found (yet)."""

    last_turn: Optional[float] = None
    calling: bool = False
    ended: bool = False
    """The last turn is an answer that calls no tool."""
    cwd: str = ""
    branch: str = ""
    own_title: str = ""
    ai_title: str = ""
    prompt: str = ""

    @property
    def title(self) -> str:
        """The user's own title, else the generated one."""
        return self.own_title or self.ai_title

    def merged_over(self, older: TranscriptFacts) -> TranscriptFacts:
        """Return these facts, completed by older ones."""
        turn = self if self.last_turn is not None else older
        return TranscriptFacts(
            turn.last_turn,
            turn.calling,
            turn.ended,
            self.cwd or older.cwd,
            self.branch or older.branch,
            self.own_title or older.own_title,
            self.ai_title or older.ai_title,
            self.prompt or older.prompt,
        )


def parse_facts(lines: Iterable[bytes], titled: bool = True, until_found: bool = False) -> TranscriptFacts:
    """Return what the lines say, given last first; `until_found` stops once turn and title are known."""
    gathering = _FactsCollector(titled)
    for line in lines:
        gathering.add_line(line)
        if until_found and gathering.complete:
            break
    return TranscriptFacts(**gathering.facts)


class _FactsCollector:
    """Collect the newest value of each fact: lines come last first, so the first value stays."""

    def __init__(self, titled: bool) -> None:
        self.facts: dict[str, Any] = {}
        self._titled = titled

    @property
    def complete(self) -> bool:
        title = "own_title" in self.facts or "ai_title" in self.facts
        return "last_turn" in self.facts and (title or not self._titled)

    def add_line(self, line: bytes) -> None:
        if len(line) <= MAX_NOTE_BYTES and _NOTE_START.match(line):
            self._note(_entry(line))
        elif "last_turn" not in self.facts:
            if _TURN.search(line):
                self._turn(_entry(line))
        elif (
            self._titled
            and "prompt" not in self.facts
            and b'"tool_result"' not in line
            and _USER.search(line)
        ):
            self._prompt(_entry(line))

    def _note(self, entry: dict[str, Any]) -> None:
        for kind, key, name in _NOTES:
            if entry.get("type") == kind:
                self._keep(name, clean_text(entry.get(key)))

    def _turn(self, entry: dict[str, Any]) -> None:
        at = parse_time(entry.get("timestamp"))
        if at is None or entry.get("type") not in ("user", "assistant"):
            return
        message = entry.get("message")
        message = message if isinstance(message, dict) else {}
        answer = entry["type"] == "assistant"
        calling = answer and any(block.get("type") == "tool_use" for block in _blocks(message))
        self.facts["last_turn"] = at
        self.facts["calling"] = calling
        self.facts["ended"] = answer and not calling and message.get("stop_reason") in _FINAL_STOP_REASONS
        self._keep("cwd", clean_text(entry.get("cwd"), MAX_PATH_CHARS))
        self._keep("branch", clean_text(entry.get("gitBranch")))
        self._prompt(entry)

    def _prompt(self, entry: dict[str, Any]) -> None:
        """Take the text of a `user` entry, unless it is a tool's result or was written by the client."""
        message = entry.get("message")
        if entry.get("type") != "user" or entry.get("isMeta") or not isinstance(message, dict):
            return
        blocks = _blocks(message)
        if any(block.get("type") == "tool_result" for block in blocks):
            return
        texts = [message.get("content"), *(block.get("text") for block in blocks)]
        text = next((text for text in map(clean_text, texts) if text), "")
        if not text.startswith(_NOT_A_PROMPT):
            self._keep("prompt", text)

    def _keep(self, name: str, text: str) -> None:
        if text:
            self.facts.setdefault(name, text)


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _entry(line: bytes) -> dict[str, Any]:
    try:
        return json_object(line)
    except (ValueError, RecursionError):
        return {}


TAIL_BYTES = 1 << 16
BLOCK_BYTES = 1 << 18
MAX_APPENDED_BYTES = 4 << 20  # if more is appended at once, only the tail is read
MAX_WHOLE_BYTES = 64 << 20  # from the end, when a file is read as a whole
MAX_LINE_BYTES = 8 << 20  # a line may hold pasted pictures; longer ones are skipped


class TranscriptFile:
    """One transcript that grows; an error leaves `facts` unchanged.

    `titled` is False for sub-agents, whose files have no title.
    """

    def __init__(self, path: str, titled: bool = True) -> None:
        self.path = path
        self.facts = TranscriptFacts()
        self._titled = titled
        self._stamp: Optional[FileStamp] = None
        self._end = 0  # offset behind the last complete line that was read
        self._whole_read = False

    @property
    def modified(self) -> float:
        """The mtime at the last `update`, epoch seconds."""
        return self._stamp.modified if self._stamp is not None else 0.0

    @property
    def incomplete(self) -> bool:
        """Whether reading the whole file may find more."""
        facts = self.facts
        found = facts.last_turn is not None and bool(facts.title or not self._titled)
        return self._stamp is not None and not found and not self._whole_read

    def update(self, stamp: FileStamp) -> bool:
        """Read what was appended since the last call; return False when nothing changed."""
        before, self._stamp = self._stamp, stamp
        if stamp == before:
            return False
        if before is None or before.inode != stamp.inode or stamp.size < self._end:
            self.facts, self._end, self._whole_read = TranscriptFacts(), 0, False
        start = self._end
        if before is None or stamp.size - start > MAX_APPENDED_BYTES:
            start = max(start, stamp.size - TAIL_BYTES)
        self._whole_read = self._whole_read or start == 0
        self._read_range(start, stamp.size, at_line=start == self._end)
        return True

    def read_whole(self) -> int:
        """Read the whole file; return the number of bytes read."""
        if self._stamp is None:
            return 0
        self._whole_read = True
        start = max(0, self._stamp.size - MAX_WHOLE_BYTES)
        self._read_range(start, self._stamp.size, at_line=start == 0, until_found=True)
        return self._stamp.size - start

    def _read_range(self, start: int, end: int, at_line: bool, until_found: bool = False) -> None:
        try:
            descriptor = open_to_read(self.path)
        except OSError:
            return
        try:
            lines = lines_backwards(descriptor, start, end, at_line)
            unfinished = next(lines, None)
            if unfinished is not None:
                self._end = end - len(unfinished)
                found = parse_facts(chain((unfinished,), lines), self._titled, until_found)
                self.facts = found.merged_over(self.facts)
        except OSError:
            pass
        finally:
            os.close(descriptor)


def lines_backwards(descriptor: int, start: int, end: int, at_line: bool) -> Iterator[bytes]:
    """Yield the lines between two offsets, last first, beginning with what follows the last line break.

    `at_line`: a line begins at `start`; otherwise the first line there is left out.  Raise OSError.
    """
    parts: list[bytes] = []  # of the line whose beginning is not read yet, last part first
    size, at, first = 0, end, True
    while at > start:
        block = _read(descriptor, max(start, at - BLOCK_BYTES), at)
        at -= len(block)
        lines = block.split(b"\n")
        if len(lines) > 1:
            if first or size + len(lines[-1]) <= MAX_LINE_BYTES:
                yield b"".join((lines[-1], *reversed(parts)))
            yield from reversed(lines[1:-1])
            parts, size, first = [], 0, False
        size += len(lines[0])
        if size <= MAX_LINE_BYTES:
            parts.append(lines[0])
        else:
            parts = []
    if at_line and size <= MAX_LINE_BYTES:
        yield b"".join(reversed(parts))


def _read(descriptor: int, start: int, end: int) -> bytes:
    os.lseek(descriptor, start, os.SEEK_SET)
    parts = []
    while start < end:
        part = os.read(descriptor, end - start)
        if not part:
            raise OSError("the file was truncated")
        parts.append(part)
        start += len(part)
    return b"".join(parts)
