"""Frozen copies of routing state: what status, Deck, capacity and metrics are rendered from."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .fleet import Fleet
from .quota.usage import Usage
from .quota.windows import Window, is_used_up
from .state.account import FIVE_HOURS_SEC, Account, AccountSpec
from .state.binding import Binding
from .state.decision import NEVER
from .state.ledger import LedgerRow
from .state.weekly_line import WeeklyPace, weekly_pace

__all__ = [
    "AccountState",
    "AccountView",
    "BindingView",
    "FleetView",
    "IssueView",
    "WindowState",
    "states_of",
    "view_of",
]


class AccountView(NamedTuple):
    """One account at one instant; None means unknown, never 0."""

    spec: AccountSpec
    status: str
    status_reason: str
    inflight: int
    streak: int
    proven: bool
    bench_until: Optional[float]  # epoch seconds, only while benched
    usable_at: Optional[float]  # when it is back; None: usable now, or no end in sight
    usable: bool
    windows: dict[str, Window]
    unified_status: Optional[str]
    pace: WeeklyPace
    burn_5h: int
    cap_5h: Optional[float]
    cap_7d: Optional[float]
    warm: int
    usage: Usage
    requests: int
    cost: float
    unpriced_tokens: int
    cost_estimated: bool

    def utilization(self, axis: str) -> Optional[float]:
        window = self.windows.get(axis)
        return window.utilization if window is not None else None


class WindowState(NamedTuple):
    """One axis at one instant."""

    utilization: Optional[float]
    resets_at: Optional[float]  # epoch seconds
    full: bool  # rejected, or used up to the threshold


class AccountState(NamedTuple):
    """One account at one instant, as far as two of these tell what happened in between."""

    key: str
    name: str
    bench_until: Optional[float]  # epoch seconds, only while benched
    bench_began: Optional[float]
    bench_reason: str
    windows: dict[str, WindowState]  # axes that have not been reset


class BindingView(NamedTuple):
    """One conversation at one instant."""

    conversation: str
    session: str
    agent: Optional[str]
    parent: Optional[str]
    account: Optional[str]  # name, None when its account was removed
    warm: bool
    idle: float  # seconds since its last request
    inflight: int
    reason: str
    bound_at: float
    first_seen: float
    last_used: float
    requests: int
    usage: Usage
    cost: float
    unpriced_tokens: int
    cost_estimated: bool
    model: Optional[str]
    prefix: int
    moves: int
    pinned: bool


class IssueView(NamedTuple):
    """What one issue has used within the ledger's retention; `issue` is empty where none is known."""

    issue: str
    conversations: int
    requests: int
    usage: Usage
    cost: float
    unpriced_tokens: int
    cost_estimated: bool
    last_seen: float


class FleetView(NamedTuple):
    """The whole fleet at `now`: every countdown is computed from this `now`."""

    now: float
    accounts: tuple[AccountView, ...]
    bindings: tuple[BindingView, ...]
    pins: dict[Optional[str], str]  # session or None -> account name
    last_account: Optional[str]  # name
    policy: str
    issues: tuple[IssueView, ...] = ()


def view_of(fleet: Fleet, now: float) -> FleetView:
    """Copy what readers may see; call it under the lock that guards `fleet`."""
    names = {key: account.name for key, account in fleet.accounts.items()}
    return FleetView(
        now=now,
        accounts=tuple(_account_view(fleet, account, now) for account in fleet.accounts.values()),
        bindings=tuple(
            _binding_view(fleet, binding, names, now)
            for binding in fleet.bindings.values()
            if not binding.is_evicted(fleet.rules, now)
        ),
        pins={session: names.get(key, key) for session, key in fleet.pins.items()},
        last_account=names.get(fleet.last_account or ""),
        policy=fleet.policy.name,
        issues=_issue_views(fleet),
    )


def states_of(fleet: Fleet, now: float) -> tuple[AccountState, ...]:
    """The accounts alone; call it under the lock that guards `fleet`."""
    full = fleet.rules.full
    return tuple(
        AccountState(
            account.key,
            account.name,
            account.bench_until if account.is_benched(now) else None,
            account.bench_began,
            account.bench_reason,
            {
                axis: WindowState(
                    window.utilization,
                    window.resets_at,
                    is_used_up(axis, window, full),
                )
                for axis, window in account.windows.live(now)
            },
        )
        for account in fleet.accounts.values()
    )


def _account_view(fleet: Fleet, account: Account, now: float) -> AccountView:
    rules = fleet.rules
    block = account.block(None, rules, now)
    status = account.status(now)
    return AccountView(
        spec=account.spec,
        status=status,
        status_reason=block.detail if block is not None else _partly(account, now),
        inflight=account.inflight,
        streak=account.streak,
        proven=account.proven,
        bench_until=account.bench_until if account.is_benched(now) else None,
        usable_at=block.until if block is not None and block.until != NEVER else None,
        usable=block is None,
        windows=dict(account.windows.live(now)),
        unified_status=account.account_status(now),
        pace=weekly_pace(account, rules, now),
        burn_5h=account.burn.tokens_in_window(FIVE_HOURS_SEC, account.windows.resets.get("5h"), now),
        cap_5h=account.cap_5h.estimate(now),
        cap_7d=account.cap_7d.estimate(now),
        warm=account.warm.count(now),
        usage=account.usage,
        requests=account.requests,
        cost=account.cost,
        unpriced_tokens=account.unpriced_tokens,
        cost_estimated=account.cost_estimated,
    )


def _partly(account: Account, now: float) -> str:
    """What an account that is open refuses nevertheless, in words."""
    refused = {
        f"{model or 'some'} ({r.words})" for (model, _), r in account.scoped_refusals.items() if r.until > now
    }
    return "refuses " + ", ".join(sorted(refused)) if refused else ""


def _binding_view(fleet: Fleet, binding: Binding, names: dict[str, str], now: float) -> BindingView:
    return BindingView(
        conversation=binding.conversation,
        session=binding.session,
        agent=binding.agent,
        parent=binding.parent,
        account=names.get(binding.account),
        warm=binding.is_warm(fleet.rules, now),
        idle=0.0 if binding.inflight else max(0.0, now - binding.last_used),
        inflight=binding.inflight,
        reason=binding.reason,
        bound_at=binding.bound_at,
        first_seen=binding.first_seen,
        last_used=binding.last_used,
        requests=binding.requests,
        usage=binding.usage,
        cost=binding.cost,
        unpriced_tokens=binding.unpriced_tokens,
        cost_estimated=binding.cost_estimated,
        model=binding.model,
        prefix=binding.prefix,
        moves=binding.moves,
        pinned=binding.session in fleet.pins or None in fleet.pins,
    )


def _issue_views(fleet: Fleet) -> tuple[IssueView, ...]:
    by_issue: dict[str, list[tuple[str, LedgerRow]]] = {}
    for key, row in fleet.ledger.rows.items():
        by_issue.setdefault(key.issue, []).append((key.conversation, row))
    return tuple(
        IssueView(
            issue=issue,
            conversations=len({conversation for conversation, _ in rows}),
            requests=sum(row.requests for _, row in rows),
            usage=Usage(*(sum(column) for column in zip(*(row.usage for _, row in rows)))),
            cost=sum(row.cost for _, row in rows),
            unpriced_tokens=sum(row.unpriced_tokens for _, row in rows),
            cost_estimated=any(row.cost_estimated for _, row in rows),
            last_seen=max(row.last_seen for _, row in rows),
        )
        for issue, rows in by_issue.items()
    )
