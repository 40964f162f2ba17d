"""What a client's status line shows of one session: its account, the pool, and what it waits for.  Pure.

`teamclaude statusline` asks for it with each update of its line: the answer is small, names no other session
and never holds a credential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..snapshot import (
    AccountView,
    BindingView,
    CapacityView,
    ForecastView,
    HeldView,
    InflightView,
    Snapshot,
    Window,
)
from ..typed_json import Dollars, Moment, RoundedDown, RoundedUp, Whole, to_json
from ..values import NamedTuple, dataclass, field

__all__ = ["StatusLineFacts", "status_line_facts"]


class SessionFacts(NamedTuple):
    """The session's own conversation; sub-agents have others, whose cost is included."""

    account: Optional[str] = None  # name; None before its first request
    pinned: bool = False
    cost: Optional[Dollars] = None  # at list prices, since the records begin


@dataclass(frozen=True)
class AccountFacts:
    """The account that serves the session."""

    name: str = ""
    status: str = ""  # `active`, `benched`, `auth_failed` or `disabled`
    reason: Optional[str] = None  # why it takes no new work
    bench_sec: Whole = 0.0
    windows: Mapping[str, Window] = field(default_factory=dict)  # by axis: `5h`, `7d`, a model's


class PoolFacts(NamedTuple):
    """The pool as a whole."""

    verdict: str = ""  # `green`, `yellow` or `red`
    headroom: Optional[int] = None  # conversations that can be started
    live: Optional[int] = None  # accounts
    total: Optional[int] = None
    soonest_reset_sec: Optional[RoundedUp] = None
    forecast_known: bool = False
    dry_from: Optional[Moment] = None  # the range in which no account serves any more; None: not foreseen
    dry_until: Optional[Moment] = None


class HeldFacts(NamedTuple):
    """The longest hold of a request of the session."""

    sec: RoundedDown = 0.0
    reason: str = ""
    account: Optional[str] = None  # that is expected to serve it
    back_at: Optional[Moment] = None


class FailoverFacts(NamedTuple):
    """A request of the session that an account has refused, and that has no answer yet."""

    refused_by: str = ""
    account: Optional[str] = None  # that is asked now; None between two attempts


_NO_SESSION, _NO_POOL = SessionFacts(), PoolFacts()


@dataclass(frozen=True)
class StatusLineFacts:
    """The answer of GET /teamclaude/statusline/SESSION."""

    at: Moment = 0.0
    session: SessionFacts = _NO_SESSION
    account: Optional[AccountFacts] = None
    pool: PoolFacts = _NO_POOL
    held: Optional[HeldFacts] = None
    failover: Optional[FailoverFacts] = None
    draining: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"service": "teamclaude", **to_json(self)}


def status_line_facts(snapshot: Snapshot, running: Sequence[InflightView], session: str) -> StatusLineFacts:
    """Return the facts of `session`; of an unknown one, or an empty id, those of the pool alone.

    `running` are the session's requests that have not ended.
    """
    bindings = [binding for binding in snapshot.session_bindings if session and binding.sid == session]
    own = next((binding for binding in bindings if binding.agent is None), None)
    name = own.account if own is not None else None
    account = next((each for each in snapshot.accounts if each.name == name), None)
    return StatusLineFacts(
        at=snapshot.at,
        session=_session(own, bindings),
        account=None if account is None else _account(account),
        pool=_pool(snapshot.capacity, snapshot.forecast),
        held=_held([held for held in snapshot.held if session and held.session == session]),
        failover=_failover(running),
        draining=snapshot.system.draining,
    )


def _session(own: Optional[BindingView], bindings: Sequence[BindingView]) -> SessionFacts:
    costs = [binding.usage.cost for binding in bindings if binding.usage.cost is not None]
    cost = sum(costs) if costs else None
    if own is None:
        return SessionFacts(cost=cost)
    return SessionFacts(own.account, own.pinned, cost)


def _account(account: AccountView) -> AccountFacts:
    return AccountFacts(
        account.name, account.status, account.status_reason, account.bench_sec, account.quota.axes
    )


def _pool(capacity: CapacityView, forecast: Optional[ForecastView]) -> PoolFacts:
    return PoolFacts(
        capacity.verdict,
        capacity.headroom,
        capacity.live_accounts,
        capacity.total,
        capacity.soonest_reset_sec,
        forecast is not None,
        forecast.p10 if forecast is not None else None,
        forecast.p90 if forecast is not None else None,
    )


def _held(held: Sequence[HeldView]) -> Optional[HeldFacts]:
    if not held:
        return None
    longest = max(held, key=lambda one: one.held_sec)
    return HeldFacts(longest.held_sec, longest.reason, longest.account, longest.back_at)


def _failover(running: Sequence[InflightView]) -> Optional[FailoverFacts]:
    """Return the newest failover: a request that was tried, and of which the client has no byte yet."""
    for view in running:
        tried = view.request.accounts
        if view.request.status is not None or not tried:
            continue
        if view.waiting is not None:  # between two attempts
            return FailoverFacts(tried[-1])
        if len(tried) > 1:
            return FailoverFacts(tried[-2], tried[-1])
    return None
