"""Build the model of one frame from the proxy's snapshot and the sources on disk.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from ...request_views import AccountTrend
from ...snapshot import Activity, InflightView, IssueView, Snapshot
from ..sources.sources import NO_SOURCES, Sources
from ..text.cells import clean, printable
from .accounts import accounts_of, by_burn, unassigned_of
from .conversations import conversation_set, usage_of
from .holds import describe_waiting, holds_of, is_held, obstacle_of
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
    ProxyInfo,
    Totals,
)
from .needs_you import is_overdue, needs_rows, needs_you
from .nodes import nodes_of
from .tree import parents_of, trees_of, usage_by_node
from .usage_sum import sum_usage

__all__ = ["alerts_of", "deck_model", "issues_of", "new_alerts"]


NO_TRENDS: Mapping[str, AccountTrend] = {}


def deck_model(
    snapshot: Snapshot,
    sources: Sources = NO_SOURCES,
    reachable: bool = True,
    trends: Mapping[str, AccountTrend] = NO_TRENDS,
) -> DeckModel:
    """Return the model for `snapshot`; `reachable` is False when the proxy did not answer since.

    `trends` are the accounts' last minutes by name.
    """
    at = snapshot.at
    found = conversation_set(snapshot, sources)
    parents, usages = parents_of(found), usage_by_node(found)
    nodes = nodes_of(found, parents, usages)
    accounts = accounts_of(snapshot, nodes, trends)
    issues = issues_of(snapshot, nodes, {key: pin.title for key, pin in sources.pins.items()})
    statuses = [account.status for account in accounts]
    waiting = snapshot.needs_you or needs_you(sources, snapshot, at)
    needs = needs_rows(waiting, nodes, at)
    return DeckModel(
        now=at,
        proxy=ProxyInfo(printable(snapshot.system), printable(snapshot.capacity), reachable),
        totals=Totals(
            throttled=statuses.count("benched"),
            need_login=statuses.count("auth_failed"),
            ram_share=sources.machine.ram,
            cpu_share=sources.machine.cpu,
            counts=_node_counts(list(nodes.values()), len(needs)),
        ),
        nodes=nodes,
        trees=trees_of(parents, usages, {key for key, node in nodes.items() if _is_done(node)}),
        accounts=accounts,
        unassigned=unassigned_of(nodes, accounts),
        issues=issues,
        issues_total=IssueRow(
            "", sessions=sum(i.sessions for i in issues), usage=sum_usage([issue.usage for issue in issues])
        ),
        clients=tuple(printable(client) for client in snapshot.clients),
        held=holds_of(snapshot.held, at),
        needs_you=needs,
        forecast=snapshot.forecast,
        overdue=sum(is_overdue(row, at) for row in waiting),
        obstacle=obstacle_of(snapshot) if reachable else (),
        activity=(
            *(_running(inflight, at) for inflight in snapshot.inflight),
            *(_finished(request) for request in snapshot.activity),
        ),
        alerts=alerts_of(nodes, accounts, snapshot.capacity.verdict),
    )


def _node_counts(nodes: list[Node], needs: int) -> NodeCounts:
    roles = [node.role for node in nodes]
    leads, workers = roles.count(LEAD), roles.count(WORKER)
    return NodeCounts(
        agents=len(nodes),
        solo=len(nodes) - leads - workers,
        leads=leads,
        workers=workers,
        warm=sum(node.binding.warm for node in nodes),
        live=sum(node.live for node in nodes),
        needs_you=needs,
        inference=sum(node.inference for node in nodes),
        tools=sum(node.tool_running for node in nodes),
        held=sum(node.held_sec is not None for node in nodes),
        usage=sum_usage([node.usage for node in nodes]),
    )


def _is_done(node: Node) -> bool:
    """Return whether it is a sub-agent that does nothing any more."""
    at_work = node.live or node.tool_running or node.inference or node.held_sec is not None
    return bool(node.agent) and not at_work and not node.waiting_for


def _running(inflight: InflightView, at: float) -> ActivityRow:
    waiting_for = describe_waiting(inflight.waiting, at)
    held = is_held(inflight.waiting)
    return ActivityRow(
        inflight.request, True, inflight.request.duration_sec, waiting_for=waiting_for, is_held=held
    )


def _finished(request: Activity) -> ActivityRow:
    status = request.status
    if status is None or status >= 500:
        style = "bad"
    else:
        style = "warn" if status >= 400 or request.outcome not in ("served", "") else "good"
    return ActivityRow(request, False, request.duration_sec, style)


def issues_of(
    snapshot: Snapshot, nodes: Mapping[str, Node], titles: Mapping[str, str]
) -> tuple[IssueRow, ...]:
    """Return the issues of shown nodes, most burn first; `titles` by session.

    If the proxy's records know the issue, its sums come from them: they include sessions that ended.
    """
    recorded = {clean(row.issue or "").casefold(): row for row in snapshot.usage_by_issue}
    working: dict[str, list[Node]] = {}
    for node in by_burn(nodes.values()):
        if node.issue:
            working.setdefault(node.issue.casefold(), []).append(node)
    found = [_issue(members, recorded.get(name), titles) for name, members in working.items()]
    return tuple(sorted(found, key=lambda issue: (-issue.usage.rank, issue.name)))


def _issue(members: Sequence[Node], recorded: Optional[IssueView], titles: Mapping[str, str]) -> IssueRow:
    sessions = {node.session: node for node in members}
    usage = sum_usage([node.usage for node in members])
    if recorded is not None:
        longer = usage_of(recorded.usage, recorded.requests)
        usage = longer if (longer.tokens or 0) >= (usage.tokens or 0) else usage
    return IssueRow(
        name=members[0].issue,
        title=next((titles[session] for session in sessions if titles.get(session)), ""),
        emojis=tuple(node.emoji for node in sessions.values()),
        sessions=len(sessions),
        usage=usage,
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
