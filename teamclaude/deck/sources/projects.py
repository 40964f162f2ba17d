"""Which transcripts there are: projects/<folder>/<session>.jsonl, and <session>/subagents/agent-<id>.jsonl.

A folder's own mtime tells that a file came or went: new sessions are found by one look at each folder.  An
old session that goes on is only seen by a look at its file: that is the sweep, which takes its time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

__all__ = ["FoundFile", "Projects", "agents_folder", "agents_in", "folder_stamp"]

_TRANSCRIPT = re.compile(r"([0-9A-Za-z][0-9A-Za-z._-]{0,127})\.jsonl")
_AGENT = re.compile(r"agent-([0-9A-Za-z][0-9A-Za-z._-]{0,127})\.jsonl")
MAX_FILES = 100_000


class FoundFile(NamedTuple):
    path: str
    modified: float
    """Its mtime when it was looked at, epoch seconds."""


FilesBySession = dict[str, FoundFile]


class Projects:
    """The transcripts below one Claude Code directory, by session."""

    def __init__(self, home: str) -> None:
        self._root = os.path.join(home, "projects")
        self._folders: dict[str, tuple[int, FilesBySession]] = {}  # path -> mtime, transcripts
        self.transcripts: Mapping[str, FoundFile] = {}

    def scan_new(self) -> None:
        """Find what is new: only folders in which a file came or went are read."""
        self._read(sweep=False)

    def scan_all(self) -> None:
        """Look at every file."""
        self._read(sweep=True)

    def _read(self, sweep: bool) -> None:
        folders: dict[str, tuple[int, FilesBySession]] = {}
        left, changed = MAX_FILES, False
        for path, mtime in _folders(self._root):
            before = self._folders.get(path)
            if before is None or sweep or before[0] != mtime:
                files = _transcripts(path, before[1] if before else {}, left)
                changed = changed or before is None or files != before[1]
                folders[path] = (mtime, files)
            else:
                folders[path] = before
            left -= len(folders[path][1])
        if changed or len(folders) != len(self._folders):
            self.transcripts = _by_session(folders)
        self._folders = folders


def _folders(root: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                try:
                    if entry.is_dir():
                        yield entry.path, entry.stat().st_mtime_ns
                except OSError:
                    continue
    except OSError:
        return


def _transcripts(folder: str, before: FilesBySession, most: int) -> FilesBySession:
    """The transcripts in a folder; what did not change since `before` stays the same object."""
    files: FilesBySession = {}
    for session, entry in _entries(folder, _TRANSCRIPT):
        if len(files) >= most:
            break
        try:
            changed = entry.stat().st_mtime
        except OSError:
            continue
        known = before.get(session)
        files[session] = known if known and known.modified == changed else FoundFile(entry.path, changed)
    return files


def _by_session(folders: Mapping[str, tuple[int, FilesBySession]]) -> FilesBySession:
    """A session that moved to another folder left a file behind: the newer one is it."""
    found: FilesBySession = {}
    for _, files in folders.values():
        twice = found.keys() & files.keys()
        older = {
            session: found[session] for session in twice if found[session].modified > files[session].modified
        }
        found.update(files)
        found.update(older)
    return found


def agents_in(transcript: str, since: float) -> dict[str, FoundFile]:
    """The sub-agents' transcripts beside a session's that changed after `since` (epoch s), by agent id."""
    found = {}
    for agent, entry in _entries(agents_folder(transcript), _AGENT):
        try:
            changed = entry.stat().st_mtime
        except OSError:
            continue
        if changed >= since:
            found[agent] = FoundFile(entry.path, changed)
    return found


def agents_folder(transcript: str) -> str:
    return os.path.join(transcript[: -len(".jsonl")], "subagents")


def _entries(folder: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """(what the pattern's group matched, entry) of a folder; nothing of one that can't be read."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = pattern.fullmatch(entry.name)
                if match:
                    yield match[1], entry
    except OSError:
        return


def folder_stamp(path: str) -> Optional[int]:
    """A folder's mtime in ns; None where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
