"""Who works for whom among the shown conversations, and who answers for the use of those that left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..sources.sources import IssuePin, Sources
from ..text.format import epoch_seconds
from .conversations import ActivitySigns, Conversation, ancestors, usage_of
from .model import UsageSum, sum_usage
from .tree import without_cycles

__all__ = ["ConversationSet", "parents_of", "usage_by_node"]


@dataclass(frozen=True)
class ConversationSet:
    """All known conversations, and which of them are shown."""

    known: Mapping[str, Conversation]
    signs: Mapping[str, ActivitySigns]
    shown: Mapping[str, str]  # key -> key of the nearest shown one above it; empty: a session
    sources: Sources
    now: float


def parents_of(conversations: ConversationSet) -> dict[str, str]:
    """Child -> parent, without circles: sub-agents by who started them, sessions by their pins."""
    edges = {key: up for key, up in conversations.shown.items() if up}
    pins = {
        key: conversations.sources.pins[key]
        for key in conversations.shown
        if key in conversations.sources.pins
    }
    holders = _session_by_issue(conversations, pins)
    for session, pin in pins.items():
        holder = holders.get(pin.parent_id) if pin.parent_id != pin.issue_id else None
        if holder is not None:
            edges[session] = holder
    kept = without_cycles(edges)
    for key in edges:
        if key not in kept and conversations.shown[key]:
            kept[key] = conversations.known[key].session  # sub-agents that claim to have started each other
    return kept


def _session_by_issue(conversations: ConversationSet, pins: Mapping[str, IssuePin]) -> dict[str, str]:
    """Issue id -> the session that is pinned to it; of several the one that came first."""

    def age(session: str) -> tuple[float, str]:
        row = conversations.sources.registry.get(session)
        started = row.started if row is not None else None
        if started is None:
            started = epoch_seconds(conversations.known[session].binding.get("firstSeen"))
        return (float("inf") if started is None else started, session)

    found: dict[str, str] = {}
    for session in sorted(pins, key=age):
        if pins[session].issue_id:
            found.setdefault(pins[session].issue_id, session)
    return found


def usage_by_node(conversations: ConversationSet) -> dict[str, UsageSum]:
    """What each shown conversation has used.

    A sub-agent that is shown no more counts with whom it worked for: else a lead's sum would shrink whenever
    one of its sub-agents ends.
    """
    parts = {key: [usage_of(conversations.known[key].binding)] for key in conversations.shown}
    for key, one in conversations.known.items():
        if (
            one.agent
            and one.binding
            and key not in conversations.shown
            and one.session in conversations.shown
        ):
            heir = next(up for up in ancestors(conversations.known, key) if up in conversations.shown)
            parts[heir].append(usage_of(one.binding))
    return {key: found[0] if len(found) == 1 else sum_usage(found) for key, found in parts.items()}
