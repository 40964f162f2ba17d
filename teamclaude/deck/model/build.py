"""Build the model of one frame from the proxy's snapshot and the sources on disk.  Pure; accepts any JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from ..sources.sources import NO_SOURCES, Sources
from ..text.format import finite_number
from .accounts import accounts_of, by_tokens, unassigned_of
from .conversations import conversations, shown_with_parent, usage_of
from .holds import describe_waiting, holds_of
from .model import (
    LEAD,
    WORKER,
    AccountRow,
    ActivityRow,
    Alert,
    DeckModel,
    IssueRow,
    Node,
    NodeCounts,
    PoolCapacity,
    ProxyInfo,
    Totals,
    sum_usage,
)
from .nodes import nodes_of
from .snapshot import JsonObject, object_at, objects_at, snapshot_time, text_at
from .tree import ConversationSet, parents_of, trees_of, usage_by_node

__all__ = ["alerts_of", "deck_model", "issues_of", "new_alerts"]


def deck_model(snapshot: JsonObject, sources: Sources = NO_SOURCES, reachable: bool = True) -> DeckModel:
    """Return the model for `snapshot`, an answer of GET /teamclaude/deck.

    `reachable` is False when the proxy did not answer since.
    """
    at = snapshot_time(snapshot) or 0.0
    known = conversations(snapshot, sources)
    signs = {key: one.signs(sources) for key, one in known.items()}
    crew = ConversationSet(known, signs, shown_with_parent(known, signs, at), sources, at)
    parents, tallies = parents_of(crew), usage_by_node(crew)
    nodes = nodes_of(crew, parents, tallies)
    accounts = accounts_of(snapshot, nodes, at)
    issues = issues_of(snapshot, nodes, {key: pin.title for key, pin in sources.pins.items()})
    capacity = _capacity(object_at(snapshot, "capacity"))
    return DeckModel(
        now=at,
        proxy=_proxy_info(object_at(snapshot, "system"), reachable),
        totals=_totals(object_at(snapshot, "system"), sources, capacity, accounts, nodes.values()),
        nodes=nodes,
        trees=trees_of(parents, tallies),
        accounts=accounts,
        unassigned=unassigned_of(nodes, accounts),
        issues=issues,
        issues_total=IssueRow(
            "", sessions=sum(i.sessions for i in issues), usage=sum_usage([issue.usage for issue in issues])
        ),
        held=holds_of(snapshot, at),
        activity=(
            *_activity(objects_at(snapshot, "inflight"), True, at),
            *_activity(objects_at(snapshot, "activity"), False, at),
        ),
        alerts=alerts_of(nodes, accounts, capacity.verdict),
    )


def _proxy_info(system: JsonObject, reachable: bool) -> ProxyInfo:
    return ProxyInfo(
        text_at(system, "version"), _whole_number(system, "port"), reachable, bool(system.get("draining"))
    )


def _capacity(capacity: JsonObject) -> PoolCapacity:
    return PoolCapacity(
        verdict=text_at(capacity, "verdict"),
        headroom=_whole_number(capacity, "headroom"),
        live=_whole_number(capacity, "liveAccounts"),
        total=_whole_number(capacity, "total"),
        benched=_whole_number(capacity, "benched"),
        next_reset_sec=finite_number(capacity.get("soonestResetSec")) or None,
    )


def _totals(
    system: JsonObject,
    sources: Sources,
    capacity: PoolCapacity,
    accounts: Iterable[AccountRow],
    nodes: Iterable[Node],
) -> Totals:
    statuses = [account.status for account in accounts]
    held = _whole_number(system, "held") or 0
    return Totals(
        rss_mb=finite_number(system.get("proxyRssMB")),
        uptime_sec=finite_number(system.get("proxyUptimeSec")),
        throttled=statuses.count("benched"),
        need_login=statuses.count("auth_failed"),
        waiting=max(0, (_whole_number(system, "waiting") or 0) - held),
        held=held,
        ram_share=sources.machine.ram,
        cpu_share=sources.machine.cpu,
        capacity=capacity,
        counts=_node_counts(list(nodes)),
    )


def _node_counts(nodes: list[Node]) -> NodeCounts:
    roles = [node.role for node in nodes]
    leads, workers = roles.count(LEAD), roles.count(WORKER)
    return NodeCounts(
        agents=len(nodes),
        solo=len(nodes) - leads - workers,
        leads=leads,
        workers=workers,
        warm=sum(node.warm for node in nodes),
        live=sum(node.live for node in nodes),
        needs_you=sum(node.needs_you for node in nodes),
        inference=sum(node.inference for node in nodes),
        tools=sum(node.tool_running for node in nodes),
        usage=sum_usage([node.usage for node in nodes]),
    )


def _activity(records: Iterable[JsonObject], running: bool, at: float) -> list[ActivityRow]:
    return [
        ActivityRow(
            text_at(record, "id"),
            record,
            running,
            finite_number(record.get("durationSec")),
            "" if running else _style(record),
            describe_waiting(object_at(record, "waiting"), at) if running else "",
        )
        for record in records
    ]


def _style(record: JsonObject) -> str:
    status = finite_number(record.get("status"))
    if status is None or status >= 500:
        return "bad"
    return "warn" if status >= 400 or record.get("outcome") not in ("served", "") else "good"


def _whole_number(source: Mapping[str, object], key: str) -> Optional[int]:
    value = finite_number(source.get(key))
    return None if value is None else int(value)


def issues_of(
    snapshot: JsonObject, nodes: Mapping[str, Node], titles: Mapping[str, str]
) -> tuple[IssueRow, ...]:
    """Return the issues of shown nodes, most tokens first; `titles` by session.

    If the proxy's records know the issue, its sums come from them: they include sessions that ended.
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


_CHIPS = {"block": "blocked", "review": "review"}


def alerts_of(nodes: Mapping[str, Node], accounts: Iterable[AccountRow], verdict: str) -> frozenset[Alert]:
    """Return everything that needs the operator in this frame."""
    found = {
        Alert(_CHIPS[node.chip], node.issue or node.key) for node in nodes.values() if node.chip in _CHIPS
    }
    found |= {Alert("collision", node.issue.casefold()) for node in nodes.values() if node.collision}
    found |= {Alert("login", account.name) for account in accounts if account.status == "auth_failed"}
    if verdict == "red":
        found.add(Alert("pool red"))
    return frozenset(found)


def new_alerts(previous: Optional[frozenset[Alert]], current: frozenset[Alert]) -> frozenset[Alert]:
    """Return the alerts to ring the bell for; none for the first frame (`previous` None)."""
    return frozenset() if previous is None else current - previous
