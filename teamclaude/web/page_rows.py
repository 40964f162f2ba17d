"""The sections of the page's state that a snapshot alone can fill.

A row changes only when something has happened: times are moments in epoch milliseconds, from which the page
counts itself, and no row holds a duration that grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ..snapshot import AccountView, Activity, BindingView, InflightView, NeedsYouView, Snapshot
from ..typed_json import to_json
from .changes import ABOUT, State

__all__ = ["PageRows", "plain_nodes"]

Rows = dict[str, dict[str, Any]]
SHOWN_SEC = 1800.0  # a conversation is shown so long after its last request


class PageRows:
    """Turn snapshots into states.  Used by one thread.

    `nodes_of` returns the rows of the conversations.
    """

    def __init__(self, nodes_of: Callable[[Snapshot], Rows]) -> None:
        self._nodes_of = nodes_of
        self._activity: dict[str, tuple[Activity, dict[str, Any]]] = {}  # of the last snapshot

    def state(self, snapshot: Snapshot) -> State:
        """Return the page's state at the time of this snapshot."""
        at = snapshot.at
        return {
            ABOUT: {"": _about(snapshot)},
            "accounts": {view.name: _account(view, n, at) for n, view in enumerate(snapshot.accounts)},
            "nodes": self._nodes_of(snapshot),
            "needsYou": {_key(each): to_json(each) for each in snapshot.needs_you},
            "inflight": {each.request.id: _inflight(each) for each in snapshot.inflight},
            "activity": self._finished(snapshot.activity),
        }

    def _finished(self, requests: Iterable[Activity]) -> Rows:
        """Return a row for each; the journal gives the same object again, so it gets the same row."""
        known = self._activity
        found = {}
        for each in requests:
            before = known.get(each.id)
            found[each.id] = before if before is not None and before[0] is each else (each, to_json(each))
        self._activity = found
        return {id: row for id, (_, row) in found.items()}


def _about(snapshot: Snapshot) -> dict[str, Any]:
    capacity, system, at = snapshot.capacity, snapshot.system, snapshot.at
    reset, held, uptime = capacity.soonest_reset_sec, capacity.held_sec, system.proxy_uptime_sec
    return {
        "at": round(at * 1000),
        "version": system.version,
        "port": system.port,
        "startedAt": None if uptime is None else _whole_ms(at - uptime),
        "policy": snapshot.policy,
        "switchThreshold": snapshot.switch_threshold,
        "currentAccount": snapshot.current_account,
        "verdict": capacity.verdict,
        "headroom": capacity.headroom,
        "liveAccounts": capacity.live_accounts,
        "totalAccounts": capacity.total,
        "benched": capacity.benched,
        "warmSessions": capacity.warm_sessions,
        # 0 says that nothing is waited for.
        "soonestResetAt": _whole_ms(at + reset) if reset else None,
        "held": capacity.held,
        "heldSince": _whole_ms(at - held) if held else None,
        "waiting": system.waiting,
        "draining": system.draining,
        "ending": None if system.ending is None else system.ending.phase,
        "finishing": sum(each.requests for each in system.predecessors),
        "outages": [to_json(each) for each in snapshot.outages],
        "forecast": None if snapshot.forecast is None else to_json(snapshot.forecast),
        "pins": [to_json(pin) for pin in snapshot.pins],
    }


def _account(view: AccountView, order: int, at: float) -> dict[str, Any]:
    row = to_json(view)
    del row["benchSec"], row["usableInSec"]  # they shrink all the time
    back = view.usable_in_sec
    row["usableAt"] = None if back is None else _whole_ms(at + back)
    row["order"] = order
    return row


def _inflight(view: InflightView) -> dict[str, Any]:
    row = to_json(view)
    del row["durationSec"]
    if row["waiting"] is not None:
        row["waiting"] = {key: value for key, value in row["waiting"].items() if key != "sec"}
    return row


def _key(each: NeedsYouView) -> str:
    if not each.session:
        return f"/{each.label}"  # an account without a login
    return _node_key(each.session, each.agent)


def _whole_ms(moment: float) -> int:
    """Return a moment that was computed from a duration, in whole seconds: it must not tremble."""
    return round(moment) * 1000


def plain_nodes(snapshot: Snapshot) -> Rows:
    """Return the conversations as the proxy alone knows them: without titles and projects."""
    waiting: dict[str, Optional[dict[str, Any]]] = {}
    for each in snapshot.inflight:
        key = _node_key(each.request.session, each.request.agent)
        waiting[key] = waiting.get(key) or (None if each.waiting is None else to_json(each.waiting))
    return {
        _node_key(row.sid, row.agent): _plain_node(row, waiting)
        for row in snapshot.session_bindings
        if row.sid and (row.inflight or row.idle_sec <= SHOWN_SEC)
    }


def _node_key(session: str, agent: Optional[str]) -> str:
    return f"{session}/{agent}" if agent else session


def _plain_node(row: BindingView, waiting: Mapping[str, Optional[dict[str, Any]]]) -> dict[str, Any]:
    key = _node_key(row.sid, row.agent)
    waits = waiting.get(key)
    if waits is not None:
        state = "held" if waits["kind"] == "held" else "waiting"
    else:
        state = "inference" if row.inflight or key in waiting else "idle"
    return {
        "session": row.sid,
        "agent": row.agent or "",
        "parent": row.parent or (row.sid if row.agent else ""),
        "account": row.account or "",
        "label": (row.agent or row.sid)[:8],
        "title": "",
        "about": "",
        "issue": "",
        "emoji": "",
        "project": "",
        "branch": "",
        "role": "worker" if row.agent else "solo",
        "chip": "",
        "state": state,
        "waitingFor": "" if waits is None else waits["reason"],
        "waitingSince": None if waits is None else waits["at"],
        "backAt": None if waits is None else waits["backAt"],
        "needsYou": False,
        "tokens": row.usage.tokens,
        "burn": row.usage.burn,
        "cost": row.usage.cost,
        "requests": row.requests,
        "model": row.model or "",
        "pinned": row.pinned,
        "reason": row.reason,
        "lastUsedAt": None if row.last_used is None else round(row.last_used * 1000),
        "warm": row.warm,
    }
