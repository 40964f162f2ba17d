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
from .conversations import Conversation, ConversationSet
from .holds import describe_waiting
from .model import LEAD, SOLO, WORKER, Node, UsageSum

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


class _Description(NamedTuple):
    """What a node says about its conversation."""

    label: str
    title: str
    about: str
    role: str = WORKER  # unless it leads others
    chip: str = ""
    needs_you: bool = False


def nodes_of(
    conversations: ConversationSet, parents: Mapping[str, str], usages: Mapping[str, UsageSum]
) -> dict[str, Node]:
    """Return the nodes of all shown conversations by key."""
    leads = set(parents.values())
    facts = {key: _session_facts(conversations, key) for key, up in conversations.shown.items() if not up}
    pinned = Counter(session.issue.casefold() for session in facts.values() if session.issue)
    nodes = {}
    for key, usage in usages.items():
        conversation, activity = conversations.known[key], conversations.activity[key]
        session, parent, is_lead = facts[conversation.session], parents.get(key, ""), key in leads
        if conversation.agent:
            described = _describe_agent(conversation)
        else:
            described = _describe_session(key, session, activity.requesting, bool(parent))
        state = activity.state(conversations.now)
        nodes[key] = Node(
            key=key,
            session=conversation.session,
            agent=conversation.agent,
            parent=parent,
            account=clean(conversation.binding.account or "") or session.account,
            role=LEAD if is_lead else described.role,
            emoji=session.emoji,
            label=described.label,
            issue=session.issue,
            title=described.title,
            about=described.about,
            project=session.project,
            branch=session.branch,
            chip=described.chip,
            needs_you=described.needs_you,
            collision=not conversation.agent and pinned[session.issue.casefold()] > 1,
            tool_running=state.tool_running,
            inference=conversation.inference,
            held_sec=conversation.held_sec,
            waiting_for=describe_waiting(conversation.waiting, conversations.now),
            live=state.live,
            idle=state.idle_sec,
            binding=printable(conversation.binding),
            usage=usage,
            in_tree=is_lead or bool(parent or conversation.agent),
        )
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


def _describe_session(session: str, facts: _SessionFacts, requesting: bool, has_parent: bool) -> _Description:
    pin, transcript = facts.pin, facts.transcript
    title = pin.title or transcript.title or facts.client.name or transcript.prompt
    label = facts.issue or title or session[:8]
    lines = (facts.row.intent, pin.title, transcript.title, transcript.prompt)
    asks = facts.client.status == "waiting" and not requesting
    chip = chip_of(pin.status) if pin.status else ""
    chip = "wait" if asks and chip not in _NEEDS_YOU_CHIPS else chip
    # Its parent issue's session may not be shown.
    has_parent_issue = bool(pin.parent_id) and pin.parent_id != pin.issue_id and not facts.row.solo
    return _Description(
        label,
        title,
        about=next((line for line in lines if line and line != label), ""),
        role=WORKER if has_parent or has_parent_issue else SOLO,
        chip=chip,
        needs_you=asks or chip in _NEEDS_YOU_CHIPS,
    )


def _describe_agent(conversation: Conversation) -> _Description:
    file = conversation.agent_file or _NO_FILE
    label = file.description or file.kind or conversation.agent[:8]
    return _Description(label, file.description, about=file.kind if file.description else "")
