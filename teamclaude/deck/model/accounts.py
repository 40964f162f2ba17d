"""The shown nodes by account and by issue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from ..text.format import finite_number
from .bars import bars_of
from .conversations import usage_of
from .model import AccountRow, IssueRow, Node, sum_usage
from .snapshot import JsonObject, object_at, objects_at, text_at

__all__ = ["accounts_of", "by_tokens", "issues_of", "unassigned_of"]


def by_tokens(nodes: Iterable[Node]) -> list[Node]:
    """Most tokens first; unknown ones last."""
    return sorted(
        nodes, key=lambda node: (-1.0 * (-1 if node.usage.tokens is None else node.usage.tokens), node.key)
    )


def accounts_of(snapshot: JsonObject, nodes: Mapping[str, Node], now: float) -> tuple[AccountRow, ...]:
    """The accounts that burn most first, each with the nodes it serves."""
    served: dict[str, list[Node]] = {}
    for node in by_tokens(nodes.values()):
        served.setdefault(node.account, []).append(node)
    everything = next(
        (text_at(pin, "account") for pin in objects_at(snapshot, "pins") if pin.get("session") is None), ""
    )
    current = text_at(snapshot, "currentAccount")
    found = [_account(row, served, now, current, everything) for row in objects_at(snapshot, "accounts")]
    return tuple(sorted(found, key=lambda account: -(account.usage.tokens or 0)))


def _account(
    row: JsonObject, served: Mapping[str, Sequence[Node]], now: float, current: str, everything: str
) -> AccountRow:
    name = text_at(row, "name")
    nodes = served.get(name, ())
    return AccountRow(
        name=name,
        kind=text_at(row, "type"),
        status=text_at(row, "status"),
        reason=text_at(row, "statusReason"),
        bench_sec=finite_number(row.get("benchSec")) or None,
        last_resort=bool(row.get("lastResort")),
        current=bool(name) and name == current,
        pinned=bool(name) and name == everything,
        inflight=int(finite_number(row.get("inflight")) or 0),
        streak=int(finite_number(row.get("streak")) or 0),
        bars=bars_of(row, now),
        nodes=tuple(node.key for node in nodes),
        live=sum(node.live for node in nodes),
        usage=sum_usage([node.usage for node in nodes]),
        lifetime_usage=usage_of(object_at(row, "usage")),
    )


def unassigned_of(nodes: Mapping[str, Node], accounts: Iterable[AccountRow]) -> tuple[str, ...]:
    """Nodes that no configured account serves, most tokens first."""
    names = {account.name for account in accounts}
    return tuple(
        node.key for node in by_tokens(nodes.values()) if not node.account or node.account not in names
    )


def issues_of(
    snapshot: JsonObject, nodes: Mapping[str, Node], titles: Mapping[str, str]
) -> tuple[IssueRow, ...]:
    """Issues somebody works on now, most tokens first; `titles` by session.

    Where the proxy's own records know the issue, its sums are theirs: they remember sessions that left.
    """
    recorded = {text_at(row, "issue").casefold(): row for row in objects_at(snapshot, "usageByIssue")}
    working: dict[str, list[Node]] = {}
    for node in by_tokens(nodes.values()):
        if node.issue:
            working.setdefault(node.issue.casefold(), []).append(node)
    found = [_issue(members, recorded.get(name), titles) for name, members in working.items()]
    return tuple(sorted(found, key=lambda issue: (-(issue.usage.tokens or 0), issue.name)))


def _issue(members: Sequence[Node], recorded: Optional[JsonObject], titles: Mapping[str, str]) -> IssueRow:
    sessions = {node.session: node for node in members}
    tally = sum_usage([node.usage for node in members])
    if recorded is not None:
        kept = usage_of(recorded)
        tally = kept if (kept.tokens or 0) >= (tally.tokens or 0) else tally
    return IssueRow(
        name=members[0].issue,
        title=next((titles[session] for session in sessions if titles.get(session)), ""),
        emojis=tuple(node.emoji for node in sessions.values()),
        sessions=len(sessions),
        usage=tally,
    )
