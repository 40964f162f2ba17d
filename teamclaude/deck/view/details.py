"""One row in full: what there was no room for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ..model.model import AccountRow, DeckModel, Node, QuotaBar
from ..text.format import UNKNOWN, format_duration, format_percent
from ..text.spans import Line, line
from .options import Page
from .wording import plural, usage_summary

__all__ = ["account_page", "node_page"]

PACES = {
    "behind": "behind its line: has room",
    "on": "on its line",
    "ahead": "ahead of its line",
}


def node_page(model: DeckModel, key: str) -> Optional[Page]:
    """Everything known of one conversation; None when it is gone."""
    node = model.nodes.get(key)
    if node is None:
        return None
    below = [child for child in model.nodes.values() if child.parent == key]
    above = model.nodes.get(node.parent)
    facts = [
        ("session", node.session),
        ("agent", node.agent),
        ("issue", node.issue),
        ("title", node.title),
        ("about", node.about),
        ("state", _state(node)),
        ("waits", node.waiting_for),
        ("needs you", node.chip if node.needs_you else ""),
        ("same issue", "another session is pinned to it, too" if node.collision else ""),
        ("account", (node.account or "none yet") + (" (pinned)" if node.pinned else "")),
        ("model", node.model),
        ("folder", node.project),
        ("branch", node.branch),
        ("used", usage_summary(node.usage) + _requests(node.usage.requests)),
        ("works for", above.label if above is not None else ""),
        ("leads", ", ".join(child.label for child in below)),
    ]
    return Page(f"{node.emoji} {node.label}", tuple(_rows(facts)))


def account_page(model: DeckModel, name: str) -> Optional[Page]:
    """Everything known of one account; None when it is gone."""
    account = next((account for account in model.accounts if account.name == name), None)
    if account is None:
        return None
    facts = [
        ("kind", "API key, billed by use" if account.kind == "apikey" else "subscription"),
        ("status", _status(account)),
        ("reason", account.reason),
        ("streak", f"{account.streak} refusals in a row" if account.streak else ""),
        ("in flight", str(account.inflight)),
        (
            "serves",
            f"{plural(len(account.nodes), 'agent')}, {account.live} live; {usage_summary(account.usage)}",
        ),
        ("in all", usage_summary(account.lifetime_usage) + _requests(account.lifetime_usage.requests)),
        ("last resort", "used only when all others can't" if account.last_resort else ""),
        ("pinned", "all work goes to it" if account.pinned else ""),
    ]
    return Page(account.name, (*_rows(facts), (), *_rows([(bar.label, _bar(bar)) for bar in account.bars])))


def _state(node: Node) -> str:
    words = [
        "live" if node.live else f"idle {format_duration(node.idle)}",
        "a tool is executing" if node.tool_running else "",
        "a request is in flight" if node.inference else "",
        "prompt cache warm" if node.warm else "",
    ]
    return ", ".join(word for word in words if word)


def _status(account: AccountRow) -> str:
    return (
        f"{account.status}, back in {format_duration(account.bench_sec)}"
        if account.bench_sec
        else account.status
    )


def _requests(requests: Optional[int]) -> str:
    return "" if requests is None else f" · {plural(requests, 'request')}"


def _bar(bar: QuotaBar) -> str:
    words = [
        f"{format_percent(bar.used)} used",
        f"resets in {format_duration(bar.reset_sec)}" if bar.reset_sec is not None else "",
        PACES.get(bar.pace, ""),
        f"full in {format_duration(bar.full_sec)}" if bar.full_sec is not None else "",
    ]
    return ", ".join(word for word in words if word) if bar.used is not None else UNKNOWN


def _rows(facts: Iterable[tuple[str, str]]) -> list[Line]:
    return [line((f"  {name:<12}", "dim"), value) for name, value in facts if value]
