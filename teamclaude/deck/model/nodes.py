"""Make a `Node` of each shown conversation: its name, its state, and whether it needs the operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ...values import NamedTuple
from ..sources.sources import (
    AgentTranscript,
    ClientProcess,
    IssuePin,
    RegistryRow,
    Sources,
    Transcript,
)
from ..text.cells import clean, printable
from ..text.format import session_emoji
from .conversations import ActivitySigns, Conversation, ConversationSet
from .holds import describe_waiting
from .labels import chip_of, project_of, session_label, title_of
from .model import LEAD, SOLO, WORKER, Node
from .usage_sum import UsageSum

__all__ = ["nodes_of"]

_NO_ROW, _NO_PIN, _NO_CLIENT = RegistryRow(), IssuePin(), ClientProcess()
_NO_TRANSCRIPT, _NO_FILE = Transcript(0.0), AgentTranscript()
_NEEDS_YOU_CHIPS = ("block", "review")


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
            described = _describe_session(conversations.sources, key, session, activity, bool(parent))
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
        project=project_of(sources, key),
        branch="" if transcript.branch == "HEAD" else transcript.branch,
        account=clean(conversations.known[key].binding.account or ""),
    )


def _describe_session(
    sources: Sources, session: str, facts: _SessionFacts, activity: ActivitySigns, has_parent: bool
) -> _Description:
    pin, transcript = facts.pin, facts.transcript
    label = session_label(sources, session)
    lines = (facts.row.intent, pin.title, transcript.title, transcript.prompt)
    asks = facts.client.status == "waiting" and not activity.requesting
    chip = chip_of(pin.status) if pin.status else ""
    chip = "wait" if asks and chip not in _NEEDS_YOU_CHIPS else chip
    # Its parent issue's session may not be shown.
    has_parent_issue = bool(pin.parent_id) and pin.parent_id != pin.issue_id and not facts.row.solo
    return _Description(
        label,
        title_of(sources, session),
        about=next((line for line in lines if line and line != label), ""),
        role=WORKER if has_parent or has_parent_issue else SOLO,
        chip=chip,
        needs_you=asks or chip in _NEEDS_YOU_CHIPS,
    )


def _describe_agent(conversation: Conversation) -> _Description:
    file = conversation.agent_file or _NO_FILE
    label = file.description or file.kind or conversation.agent[:8]
    return _Description(label, file.description, about=file.kind if file.description else "")
