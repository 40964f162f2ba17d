"""One session's transcript and those of its sub-agents, followed while the session is shown."""

from __future__ import annotations

from typing import Optional

from .files import FileCache, clean_text, json_object, stamp_of
from .presence import SHOWN_SEC
from .projects import agents_folder, agents_in, folder_stamp
from .sources import AgentTranscript, Transcript
from .transcripts import TranscriptFile

__all__ = ["SessionFiles"]

MAX_AGENTS = 200  # of one session, the latest
AT_WORK_SEC = 60.0  # after a change a session may still be at work


class SessionFiles:
    """Looks at what changed; `value` is what is known, None once the transcript is gone."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.value: Optional[Transcript] = None
        self._file = TranscriptFile(path)
        self._folder = agents_folder(path)
        self._listed: Optional[int] = None  # the folder's mtime when it was
        self._agents: dict[str, _AgentFile] = {}

    def update(self, now: float, thoroughly: bool) -> None:
        """Look for what changed; `thoroughly` also for what goes on after a pause."""
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
        """It may start sub-agents: its turn is going on, or they may start more."""
        if now - self._file.modified < AT_WORK_SEC or self._file.facts.calling:
            return True
        return any(agent.value is not None and not agent.value.ended for agent in self._agents.values())

    def _find_agents(self, now: float, thoroughly: bool) -> bool:
        """True when there may be other ones than before."""
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
        """Whether a look at a whole file may find more."""
        return any(file.incomplete for file in self._files())

    def read_whole(self) -> int:
        """Have those looks; the bytes read."""
        read = sum(file.read_whole() for file in self._files() if file.incomplete)
        self._update()
        return read

    def _files(self) -> list[TranscriptFile]:
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
    """The transcript of one sub-agent with what its .meta.json says (2.1.330)."""

    def __init__(self, path: str) -> None:
        self.file = TranscriptFile(path, titled=False)
        self.value: Optional[AgentTranscript] = None
        self._path = path
        self._meta = FileCache(_parse_meta)

    def update(self, thoroughly: bool) -> bool:
        """True when something changed."""
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
        said = meta or AgentTranscript()
        self.value = AgentTranscript(
            kind=said.kind,
            description=said.description,
            parent=said.parent,
            changed=stamp.modified,
            last_turn=facts.last_turn,
            calling=facts.calling,
            ended=said.ended or facts.ended,
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
