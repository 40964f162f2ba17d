"""One session's transcript and those of its sub-agents, followed while the session is shown."""

from __future__ import annotations

from typing import Optional

from .files import FileCache, json_object, plain, stamp_of
from .presence import ENDED_SEC, SHOWN_SEC
from .projects import agents_folder, agents_in, folder_stamp
from .sources import AgentFile, Transcript
from .transcripts import TranscriptFile

__all__ = ["Followed"]

MOST_AGENTS = 200  # of one session, the latest


class Followed:
    """Looks at what changed; `value` is what is known, None once the transcript is gone."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.value: Optional[Transcript] = None
        self._file = TranscriptFile(path)
        self._folder = agents_folder(path)
        self._listed: Optional[int] = None  # the folder's mtime when it was
        self._agents: dict[str, _Agent] = {}

    def look(self, now: float, thoroughly: bool) -> None:
        """Look for what changed; `thoroughly` also for sub-agents that go on after a pause."""
        stamp = stamp_of(self.path)
        if stamp is None:
            self.value = None
            return
        changed = self._file.look(stamp)
        listed = folder_stamp(self._folder)
        if listed != self._listed or (thoroughly and listed is not None):
            changed = True
            self._list(now)
            self._listed = listed
        for agent in self._agents.values():
            changed = agent.look(now, thoroughly) or changed
        if changed or self.value is None:
            self._update()

    @property
    def incomplete(self) -> bool:
        """Whether a look at a whole file may find more."""
        return any(file.incomplete for file in self._files())

    def look_at_all(self) -> int:
        """Have those looks; the bytes read."""
        read = sum(file.look_at_all() for file in self._files() if file.incomplete)
        self._update()
        return read

    def _files(self) -> list[TranscriptFile]:
        return [self._file, *(agent.file for agent in self._agents.values())]

    def _list(self, now: float) -> None:
        found = agents_in(self.path, now - SHOWN_SEC)
        latest = sorted(found, key=lambda agent: -found[agent].changed)[:MOST_AGENTS]
        self._agents = {agent: self._agents.get(agent) or _Agent(found[agent].path) for agent in latest}

    def _update(self) -> None:
        facts = self._file.facts
        value = Transcript(
            changed=self._file.changed,
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


class _Agent:
    """The transcript of one sub-agent with what its .meta.json says (2.1.330)."""

    def __init__(self, path: str) -> None:
        self.file = TranscriptFile(path, titled=False)
        self.value: Optional[AgentFile] = None
        self._path = path
        self._meta = FileCache(_parse_meta)

    def look(self, now: float, thoroughly: bool) -> bool:
        """True when something changed."""
        value = self.value
        if not thoroughly and value is not None and value.ended and now - value.changed > ENDED_SEC:
            return False
        stamp = stamp_of(self._path)
        if stamp is None:
            self.value = None
            return value is not None
        if not self.file.look(stamp) and value is not None and not thoroughly:
            return False
        facts, meta = self.file.facts, self._meta.get(self._path[: -len(".jsonl")] + ".meta.json")
        said = meta or AgentFile()
        self.value = AgentFile(
            kind=said.kind,
            description=said.description,
            parent=said.parent,
            changed=stamp.changed,
            last_turn=facts.last_turn,
            calling=facts.calling,
            ended=said.ended or facts.ended,
        )
        return self.value != value


def _parse_meta(raw: bytes) -> AgentFile:
    meta = json_object(raw)
    return AgentFile(
        kind=plain(meta.get("agentType"), 64),
        description=plain(meta.get("description")),
        parent=plain(meta.get("parentAgentId"), 128),
        ended=meta.get("finished") is True,
    )
