"""One account as routing sees it: how it was configured, what was observed, and what follows.

`Account` is the Fleet's mutable record; only the Fleet writes it.  Policies, status and decision records use
the predicates below: None is a no, a Block says why and until when.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from functools import partial
from typing import Optional

from ...values import NamedTuple, dataclass, field, replace
from ..quota.learned_caps import FOREIGN_RISE_5H, FOREIGN_RISE_7D, Burn, LearnedCap, ScopedCap, observe_scoped
from ..quota.rules import Rules
from ..quota.usage import NO_USAGE, Usage
from ..quota.use_elsewhere import OwnUse, UseElsewhere
from ..quota.windows import (
    REPROBE_SEC,
    SAME_WINDOW_SEC,
    QuotaReading,
    Window,
    Windows,
    is_scoped,
    is_used_up,
    span_sec,
)
from ..user_rules.caps import NO_LIMIT, UsageLimits, WindowLimit, limits_of
from ..user_rules.spend import MAX_SPEND, SpendStop
from .account_spec import AccountSpec
from .block import Block, describe_window, later
from .decision import NEVER, Scope
from .expiring_set import ExpiringSet
from .usage_totals import UsageTotals

__all__ = [
    "FIVE_HOURS_SEC",
    "SUSPECT_SEC",
    "WEEK_SEC",
    "Account",
    "AccountSpec",
    "Block",
    "ScopedRefusal",
    "inflight_cap",
    "is_within_5h_rail",
]

FIVE_HOURS_SEC = 5 * 3600.0
WEEK_SEC = 7 * 86400.0
SUSPECT_SEC = 60.0  # after a failure


class ScopedRefusal(NamedTuple):
    """What an account refuses of one scope while it serves others; `until` is epoch seconds.

    It is kept for a while when it is over: a refusal of the same kind then lasts longer.
    """

    until: float
    message: str
    began: float
    times: int = 1


@dataclass(eq=False)  # compared by identity
class Account(UsageTotals):
    """Observed state of one account; belongs to the Fleet."""

    spec: AccountSpec
    generation: int
    key: str = field(init=False)  # the identity, as configured
    name: str = field(init=False)  # shown to people
    windows: Windows = field(default_factory=Windows)
    unified_status: Optional[str] = None
    bench_began: Optional[float] = None  # of the last bench, also when it is over
    bench_until: float = 0.0
    bench_reason: str = ""
    # Until when its token can't be renewed; new credentials end a bench that ends with it.
    login_bench: float = 0.0
    auth_failed: str = ""  # why its credential is refused; empty while it is good
    streak: int = 0
    proven: bool = False
    inflight: int = 0
    last_picked: float = 0.0
    usage: Usage = NO_USAGE
    requests: int = 0
    cost: float = 0.0
    unpriced_tokens: int = 0
    cost_estimated: bool = False
    warm: ExpiringSet = field(default_factory=ExpiringSet)
    burn: Burn = field(default_factory=Burn)
    cap_5h: LearnedCap = field(default_factory=partial(LearnedCap, FOREIGN_RISE_5H))
    cap_7d: LearnedCap = field(default_factory=partial(LearnedCap, FOREIGN_RISE_7D))
    used_elsewhere: UseElsewhere = field(default_factory=UseElsewhere)  # its use by others
    scoped_caps: dict[str, ScopedCap] = field(default_factory=dict)  # by model-scoped axis
    suspect_until: float = 0.0  # its last response was a failure: others are preferred for new work
    refusals_in_row: int = 0  # times in a row that it refused what another account then served
    refused_scopes: set[Scope] = field(default_factory=set)  # in that way, since it last served
    # Requester and time of the last request that it refused as others did; None once it has served.
    last_request_fault: Optional[tuple[Hashable, float]] = None
    scoped_refusals: dict[Scope, ScopedRefusal] = field(default_factory=dict)
    probe_at: float = 0.0  # when a long bench is probed with one request; 0: not before its end
    extra_usage: bool = False  # by its last response that said: it goes on for money when a window is full
    # The last one applied, with a served request, while nothing since contradicts it; else None.
    last_reading: Optional[QuotaReading] = None
    limits: Optional[UsageLimits] = None  # of the spec
    spent: dict[str, float] = field(default_factory=dict)  # dollars by day and month (user_rules/spend.py)
    spend_stop: Optional[SpendStop] = None  # the last one that was reached
    spend_until: float = 0.0  # of that
    open_leases: Collection[int] = ()  # the ids of the fleet's, of every account

    def __post_init__(self) -> None:
        self.configure(self.spec)

    def configure(self, spec: AccountSpec) -> None:
        """Take over what the configuration says of it."""
        self.spec, self.key, self.name = spec, spec.key, spec.name
        self.limits = limits_of(spec.caps, spec.reserves)
        self.windows.limit_by(None if self.limits is None else self.limits.floor)

    def is_benched(self, now: float) -> bool:
        """Return whether the bench lasts beyond `now`."""
        return self.bench_until > now

    def status(self, now: float) -> str:
        """Return `disabled`, `auth_failed`, `benched` or `active`: derived, never stored."""
        if not self.spec.enabled:
            return "disabled"
        if self.auth_failed:
            return "auth_failed"
        return "benched" if self.is_benched(now) else "active"

    def utilization(self, axis: str, now: float) -> Optional[float]:
        """Return the axis's utilization (0-1, beyond when exceeded); None: unknown."""
        return self.windows.get(axis, now).utilization

    def limit(self, axis: str, now: float) -> WindowLimit:
        """Return what its owner allows of the axis now."""
        return NO_LIMIT if self.limits is None else self._limit(axis, self.windows.get(axis, now), now)

    def _limit(self, axis: str, window: Window, now: float) -> WindowLimit:
        if self.limits is None:
            return NO_LIMIT
        return self.limits.limit(axis, window.utilization, window.resets_at, now)

    def usable_part(self, axis: str, now: float) -> float:
        """Return the part of the axis that may be used (0-1): all of it, or what its owner allows."""
        return 1.0 if self.limits is None else min(1.0, self.limit(axis, now).fraction)

    def is_used_up(self, axis: str, window: Window, full: float, now: float) -> bool:
        """Return whether the axis, whose state is `window`, takes no more of our work.

        It refuses, is used from the utilization `full` on, or as far as its owner allows.
        """
        if is_used_up(axis, window, full):
            return True
        return (
            self.limits is not None and (window.utilization or 0.0) >= self._limit(axis, window, now).fraction
        )

    def account_status(self, now: float) -> Optional[str]:
        """Return the last top-level status; a rejection ends when no window is rejected any more."""
        if self.unified_status != "rejected":
            return self.unified_status
        live = self.windows.live(now)
        return "rejected" if any(w.rejected and not is_scoped(axis) for axis, w in live) else None

    def may_be_at_fault(self, requester: Hashable, now: float) -> bool:
        """Return whether a refusal that others shared may be the account's fault after all.

        It refused as others did before, for another requester or a while ago, and has served nothing since.
        """
        if self.last_request_fault is None:
            return False
        whose, at = self.last_request_fault
        return whose != requester or now - at > SUSPECT_SEC

    def clock_moved_back(self, now: float) -> None:
        """Treat what began after `now` as if it began now; it lasts as long."""
        if self.bench_began is not None and self.bench_began > now:
            self.bench_until -= self.bench_began - now
            self.bench_began = now
        self.last_picked = min(self.last_picked, now)
        self.suspect_until = min(self.suspect_until, now + SUSPECT_SEC)
        self.last_reading = None
        self.windows.clock_moved_back(now)

    def observe_windows(self, now: float, model: Optional[str] = None, tokens: int = 0) -> None:
        """Learn the windows' sizes from what was burned before a response of `tokens` burned with `model`."""
        burned = self.usage.burn - tokens
        known = self.windows.axes.get
        if (window := known("5h")) is not None and (window.resets_at or 0.0) > now:
            self.cap_5h.observe(window, burned)
        if (window := known("7d")) is not None and (window.resets_at or 0.0) > now:
            self.cap_7d.observe(window, burned)
        if self.windows.scoped:
            observe_scoped(self.scoped_caps, self.windows, model, tokens, now)
        if now >= self.used_elsewhere.next_at:
            self.observe_use_elsewhere(now)

    def observe_use_elsewhere(self, now: float) -> None:
        """Compare what the windows say with what this proxy has used."""
        burned_since = partial(self.burn.tokens_since, now=now)
        own = OwnUse(self.usage.burn, self.usage.unmeasured, burned_since, self.open_leases)
        sizes = {"5h": self.cap_5h.size, "7d": self.cap_7d.size}
        self.used_elsewhere.observe(self.windows, own, sizes, now)

    # --- predicates ---------------------------------------------------------------------------------

    def general_block(self, now: float) -> Optional[Block]:
        """Return the block for all work: disabled, its login refused, or benched."""
        if self.needs_owner:
            return self.login_block(now)
        if self.is_benched(now) and not 0.0 < self.probe_at <= now:
            block = Block("account benched", self.bench_reason, self.bench_until)
            return later(self.spend_block(now), block)
        return self.spend_block(now)

    def login_block(self, now: float) -> Optional[Block]:
        """Return the block for whatever is sent there, also what uses no quota: there is no usable login."""
        if not self.spec.enabled:
            return Block("disabled", self.spec.disabled_by, NEVER)
        if self.auth_failed:
            return Block("auth_failed", self.auth_failed, NEVER)
        until = min(self.login_bench, self.bench_until)  # that of a clock which was set back ends with both
        if until <= now:
            return None
        return Block("account benched", self.bench_reason, until)

    def spend_block(self, now: float) -> Optional[Block]:
        """Return the block of an API key that has cost as much as it may."""
        stop = self.spend_stop
        if self.spec.kind != "apikey" or stop is None or stop.until <= now:
            return None
        return Block(MAX_SPEND, f"{MAX_SPEND}: {stop.text}", stop.until)

    def is_benched_for_refusals(self, now: float) -> bool:
        """Return whether it rests for refusing what others served, not for want of quota or of a login."""
        return self.is_benched(now) and self.refusals_in_row > 0 and not self.streak and not self.needs_owner

    @property
    def needs_owner(self) -> bool:
        """Whether only its owner can bring it back."""
        return not self.spec.enabled or bool(self.auth_failed)

    def scope_block(self, scope: Scope, now: float) -> Optional[Block]:
        """Return the block for this model with these betas, while other work goes on."""
        refusal = self.scoped_refusals.get(scope)
        if refusal is None or refusal.until <= now:
            return None
        return Block("refuses this", refusal.message, refusal.until)

    def quota_block(self, model: Optional[str], rules: Rules, now: float) -> Optional[Block]:
        """Return the block of the window that is full for longest: for the API, or for its owner."""
        return later(self.spent_block(model, rules, now), self.limit_block(model, now))

    def owner_block(self, model: Optional[str], now: float) -> Optional[Block]:
        """Return the block of what its owner allows: a window's limit, or dollars."""
        return later(self.limit_block(model, now), self.spend_block(now))

    def limit_block(self, model: Optional[str], now: float) -> Optional[Block]:
        """Return the block where a window is used as far as its owner allows."""
        worst: Optional[Block] = None
        for axis, window in self.windows.live(now) if self.limits is not None else ():
            limit, used = self._limit(axis, window, now), window.utilization
            if used is None or used < limit.fraction or not self._binds(axis, model):
                continue
            until = limit.until or window.resets_at or window.seen_at + span_sec(axis)
            if until > now:
                worst = later(worst, Block(limit.rule, f"{axis} at {used:.0%}, {limit.text}", until))
        return worst

    def spent_block(self, model: Optional[str], rules: Rules, now: float) -> Optional[Block]:
        """Return the block at the hard cap or the model's cap; it ends with the last full window's reset."""
        worst: Optional[Block] = None
        for axis, window in self._full_axes(model, rules, now):
            until = window.resets_at
            if until is None:
                # Nobody says when it ends: one request probes it after a while, else it is lost for ever.
                until = window.seen_at + REPROBE_SEC
                if until <= now:
                    continue
            rule = "model cap" if is_scoped(axis) else "hard cap"
            worst = later(worst, Block(rule, describe_window(axis, window), until))
        return worst

    def block(
        self, model: Optional[str], rules: Rules, now: float, scope: Optional[Scope] = None
    ) -> Optional[Block]:
        """Return why this account cannot serve `model` now, or None when it is usable.

        `scope`: the model with the betas of the request; None asks for work in general.
        """
        is_open = (
            max(self.bench_until, self.spend_until) <= now and not self.auth_failed and self.spec.enabled
        )
        blocked = None if is_open else self.general_block(now)
        if blocked is None and self.scoped_refusals and scope is not None:
            blocked = self.scope_block(scope, now)
        if self.windows.peak < rules.full:
            return blocked
        capped = self._quota_block_unless_billed(model, rules, now)
        if blocked is None or capped is None:
            return blocked or capped
        # One refusal sets both: the window says more than the bench, unless the bench outlasts it.
        if blocked.until > capped.until + SAME_WINDOW_SEC:
            return blocked
        return Block(capped.rule, capped.detail, max(blocked.until, capped.until))

    def is_blocked(self, model: Optional[str], rules: Rules, now: float, scope: Optional[Scope]) -> bool:
        """Return whether `block` gives a reason: in most cases without putting it into words."""
        if self.bench_until > now and not 0.0 < self.probe_at <= now:
            return True
        is_full = self.windows.peak >= rules.full and not self.extra_usage
        if is_full and any(window.resets_at is not None for _, window in self._full_axes(model, rules, now)):
            return True
        return self.block(model, rules, now, scope) is not None

    def _quota_block_unless_billed(self, model: Optional[str], rules: Rules, now: float) -> Optional[Block]:
        """Return `quota_block`, unless the account may go on for money; its owner's limits hold even then."""
        capped, limited = self.spent_block(model, rules, now), self.limit_block(model, now)
        if capped is not None and self.extra_usage:
            stop = self.spend_stop if self.spend_until > now else None
            if not self.spec.allow_extra_usage:
                hint = "extra usage would go on: set allowExtraUsage"
                capped = replace(capped, detail=f"{capped.detail}; {hint}")
            elif stop is not None:
                until, detail = min(capped.until, stop.until), f"{capped.detail}; {MAX_SPEND}: {stop.text}"
                capped = Block(MAX_SPEND, detail, until)
            else:
                capped = None
        return later(capped, limited)

    def is_costly(self, model: Optional[str], rules: Rules, now: float) -> bool:
        """Return whether what it serves is billed: a paid key, or extra usage beyond a full window."""
        spec = self.spec
        if spec.last_resort and spec.kind == "apikey":  # `is_paid`, asked with every warm request
            return True
        if not self.extra_usage or self.windows.peak < rules.full:
            return False
        return self.spent_block(model, rules, now) is not None

    def is_unrestricted(self, full: float, now: float) -> bool:
        """Return whether nothing at all is held against it: it serves every model, free of charge.

        `full` is the utilization at which a window counts as used up.
        """
        return (
            self.bench_until <= now
            and self.spend_until <= now
            and not self.auth_failed
            and not self.scoped_refusals
            and self.windows.peak < full
            and self.spec.enabled
            and not self.spec.last_resort
        )

    def probed_axes(self, model: Optional[str], rules: Rules, now: float) -> list[str]:
        """Return the full axes without a known reset: a request for `model` probes them."""
        if self.windows.peak < rules.full:
            return []
        return [axis for axis, window in self._full_axes(model, rules, now) if window.resets_at is None]

    def _full_axes(self, model: Optional[str], rules: Rules, now: float) -> Iterator[tuple[str, Window]]:
        for axis, window in self.windows.live(now):
            if is_used_up(axis, window, rules.full) and self._binds(axis, model):
                yield axis, window

    def _binds(self, axis: str, model: Optional[str]) -> bool:
        return not is_scoped(axis) or self.windows.covers(axis, model)


def is_within_5h_rail(account: Account, rules: Rules, now: float) -> bool:
    """Return False near the 5h cap, which new work would run into."""
    used = account.utilization("5h", now)
    return used is None or used < rules.soft_ceiling


def inflight_cap(
    account: Account, rules: Rules, now: float, waited: float = 0.0, most: Optional[int] = None
) -> int:
    """Return the requests this account may have in flight for a request that waited `waited` seconds.

    `most` is the policy's own limit; None: `maxInflightPerAccount`.

    An unproven account answers one probe first.  In the 5h warn band requests go one at a time, but only as
    long as that costs little: a request that has waited out `slotWaitSec` and found no other account is not
    stalled behind one long stream.
    """
    if not account.proven:
        return 1
    if account.windows.peak >= rules.five_hour_warn_ceiling and waited < rules.slot_wait:
        used = account.utilization("5h", now)
        if used is not None and used >= rules.five_hour_warn_ceiling:
            return 1
    return rules.max_inflight_per_account if most is None else most
