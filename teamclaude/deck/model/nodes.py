"""Make a `Node` of each shown conversation: its name, its state, and whether it needs the operator."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from ..sources.sources import AgentTranscript, ClientProcess, IssuePin, RegistryRow, Transcript
from ..text.cells import clean, printable
from ..text.format import session_emoji
from .conversations import ActivitySigns, Conversation
from .holds import describe_waiting
from .model import LEAD, SOLO, WORKER, Node, UsageSum
from .tree import ConversationSet

__all__ = ["chip_of", "nodes_of"]

_NO_ROW, _NO_PIN, _NO_CLIENT = RegistryRow(), IssuePin(), ClientProcess()
_NO_TRANSCRIPT, _NO_FILE = Transcript(0.0), AgentTranscript()
# Beginnings of the status words of common trackers; the first matching chip counts.
_CHIPS = {
    "block": r"block|stuck|on hold|impeded",
    "review": r"review",
    "done": r"done|complete|closed|cancel|merged|duplicate|resolved|shipped|won.?t",
    "queued": r"backlog|queue|triage|planned|pending|waiting|icebox",
    "todo": r"todo|to do|unstarted|not started|open|ready|new\b|selected",
    "work": r"work|progress|started|doing|active|in dev",
}
_PATTERNS = {chip: re.compile(rf"\b(?:{words})") for chip, words in _CHIPS.items()}
_NEEDS_YOU_CHIPS = ("block", "review")


@lru_cache(maxsize=256)
def chip_of(status: str) -> str:
    """Return a tracker's status as a chip; empty when the status is unknown."""
    words = re.sub(r"[\s_-]+", " ", status).casefold()
    return next((chip for chip, pattern in _PATTERNS.items() if pattern.search(words)), "")


class _SessionFacts(NamedTuple):
    """What a session and its sub-agents share."""

    row: RegistryRow
    pin: IssuePin
    client: ClientProcess
    transcript: Transcript
    issue: str
    emoji: str
    project: str
    branch: str
    account: str


def nodes_of(
    conversations: ConversationSet, parents: Mapping[str, str], usages: Mapping[str, UsageSum]
) -> dict[str, Node]:
    """Return the nodes of all shown conversations by key."""
    leads = set(parents.values())
    about = {key: _session_facts(conversations, key) for key, up in conversations.shown.items() if not up}
    pinned = Counter(session.issue.casefold() for session in about.values() if session.issue)
    nodes = {}
    for key, tally in usages.items():
        one, sign = conversations.known[key], conversations.signs[key]
        parent, is_lead, session = parents.get(key, ""), key in leads, about[one.session]
        if one.agent:
            nodes[key] = _agent(one, sign, session, conversations.now, parent, is_lead, tally)
        else:
            twice = pinned[session.issue.casefold()] > 1
            nodes[key] = _session(one, sign, session, conversations.now, parent, is_lead, tally, twice)
    return nodes


def _session_facts(conversations: ConversationSet, key: str) -> _SessionFacts:
    sources = conversations.sources
    row = sources.registry.get(key, _NO_ROW)
    client = sources.clients.get(key, _NO_CLIENT)
    transcript = sources.transcripts.get(key, _NO_TRANSCRIPT)
    return _SessionFacts(
        row,
        sources.pins.get(key, _NO_PIN),
        client,
        transcript,
        issue=sources.issue_of(key) or "",
        emoji=row.emoji or session_emoji(key),
        project=_folder(transcript.cwd or client.cwd),
        branch="" if transcript.branch == "HEAD" else transcript.branch,
        account=clean(conversations.known[key].binding.account or ""),
    )


@lru_cache(maxsize=512)
def _folder(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _session(
    one: Conversation,
    sign: ActivitySigns,
    about: _SessionFacts,
    now: float,
    parent: str,
    is_lead: bool,
    tally: UsageSum,
    twice: bool,
) -> Node:
    pin, transcript, state = about.pin, about.transcript, sign.state(now)
    title = pin.title or transcript.title or about.client.name or transcript.prompt
    label = about.issue or title or one.session[:8]
    lines = (about.row.intent, pin.title, transcript.title, transcript.prompt)
    asks = about.client.status == "waiting" and not sign.requesting
    chip = chip_of(pin.status) if pin.status else ""
    chip = "wait" if asks and chip not in _NEEDS_YOU_CHIPS else chip
    orphan = bool(pin.parent_id) and pin.parent_id != pin.issue_id and not about.row.solo
    return Node(
        key=one.key,
        session=one.session,
        parent=parent,
        account=about.account,
        role=LEAD if is_lead else WORKER if parent or orphan else SOLO,
        emoji=about.emoji,
        label=label,
        issue=about.issue,
        title=title,
        about=next((line for line in lines if line and line != label), ""),
        project=about.project,
        branch=about.branch,
        chip=chip,
        needs_you=asks or chip in _NEEDS_YOU_CHIPS,
        collision=twice,
        tool_running=state.tool_running,
        inference=one.inference,
        held_sec=one.held_sec,
        waiting_for=describe_waiting(one.waiting, now),
        live=state.live,
        idle=state.idle_sec,
        binding=printable(one.binding),
        usage=tally,
        in_tree=is_lead or bool(parent),
    )


def _agent(
    one: Conversation,
    sign: ActivitySigns,
    about: _SessionFacts,
    now: float,
    parent: str,
    is_lead: bool,
    tally: UsageSum,
) -> Node:
    file, state = one.agent_file or _NO_FILE, sign.state(now)
    return Node(
        key=one.key,
        session=one.session,
        agent=one.agent,
        parent=parent,
        account=clean(one.binding.account or "") or about.account,
        role=LEAD if is_lead else WORKER,
        emoji=about.emoji,
        label=file.description or file.kind or one.agent[:8],
        issue=about.issue,
        title=file.description,
        about=file.kind if file.description else "",
        project=about.project,
        branch=about.branch,
        tool_running=state.tool_running,
        inference=one.inference,
        held_sec=one.held_sec,
        waiting_for=describe_waiting(one.waiting, now),
        live=state.live,
        idle=state.idle_sec,
        binding=printable(one.binding),
        usage=tally,
        in_tree=True,
    )
