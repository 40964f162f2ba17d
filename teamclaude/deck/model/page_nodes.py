"""The conversations as rows of the web page: those that the Deck shows, with their names and states.  Pure.

A row changes only when something has happened: times are moments in epoch milliseconds, and what a request
waits for is said without for how long.
"""

from __future__ import annotations

from typing import Any, Optional

from ...snapshot import Snapshot, WaitView
from ..sources.sources import Sources
from .conversations import ConversationSet, conversation_set
from .holds import describe_cause
from .model import Node
from .nodes import nodes_of
from .tree import parents_of, usage_by_node

__all__ = ["page_nodes"]

HELD, WAITING, INFERENCE, TOOL, LIVE, IDLE = "held", "waiting", "inference", "tool", "live", "idle"


def page_nodes(snapshot: Snapshot, sources: Sources) -> dict[str, dict[str, Any]]:
    """Return a row for each conversation that is shown, by its key."""
    found = conversation_set(snapshot, sources)
    nodes = nodes_of(found, parents_of(found), usage_by_node(found))
    return {key: _row(node, found) for key, node in nodes.items()}


def _row(node: Node, found: ConversationSet) -> dict[str, Any]:
    binding, waiting = node.binding, found.known[node.key].waiting
    return {
        "session": node.session,
        "agent": node.agent,
        "parent": node.parent,
        "account": node.account,
        "label": node.label,
        "title": node.title,
        "about": node.about,
        "issue": node.issue,
        "emoji": node.emoji,
        "project": node.project,
        "branch": node.branch,
        "role": node.role,
        "chip": node.chip,
        "state": _state(node),
        "waitingFor": "" if waiting is None else describe_cause(waiting, found.now),
        "waitingSince": _waiting_since(node, waiting, found.now),
        "backAt": None if waiting is None else _ms(waiting.back_at),
        "needsYou": node.needs_you,
        "collision": node.collision,
        "tokens": node.usage.tokens,
        "burn": node.usage.burn,
        "cost": node.usage.cost,
        "costEstimated": node.usage.estimated,
        "requests": node.usage.requests,
        "model": binding.model or "",
        "pinned": binding.pinned,
        "reason": binding.reason,
        "lastUsedAt": _last_used(node, found.now),
        "warm": binding.warm,
    }


def _state(node: Node) -> str:
    if node.held_sec is not None:
        return HELD
    if node.waiting_for:
        return WAITING
    if node.tool_running:
        return TOOL
    if node.inference:
        return INFERENCE
    return LIVE if node.live else IDLE


def _waiting_since(node: Node, waiting: Optional[WaitView], now: float) -> Optional[int]:
    if node.held_sec is not None:
        return round(now - node.held_sec) * 1000  # a hold may consist of several waits
    return None if waiting is None else _ms(waiting.at)


def _last_used(node: Node, now: float) -> Optional[int]:
    """Return the time of its last turn, in whole seconds; while a request runs, when that began."""
    if node.idle:
        return round(now - node.idle) * 1000
    return _ms(node.binding.last_used)


def _ms(moment: Optional[float]) -> Optional[int]:
    return None if moment is None else round(moment * 1000)
