"""Every conversation anybody knows of: the proxy's bindings and requests joined with what is on disk.

Which of them are shown is `presence`'s business; one that waits for a shown one is shown with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ..sources.sources import SHOWN_SEC, TOOL_SEC, AgentTranscript, Sources
from ..text.format import epoch_seconds, finite_number
from .model import UNKNOWN_USAGE, UsageSum
from .snapshot import JsonObject, object_at, objects_at, text_at

__all__ = [
    "LIVE_SEC",
    "NEW_SEC",
    "ActivitySigns",
    "Conversation",
    "ancestors",
    "conversations",
    "sessions_of",
    "shown_with_parent",
    "usage_of",
]

NEW_SEC = 120.0  # after the start of a session that has no transcript yet
ENDED_SEC = 120.0  # a sub-agent that gave its answer is seen to end, then makes room
LIVE_SEC = 60.0  # between two requests nobody is idle
CLOCK_SKEW_SEC = 300.0  # a turn further in the future says nothing


class ActivitySigns(NamedTuple):
    """What is known of one conversation's life; times in epoch seconds."""

    requesting: bool = False  # it has a request in flight
    last_request: Optional[float] = None  # its last request, as the proxy saw it
    tool_started: Optional[float] = None  # when the executing tool was started
    modified: Optional[float] = None  # its transcript's mtime; None: there is none
    transcript_turn: Optional[float] = None  # its transcript's last real turn
    tool_called: bool = False  # that turn waits for a tool's result
    started: Optional[float] = None  # its registration
    ended: bool = False  # a sub-agent that gave its answer

    def last_turn(self, now: float) -> Optional[float]:
        """The last real turn, by the best witness: transcript, its mtime, the proxy's last request."""
        for witness in (self.transcript_turn, self.modified, self.last_request):
            if witness is not None and witness <= now + CLOCK_SKEW_SEC:
                return witness
        return None

    def tool_running(self, now: float) -> bool:
        """A tool is executing: its marker is fresh."""
        return self.tool_started is not None and abs(now - self.tool_started) < TOOL_SEC

    def is_shown(self, now: float) -> bool:
        if self.requesting or self.tool_running(now):
            return True
        if self.modified is None and self.started is not None and abs(now - self.started) <= NEW_SEC:
            return True
        last = self.last_turn(now)
        return last is not None and now - last <= (ENDED_SEC if self.ended else SHOWN_SEC)

    def state(self, now: float) -> ActivityState:
        """What a shown conversation does."""
        idle = 0.0 if self.requesting else self._idle_sec(now)
        tool = self.tool_running(now) or self._called_tool(now)
        return ActivityState(idle, tool, tool or (idle is not None and idle <= LIVE_SEC))

    def _idle_sec(self, now: float) -> Optional[float]:
        last, asked = self.last_turn(now), self.last_request
        if last is None or (asked is not None and last < asked <= now):
            last = asked
        return None if last is None else max(0.0, now - last)

    def _called_tool(self, now: float) -> bool:
        """The newest turn called a tool a short while ago, and no request has brought its result."""
        if not self.tool_called or self.requesting or self.transcript_turn is None:
            return False
        return abs(now - self.transcript_turn) < TOOL_SEC


class ActivityState(NamedTuple):
    idle_sec: Optional[float]
    """Seconds since the last turn or request."""
    tool_running: bool
    """A tool is executing: by its marker or by the transcript."""
    live: bool
    """At work now, or a moment ago."""


LONGEST_ID = 128  # the proxy's own limit; a snapshot may come from another version
_INFERENCE = "/v1/messages"


@dataclass
class Conversation:
    """One conversation with what each witness says of it."""

    session: str
    agent: str = ""
    parent: str = ""  # key of the conversation that started this sub-agent
    binding: JsonObject = field(default_factory=dict)
    requesting: bool = False  # a request of it is in flight
    inference: bool = False  # an inference request is, and does not wait
    waiting: JsonObject = field(default_factory=dict)  # what its request waits for
    held_sec: Optional[float] = None  # seconds
    agent_file: Optional[AgentTranscript] = None

    @property
    def key(self) -> str:
        return f"{self.session}/{self.agent}" if self.agent else self.session

    def signs(self, sources: Sources) -> ActivitySigns:
        requested = epoch_seconds(self.binding.get("lastUsed"))
        if self.agent:
            file = self.agent_file
            if file is None:
                return ActivitySigns(self.requesting, requested)
            return ActivitySigns(
                self.requesting,
                requested,
                modified=file.changed,
                transcript_turn=file.last_turn,
                tool_called=file.calling,
                ended=file.ended,
            )
        transcript = sources.transcripts.get(self.session)
        row, client = sources.registry.get(self.session), sources.clients.get(self.session)
        started = row.started if row is not None else None
        if started is None and client is not None:
            started = client.started
        tool = sources.tools.get(self.session)
        if transcript is None:
            return ActivitySigns(self.requesting, requested, tool, started=started)
        return ActivitySigns(
            self.requesting,
            requested,
            tool,
            modified=transcript.changed,
            transcript_turn=transcript.last_turn,
            tool_called=transcript.calling,
            started=started,
        )


def conversations(snapshot: JsonObject, sources: Sources) -> dict[str, Conversation]:
    """All known conversations by key; each sub-agent's session is among them."""
    found: dict[str, Conversation] = {}
    for row in objects_at(snapshot, "sessionBindings"):
        session, agent = _id(row, "sid"), _id(row, "agent")
        if session:
            one = _get_or_add(found, session, agent)
            one.binding = row
            one.parent = text_at(row, "parent")[: 2 * LONGEST_ID + 1]
            one.requesting = one.inference = bool(finite_number(row.get("inflight")))
    for row in objects_at(snapshot, "inflight"):
        session, agent = _id(row, "session"), _id(row, "agent")
        if session:
            one = _get_or_add(found, session, agent)
            one.requesting = True
            waiting = object_at(row, "waiting")
            if waiting:
                one.waiting = one.waiting or waiting
            else:
                one.inference = one.inference or row.get("path") == _INFERENCE
    for row in objects_at(snapshot, "held"):
        session, agent = _id(row, "session"), _id(row, "agent")
        if session:
            one = _get_or_add(found, session, agent)
            one.held_sec = max(one.held_sec or 0.0, finite_number(row.get("heldSec")) or 0.0)
    for session in (*sources.registry, *sources.clients, *sources.transcripts, *sources.tools):
        _get_or_add(found, session)
    for session, agent, file in _agent_files(sources):
        one = _get_or_add(found, session, agent)
        one.agent_file = file
        if not one.parent and file.parent:
            one.parent = f"{session}/{file.parent}"
    return found


def _id(row: JsonObject, key: str) -> str:
    return text_at(row, key)[:LONGEST_ID]


def _get_or_add(found: dict[str, Conversation], session: str, agent: str = "") -> Conversation:
    if session not in found:
        found[session] = Conversation(session)
    if not agent:
        return found[session]
    key = f"{session}/{agent}"
    if key not in found:
        found[key] = Conversation(session, agent)
    return found[key]


def _agent_files(sources: Sources) -> Iterator[tuple[str, str, AgentTranscript]]:
    for session, transcript in sources.transcripts.items():
        for agent, file in transcript.agents.items():
            yield session, agent, file


def shown_with_parent(
    known: Mapping[str, Conversation], signs: Mapping[str, ActivitySigns], now: float
) -> dict[str, str]:
    """Key -> key of the nearest shown conversation above it (empty for a session), of all that are shown."""
    present = {key for key, sign in signs.items() if sign.is_shown(now)}
    for key in list(present):
        present.update(ancestors(known, key))
    return {key: next(ancestors(known, key), "") for key in known if key in present}


def ancestors(known: Mapping[str, Conversation], key: str) -> Iterator[str]:
    """The conversations above a sub-agent, nearest first; the last one is its session."""
    one, seen = known[key], {key}
    while one.agent:
        up = known.get(one.parent)
        if up is None or up.session != one.session or up.key in seen:
            up = known[one.session]
        seen.add(up.key)
        yield up.key
        one = up


def usage_of(binding: JsonObject) -> UsageSum:
    """What a binding has used; nothing is known where there is none."""
    used = finite_number(binding.get("tokens"))
    unmeasured = int(finite_number(binding.get("unmeasured")) or 0)
    if used is None and not unmeasured:
        return UNKNOWN_USAGE
    requests = finite_number(binding.get("requests"))
    return UsageSum(
        tokens=None if used is None else int(used),
        cost=finite_number(binding.get("cost")),
        unpriced=int(finite_number(binding.get("unpricedTokens")) or 0),
        requests=None if requests is None else int(requests),
        unmeasured=unmeasured,
        estimated=binding.get("costEstimated") is True,
    )


def sessions_of(snapshot: JsonObject) -> set[str]:
    """The sessions whose files the Deck wants to know: those the proxy served lately or serves now."""
    found = {_id(row, "session") for row in objects_at(snapshot, "inflight")}
    for row in objects_at(snapshot, "sessionBindings"):
        if (finite_number(row.get("idleSec")) or 0.0) <= SHOWN_SEC:
            found.add(_id(row, "sid"))
    return found - {""}
