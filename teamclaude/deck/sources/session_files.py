"""Find transcripts, and follow those of a session and its sub-agents while the session is shown.

Transcripts are projects/<folder>/<session>.jsonl and <session>/subagents/agent-<id>.jsonl.  A folder's own
mtime changes when a file is added or removed, so one stat of each folder finds new sessions.  Only a stat of
each file (the full scan, which takes its time) finds an old session that continues.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Optional

from ...values import NamedTuple
from .files import FileCache, clean_text, json_object, stamp_of
from .sources import SHOWN_SEC, AgentTranscript, Transcript
from .transcripts import TranscriptFile

__all__ = ["FoundFile", "SessionFiles", "TranscriptFinder", "agents_folder", "agents_in", "folder_stamp"]

_TRANSCRIPT = re.compile(r"([0-9A-Za-z][0-9A-Za-z._-]{0,127})\.jsonl")
_AGENT = re.compile(r"agent-([0-9A-Za-z][0-9A-Za-z._-]{0,127})\.jsonl")
MAX_FILES = 100_000


class FoundFile(NamedTuple):
    """A transcript and its mtime (epoch seconds) at the last scan."""

    path: str
    modified: float


FilesBySession = dict[str, FoundFile]


class TranscriptFinder:
    """The transcripts below one Claude Code directory, by session."""

    def __init__(self, home: str) -> None:
        self._root = os.path.join(home, "projects")
        self._folders: dict[str, tuple[int, FilesBySession]] = {}  # path -> mtime, transcripts
        self.transcripts: Mapping[str, FoundFile] = {}

    def scan_new(self) -> None:
        """List only the folders in which a file was added or removed."""
        self._read(full=False)

    def scan_all(self) -> None:
        """Stat every file."""
        self._read(full=True)

    def _read(self, full: bool) -> None:
        folders: dict[str, tuple[int, FilesBySession]] = {}
        left, changed = MAX_FILES, False
        for path, mtime in _folders(self._root):
            before = self._folders.get(path)
            if before is None or full or before[0] != mtime:
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
    """Return the transcripts in a folder; entries unchanged since `before` stay the same objects."""
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
    """Merge the folders; of a session in two folders (it moved) the newer file counts."""
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
    """Return the sub-agents' transcripts of a session that changed after `since` (epoch s), by agent id."""
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
    """Return the folder of the sub-agents' transcripts that belong to a session's transcript."""
    return os.path.join(transcript[: -len(".jsonl")], "subagents")


def _entries(folder: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield (match of the pattern's group, entry) of a folder; nothing when it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = pattern.fullmatch(entry.name)
                if match:
                    yield match[1], entry
    except OSError:
        return


def folder_stamp(path: str) -> Optional[int]:
    """Return a folder's mtime in nanoseconds; None when it is missing."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


MAX_AGENTS = 200  # of one session, the last changed ones
AT_WORK_SEC = 60.0  # since the last change: the session may still be at work


class SessionFiles:
    """Follow one session's files; `value` is what they say, None once the transcript is gone."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.value: Optional[Transcript] = None
        self._file = TranscriptFile(path)
        self._folder = agents_folder(path)
        self._listed: Optional[int] = None  # mtime of the agents' folder when it was listed
        self._agents: dict[str, _AgentFile] = {}

    def update(self, now: float, thoroughly: bool) -> None:
        """Read what changed; `thoroughly` also finds sub-agents that continue after a pause."""
        stamp = stamp_of(self.path)
        if stamp is None:
            self.value = None
            return
        changed = self._file.update(stamp)
        if thoroughly or self._at_work(now):
            changed = self._find_agents(now, thoroughly) or changed
        for agent in self._agents.values():
            changed = agent.update(thoroughly) or changed
        if changed or self.value is None:
            self._update()

    def _at_work(self, now: float) -> bool:
        """Return whether new sub-agents may appear: the session's or a sub-agent's turn is going on."""
        if now - self._file.modified < AT_WORK_SEC or self._file.facts.calling:
            return True
        return any(agent.value is not None and not agent.value.ended for agent in self._agents.values())

    def _find_agents(self, now: float, thoroughly: bool) -> bool:
        """List the sub-agents' folder when needed; return whether they may have changed."""
        listed = folder_stamp(self._folder)
        if listed == self._listed and not (thoroughly and listed is not None):
            return False
        found = agents_in(self.path, now - SHOWN_SEC)
        latest = sorted(found, key=lambda agent: -found[agent].modified)[:MAX_AGENTS]
        self._agents = {agent: self._agents.get(agent) or _AgentFile(found[agent].path) for agent in latest}
        self._listed = listed
        return True

    @property
    def incomplete(self) -> bool:
        """Whether reading a file as a whole may find more."""
        return any(file.incomplete for file in self._transcripts())

    def read_whole(self) -> int:
        """Read the incomplete files as a whole; return the number of bytes read."""
        read = sum(file.read_whole() for file in self._transcripts() if file.incomplete)
        self._update()
        return read

    def _transcripts(self) -> list[TranscriptFile]:
        return [self._file, *(agent.file for agent in self._agents.values())]

    def _update(self) -> None:
        facts = self._file.facts
        value = Transcript(
            changed=self._file.modified,
            last_turn=facts.last_turn,
            calling=facts.calling,
            title=facts.title,
            prompt=facts.prompt,
            cwd=facts.cwd,
            branch=facts.branch,
            agents={name: agent.value for name, agent in self._agents.items() if agent.value is not None},
        )
        if value != self.value:
            self.value = value


class _AgentFile:
    """The transcript of one sub-agent, and its .meta.json (Claude Code 2.1.330)."""

    def __init__(self, path: str) -> None:
        self.file = TranscriptFile(path, titled=False)
        self.value: Optional[AgentTranscript] = None
        self._path = path
        self._meta = FileCache(_parse_meta)

    def update(self, thoroughly: bool) -> bool:
        """Read what changed; return whether anything did."""
        value = self.value
        if not thoroughly and value is not None and value.ended:
            return False
        stamp = stamp_of(self._path)
        if stamp is None:
            self.value = None
            return value is not None
        if not self.file.update(stamp) and value is not None and not thoroughly:
            return False
        facts, meta = self.file.facts, self._meta.get(self._path[: -len(".jsonl")] + ".meta.json")
        meta = meta or AgentTranscript()
        self.value = AgentTranscript(
            kind=meta.kind,
            description=meta.description,
            parent=meta.parent,
            changed=stamp.modified,
            last_turn=facts.last_turn,
            calling=facts.calling,
            ended=meta.ended or facts.ended,
        )
        return self.value != value


def _parse_meta(raw: bytes) -> AgentTranscript:
    meta = json_object(raw)
    return AgentTranscript(
        kind=clean_text(meta.get("agentType"), 64),
        description=clean_text(meta.get("description")),
        parent=clean_text(meta.get("parentAgentId"), 128),
        ended=meta.get("finished") is True,
    )
