"""Join the proxy's bindings and requests with what is on disk to conversations, and decide which are shown.

A conversation with activity now or a short while ago is shown, and so are its ancestors; so is a session
whose client waits for its operator, however long.  A transcript's mtime counts only when no turn is known:
titles and modes are written to it at idle, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

from ...snapshot import BindingView, Snapshot, UsageView, WaitView
from ...values import NamedTuple, dataclass
from ..sources.sources import SHOWN_SEC, TOOL_SEC, AgentTranscript, Sources
from ..text.cells import clean
from .usage_sum import UNKNOWN_USAGE, UsageSum

__all__ = [
    "LIVE_SEC",
    "NEW_SEC",
    "ActivitySigns",
    "Conversation",
    "ConversationSet",
    "ancestors",
    "conversation_set",
    "sessions_of",
    "usage_of",
]

NEW_SEC = 120.0  # a session without a transcript is shown so long after its start
ENDED_SEC = 120.0  # a sub-agent is shown so long after its final answer
LIVE_SEC = 60.0  # a pause between two requests that does not count as idle
CLOCK_SKEW_SEC = 300.0  # a turn further in the future is ignored


class ActivitySigns(NamedTuple):
    """What is known about one conversation's activity; times in epoch seconds."""

    requesting: bool = False  # it has a request in flight
    last_request: Optional[float] = None  # its last request, as the proxy saw it
    tool_started: Optional[float] = None  # when the executing tool was started
    modified: Optional[float] = None  # its transcript's mtime; None: there is none
    transcript_turn: Optional[float] = None  # its transcript's last real turn
    tool_called: bool = False  # that turn waits for a tool's result
    started: Optional[float] = None  # its registration
    ended: bool = False  # a sub-agent that gave its answer
    asks: bool = False  # its client waits for its operator

    def last_turn(self, now: float) -> Optional[float]:
        """Return the time of the last turn: by the transcript, else its mtime, else the last request."""
        for source in (self.transcript_turn, self.modified, self.last_request):
            if source is not None and source <= now + CLOCK_SKEW_SEC:
                return source
        return None

    def tool_running(self, now: float) -> bool:
        """Return whether a tool is executing: its marker is fresh."""
        return self.tool_started is not None and abs(now - self.tool_started) < TOOL_SEC

    def is_shown(self, now: float) -> bool:
        """Return whether there is or recently was activity."""
        if self.requesting or self.asks or self.tool_running(now):
            return True
        if self.modified is None and self.started is not None and abs(now - self.started) <= NEW_SEC:
            return True
        last = self.last_turn(now)
        return last is not None and now - last <= (ENDED_SEC if self.ended else SHOWN_SEC)

    def state(self, now: float) -> ActivityState:
        """Return what a shown conversation does now."""
        idle = 0.0 if self.requesting else self._idle_sec(now)
        tool = self.tool_running(now) or self._called_tool(now)
        return ActivityState(idle, tool, tool or (idle is not None and idle <= LIVE_SEC))

    def _idle_sec(self, now: float) -> Optional[float]:
        last, asked = self.last_turn(now), self.last_request
        if last is None or (asked is not None and last < asked <= now):
            last = asked
        return None if last is None else max(0.0, now - last)

    def _called_tool(self, now: float) -> bool:
        """Return whether the newest turn called a tool within TOOL_SEC and its result was not sent yet."""
        if not self.tool_called or self.requesting or self.transcript_turn is None:
            return False
        return abs(now - self.transcript_turn) < TOOL_SEC


class ActivityState(NamedTuple):
    """What a conversation does now."""

    idle_sec: Optional[float]
    """Seconds since the last turn or request."""
    tool_running: bool
    """A tool is executing, by its marker or by the transcript."""
    live: bool
    """Active now or within LIVE_SEC."""


LONGEST_ID = 128  # the proxy's own limit; a snapshot may come from another version
_INFERENCE = "/v1/messages"
_NO_BINDING = BindingView()


@dataclass
class Conversation:
    """One conversation with what each source says about it."""

    session: str
    agent: str = ""
    parent: str = ""  # key of the conversation that started this sub-agent
    binding: BindingView = _NO_BINDING
    requesting: bool = False  # a request of it is in flight
    inference: bool = False  # an inference request is, and does not wait
    waiting: Optional[WaitView] = None  # what its request waits for
    held_sec: Optional[float] = None  # seconds
    agent_file: Optional[AgentTranscript] = None

    @property
    def key(self) -> str:
        """`session`, or `session/agent` for a sub-agent."""
        return f"{self.session}/{self.agent}" if self.agent else self.session

    @property
    def usage(self) -> UsageSum:
        """What it has used itself."""
        return usage_of(self.binding.usage, self.binding.requests)

    def activity(self, sources: Sources) -> ActivitySigns:
        """Return the signs of activity from all sources."""
        requested = self.binding.last_used
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
        asks = client is not None and client.status == "waiting"
        if transcript is None:
            return ActivitySigns(self.requesting, requested, tool, started=started, asks=asks)
        return ActivitySigns(
            self.requesting,
            requested,
            tool,
            modified=transcript.changed,
            transcript_turn=transcript.last_turn,
            tool_called=transcript.calling,
            started=started,
            asks=asks,
        )


@dataclass(frozen=True)
class ConversationSet:
    """All known conversations, their activity, and which of them are shown."""

    known: Mapping[str, Conversation]
    activity: Mapping[str, ActivitySigns]
    shown: Mapping[str, str]  # key -> key of its nearest shown ancestor; empty: a session
    sources: Sources
    now: float  # the snapshot's time


def conversation_set(snapshot: Snapshot, sources: Sources) -> ConversationSet:
    """Return all known conversations, including the session of each sub-agent, and which are shown."""
    known = _known(snapshot, sources)
    activity = {key: conversation.activity(sources) for key, conversation in known.items()}
    shown = {key for key, each in activity.items() if each.is_shown(snapshot.at)}
    for key in list(shown):
        shown.update(ancestors(known, key))
    parents = {key: next(ancestors(known, key), "") for key in known if key in shown}
    return ConversationSet(known, activity, parents, sources, snapshot.at)


def _known(snapshot: Snapshot, sources: Sources) -> dict[str, Conversation]:
    found: dict[str, Conversation] = {}
    for row in snapshot.session_bindings:
        session, agent = _id(row.sid), _id(row.agent)
        if session:
            conversation = _get_or_add(found, session, agent)
            conversation.binding = row
            conversation.parent = clean(row.parent or "")[: 2 * LONGEST_ID + 1]
            conversation.requesting = conversation.inference = row.inflight > 0
    for running in snapshot.inflight:
        session, agent = _id(running.request.session), _id(running.request.agent)
        if session:
            conversation = _get_or_add(found, session, agent)
            conversation.requesting = True
            if running.waiting is not None:
                conversation.waiting = conversation.waiting or running.waiting
            else:
                conversation.inference = conversation.inference or running.request.path == _INFERENCE
    for held in snapshot.held:
        session, agent = _id(held.session), _id(held.agent)
        if session:
            conversation = _get_or_add(found, session, agent)
            conversation.held_sec = max(conversation.held_sec or 0.0, held.held_sec)
    for session in (*sources.registry, *sources.clients, *sources.transcripts, *sources.tools):
        _get_or_add(found, session)
    for session, agent, file in _agent_files(sources):
        conversation = _get_or_add(found, session, agent)
        conversation.agent_file = file
        if not conversation.parent and file.parent:
            conversation.parent = f"{session}/{file.parent}"
    return found


def _id(value: Optional[str]) -> str:
    return clean(value or "")[:LONGEST_ID]


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


def ancestors(known: Mapping[str, Conversation], key: str) -> Iterator[str]:
    """Yield the keys of a sub-agent's ancestors, nearest first; the last one is its session."""
    conversation, seen = known[key], {key}
    while conversation.agent:
        up = known.get(conversation.parent)
        if up is None or up.session != conversation.session or up.key in seen:
            up = known[conversation.session]
        seen.add(up.key)
        yield up.key
        conversation = up


def usage_of(usage: UsageView, requests: Optional[int]) -> UsageSum:
    """Return what was used; it is unknown without tokens and without unmeasured answers."""
    if usage.tokens is None and not usage.unmeasured:
        return UNKNOWN_USAGE
    return UsageSum(
        tokens=usage.tokens,
        cost=usage.cost,
        unpriced=usage.unpriced_tokens,
        requests=requests,
        unmeasured=usage.unmeasured,
        estimated=usage.cost_estimated,
        burn=usage.burn,
        written=usage.cache_write_tokens,
    )


def sessions_of(snapshot: Snapshot) -> set[str]:
    """Return the sessions whose files the Deck reads: those that the proxy serves or served lately."""
    found = {_id(running.request.session) for running in snapshot.inflight}
    found.update(_id(row.sid) for row in snapshot.session_bindings if row.idle_sec <= SHOWN_SEC)
    return found - {""}
