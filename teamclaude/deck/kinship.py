"""Who works for whom among the shown conversations, and who answers for the use of those that left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .conversations import Conversation, above, tally_of
from .figures import epoch_seconds
from .model import UsageSum, sum_usage
from .presence import Signs
from .sources import Pin, Sources
from .tree import acyclic

__all__ = ["Crew", "parents_of", "tallies_of"]


@dataclass(frozen=True)
class Crew:
    """All known conversations, and which of them are shown."""

    known: Mapping[str, Conversation]
    signs: Mapping[str, Signs]
    shown: Mapping[str, str]  # key -> key of the nearest shown one above it; empty: a session
    sources: Sources
    now: float


def parents_of(crew: Crew) -> dict[str, str]:
    """Child -> parent, without circles: sub-agents by who started them, sessions by their pins."""
    edges = {key: up for key, up in crew.shown.items() if up}
    pins = {key: crew.sources.pins[key] for key in crew.shown if key in crew.sources.pins}
    holders = _holders(crew, pins)
    for session, pin in pins.items():
        holder = holders.get(pin.parent_id) if pin.parent_id != pin.issue_id else None
        if holder is not None:
            edges[session] = holder
    kept = acyclic(edges)
    for key in edges:
        if key not in kept and crew.shown[key]:
            kept[key] = crew.known[key].session  # sub-agents that claim to have started each other
    return kept


def _holders(crew: Crew, pins: Mapping[str, Pin]) -> dict[str, str]:
    """Issue id -> the session that is pinned to it; of several the one that came first."""

    def age(session: str) -> tuple[float, str]:
        row = crew.sources.registry.get(session)
        started = row.started if row is not None else None
        if started is None:
            started = epoch_seconds(crew.known[session].binding.get("firstSeen"))
        return (float("inf") if started is None else started, session)

    found: dict[str, str] = {}
    for session in sorted(pins, key=age):
        if pins[session].issue_id:
            found.setdefault(pins[session].issue_id, session)
    return found


def tallies_of(crew: Crew) -> dict[str, UsageSum]:
    """What each shown conversation has used.

    A sub-agent that is shown no more counts with whom it worked for: else a lead's sum would shrink whenever
    one of its sub-agents ends.
    """
    parts = {key: [tally_of(crew.known[key].binding)] for key in crew.shown}
    for key, one in crew.known.items():
        if one.agent and one.binding and key not in crew.shown and one.session in crew.shown:
            heir = next(up for up in above(crew.known, key) if up in crew.shown)
            parts[heir].append(tally_of(one.binding))
    return {key: found[0] if len(found) == 1 else sum_usage(found) for key, found in parts.items()}
