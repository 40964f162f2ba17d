"""One account as routing sees it: how it was configured, what was observed, and what follows.

`Account` is the Fleet's mutable record; only the Fleet writes it.  Policies, status and decision records use
the predicates below: None is a no, a Block says why and until when.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Optional

from ..quota.learned_caps import FOREIGN_RISE_5H, FOREIGN_RISE_7D, Burn, LearnedCap
from ..quota.rules import Rules
from ..quota.usage import NO_USAGE, Usage
from ..quota.windows import REPROBE_SEC, SAME_WINDOW_SEC, QuotaReading, Window, Windows, is_scoped, is_used_up
from .decision import NEVER, Scope
from .expiring_set import ExpiringSet

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


@dataclass(frozen=True)
class AccountSpec:
    """What the configuration says of an account; `key` is its identity, never its position."""

    key: str
    name: str
    kind: str = "oauth"  # oauth | apikey
    priority: int = 0  # smaller = preferred
    enabled: bool = True
    last_resort: bool = False  # a paid key that serves only when no other account can
    allow_extra_usage: bool = False  # once a window is full it goes on for money, as a last resort

    @property
    def is_paid(self) -> bool:
        """Whether it is a paid key of last resort."""
        return self.kind == "apikey" and self.last_resort

    def was_known_as(self, key: str, name: str) -> bool:
        """Return whether `key`, of an account then called `name`, is this identity as it was once known.

        That is by its name alone, or as a person without the organisation (`person` -> `person/org`).
        """
        return name == self.name if key == name else self.key.startswith(f"{key}/")


class ScopedRefusal(NamedTuple):
    """What an account refuses of one scope while it serves others; `until` is epoch seconds.

    It is kept for a while when it is over: a refusal of the same kind then lasts longer.
    """

    until: float
    message: str
    began: float
    times: int = 1


@dataclass(eq=False)  # compared by identity
class Account:
    """Observed state of one account; belongs to the Fleet."""

    spec: AccountSpec
    generation: int
    windows: Windows = field(default_factory=Windows)
    unified_status: Optional[str] = None
    bench_began: Optional[float] = None  # of the last bench, also when it is over
    bench_until: float = 0.0
    bench_reason: str = ""
    login_bench: float = 0.0  # the bench_until that new credentials end
    auth_failed: str = ""  # why its credential is refused; empty while it is good
    streak: int = 0
    proven: bool = False
    inflight: int = 0
    last_picked: float = 0.0
    usage: Usage = NO_USAGE
    requests: int = 0
    cost: float = 0.0
    unpriced_tokens: int = 0
    cost_estimated: bool = False  # some of it is by the price of another version of the model
    warm: ExpiringSet = field(default_factory=ExpiringSet)
    burn: Burn = field(default_factory=Burn)
    cap_5h: LearnedCap = field(default_factory=partial(LearnedCap, FOREIGN_RISE_5H))
    cap_7d: LearnedCap = field(default_factory=partial(LearnedCap, FOREIGN_RISE_7D))
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

    @property
    def key(self) -> str:
        """The identity, as configured."""
        return self.spec.key

    @property
    def name(self) -> str:
        """The name shown to people."""
        return self.spec.name

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

    def observe_windows(self, now: float) -> None:
        """Learn the sizes of the 5h and the weekly window from what has been burned so far."""
        burned = self.usage.burn
        for axis, cap in (("5h", self.cap_5h), ("7d", self.cap_7d)):
            window = self.windows.axes.get(axis)
            if window is not None and (window.resets_at or 0.0) > now:
                cap.observe(window, burned)

    # --- predicates ---------------------------------------------------------------------------------

    def general_block(self, now: float) -> Optional[Block]:
        """Return the block for all work: disabled, its login refused, or benched."""
        if not self.spec.enabled:
            return Block("disabled", "disabled by its owner", NEVER)
        if self.auth_failed:
            return Block("auth_failed", self.auth_failed, NEVER)
        if self.is_benched(now) and not 0.0 < self.probe_at <= now:
            return Block("account benched", self.bench_reason, self.bench_until)
        return None

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
        """Return the block at the hard cap or the model's cap; it ends with the last full window's reset."""
        worst: Optional[Block] = None
        for axis, window in self._full_axes(model, rules, now):
            until = window.resets_at
            if until is None:
                # Nobody says when it ends: one request probes it after a while, else it is lost for ever.
                until = window.seen_at + REPROBE_SEC
                if until <= now:
                    continue
            if worst is None or until > worst.until:
                worst = Block(
                    "model cap" if is_scoped(axis) else "hard cap", _describe_window(axis, window), until
                )
        return worst

    def block(
        self, model: Optional[str], rules: Rules, now: float, scope: Optional[Scope] = None
    ) -> Optional[Block]:
        """Return why this account cannot serve `model` now, or None when it is usable.

        `scope`: the model with the betas of the request; None asks for work in general.
        """
        is_open = self.bench_until <= now and not self.auth_failed and self.spec.enabled
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
        return replace(capped, until=max(blocked.until, capped.until))

    def _quota_block_unless_billed(self, model: Optional[str], rules: Rules, now: float) -> Optional[Block]:
        """Return `quota_block`, unless the account may go on for money."""
        capped = self.quota_block(model, rules, now)
        if capped is None or not self.extra_usage:
            return capped
        if self.spec.allow_extra_usage:
            return None
        return replace(capped, detail=f"{capped.detail}; extra usage would go on: set allowExtraUsage")

    def is_costly(self, model: Optional[str], rules: Rules, now: float) -> bool:
        """Return whether what it serves is billed: a paid key, or extra usage beyond a full window."""
        if self.spec.is_paid:
            return True
        if not self.extra_usage or self.windows.peak < rules.full:
            return False
        return self.quota_block(model, rules, now) is not None

    def is_unrestricted(self, full: float, now: float) -> bool:
        """Return whether nothing at all is held against it: it serves every model, free of charge.

        `full` is the utilization at which a window counts as used up.
        """
        return (
            self.bench_until <= now
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
            if is_used_up(axis, window, rules.full) and (
                not is_scoped(axis) or self.windows.covers(axis, model)
            ):
                yield axis, window


@dataclass(frozen=True)
class Block:
    """Why an account is not usable: the rule, a text, and when it ends (epoch seconds or inf)."""

    rule: str
    detail: str
    until: float


def _describe_window(axis: str, window: Window) -> str:
    """Return `5h rejected, 113% used`."""
    parts = ["rejected"] if window.rejected else []
    if window.utilization is not None:
        parts.append(f"{window.utilization:.0%} used")
    return f"{axis} {', '.join(parts)}"


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
    if account.windows.peak >= rules.five_hour_warn_ceiling and waited < rules.slot_wait_sec:
        used = account.utilization("5h", now)
        if used is not None and used >= rules.five_hour_warn_ceiling:
            return 1
    return rules.max_inflight_per_account if most is None else most
