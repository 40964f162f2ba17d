"""Transcripts: read from the end, once, and then only what is new.

A transcript is appended to.  The first look is at its last 64 KiB; one more, at the whole file, follows when
the turn or the title is not in there.  After that only what was appended is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import Optional

from .files import FileStamp, open_to_read
from .transcript_entries import TranscriptFacts, parse_facts

__all__ = ["TranscriptFile", "lines_backwards"]

TAIL_BYTES = 1 << 16
BLOCK_BYTES = 1 << 18
MAX_APPENDED_BYTES = 4 << 20  # of more than that at once only the tail
MAX_WHOLE_BYTES = 64 << 20  # how far back a whole look goes
MAX_LINE_BYTES = 8 << 20  # with pasted pictures; a longer one is passed over


class TranscriptFile:
    """One transcript, looked at again and again; a problem leaves what is known as it is.

    `titled` is False for sub-agents: their files have no title that a whole look could find.
    """

    def __init__(self, path: str, titled: bool = True) -> None:
        self.path = path
        self.facts = TranscriptFacts()
        self._titled = titled
        self._stamp: Optional[FileStamp] = None
        self._end = 0  # behind the last complete line that was looked at
        self._whole_read = False

    @property
    def modified(self) -> float:
        """Its mtime at the last look."""
        return self._stamp.modified if self._stamp is not None else 0.0

    @property
    def incomplete(self) -> bool:
        """Whether a look at the whole file may find more."""
        facts = self.facts
        found = facts.last_turn is not None and bool(facts.title or not self._titled)
        return self._stamp is not None and not found and not self._whole_read

    def update(self, stamp: FileStamp) -> bool:
        """Look at what is new since the last look; False when nothing is."""
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
        """The look at the whole file; the bytes read."""
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
    """The lines between two offsets, last first; the first one given is what follows the last line break.

    `at_line`: a line begins at `start`; else the first one there is left out.  Raises OSError.
    """
    parts: list[bytes] = []  # of the line whose beginning is still to come, last part first
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
            raise OSError("the file was cut short")
        parts.append(part)
        start += len(part)
    return b"".join(parts)
