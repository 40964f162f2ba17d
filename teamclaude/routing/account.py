"""One account as routing sees it: what it was configured as, what was observed, and what follows.

`Account` is the Fleet's mutable record; only the Fleet writes it.  The predicates below are the
vocabulary of every policy, of the status and of the decision records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .burn import Burn
from .caps import CapEstimate
from .rules import Rules
from .usage import NO_USAGE, Usage
from .warmth import WarmSet
from .windows import REPROBE_SEC, Window, Windows, is_scoped

__all__ = ["FIVE_HOURS_SEC", "WEEK_SEC", "Account", "AccountSpec", "Block", "inflight_cap", "within_5h_rail"]

FIVE_HOURS_SEC = 5 * 3600.0
WEEK_SEC = 7 * 86400.0
NEVER = float("inf")


@dataclass(frozen=True)
class AccountSpec:
    """What the configuration says of an account; `key` is its identity, never its position."""

    key: str
    name: str
    kind: str = "oauth"  # oauth | apikey
    priority: int = 0  # smaller = preferred
    enabled: bool = True
    last_resort: bool = False  # a paid key that serves only when no other account can

    @property
    def is_paid(self) -> bool:
        return self.kind == "apikey" and self.last_resort


@dataclass
class Account:
    """Observed state of one account; belongs to the Fleet."""

    spec: AccountSpec
    generation: int
    windows: Windows = field(default_factory=Windows)
    unified_status: Optional[str] = None
    bench_began: float = 0.0
    bench_until: float = 0.0
    bench_reason: str = ""
    auth_failed: str = ""  # why its credential is refused; empty while it is good
    streak: int = 0
    proven: bool = False
    inflight: int = 0
    last_picked: float = 0.0
    usage: Usage = NO_USAGE
    requests: int = 0
    cost: float = 0.0
    unpriced_tokens: int = 0
    warm: WarmSet = field(default_factory=WarmSet)
    burn: Burn = field(default_factory=Burn)
    cap_5h: CapEstimate = field(default_factory=CapEstimate)
    cap_7d: CapEstimate = field(default_factory=CapEstimate)

    @property
    def key(self) -> str:
        return self.spec.key

    @property
    def name(self) -> str:
        return self.spec.name

    def benched(self, now: float) -> bool:
        return self.bench_until > now

    def status(self, now: float) -> str:
        """`disabled`, `auth_failed`, `benched` or `active`: derived, never stored."""
        if not self.spec.enabled:
            return "disabled"
        if self.auth_failed:
            return "auth_failed"
        return "benched" if self.benched(now) else "active"

    def utilization(self, axis: str, now: float) -> Optional[float]:
        return self.windows.get(axis, now).utilization

    def block(self, model: Optional[str], rules: Rules, now: float) -> Optional[Block]:
        """Why this account can't serve `model` now, or None when it is usable."""
        if not self.spec.enabled:
            return Block("disabled", "disabled by its owner", NEVER)
        if self.auth_failed:
            return Block("auth_failed", self.auth_failed, NEVER)
        worst: Optional[Block] = None
        if self.bench_until > now:
            worst = Block("account benched", self.bench_reason, self.bench_until)
        for axis, window in self.windows.live(now):
            found = self._axis_block(axis, window, model, rules, now)
            # Several full windows: the account is back when the last of them has been reset.
            if found is not None and (worst is None or found.until > worst.until):
                worst = found
        return worst

    def _axis_block(
        self, axis: str, window: Window, model: Optional[str], rules: Rules, now: float
    ) -> Optional[Block]:
        used = window.utilization
        if window.status != "rejected" and (used is None or used < rules.switch_threshold):
            return None
        scoped = is_scoped(axis)
        if scoped and not self.windows.covers(axis, model):
            return None
        until = window.resets_at
        if until is None:
            # Nobody says when it ends: one request asks again after a while, else it is lost for ever.
            until = window.seen_at + REPROBE_SEC
            if until <= now:
                return None
        share = "rejected" if used is None else f"{used:.0%} used"
        return Block("model cap" if scoped else "hard cap", f"{axis} {share}", until)

    def probing_axes(self, rules: Rules, now: float) -> list[str]:
        """Full axes without a known reset: a request to this account is their probe."""
        return [
            axis
            for axis, w in self.windows.live(now)
            if w.resets_at is None and (w.rejected or (w.utilization or 0.0) >= rules.switch_threshold)
        ]


@dataclass(frozen=True)
class Block:
    """Why an account is not usable: a rule, words, and when it ends (epoch seconds or inf)."""

    rule: str
    detail: str
    until: float


def within_5h_rail(account: Account, rules: Rules, now: float) -> bool:
    """False near the 5h cap: new work would run into it."""
    used = account.utilization("5h", now)
    return used is None or used < rules.five_hour_soft_ceiling


def inflight_cap(account: Account, rules: Rules, now: float, waited: float = 0.0) -> int:
    """Requests this account may have in flight for a request that has waited `waited` seconds.

    An unproven account answers one probe first.  In the 5h warn band requests go one at a time,
    but only as long as that costs little: a request that has waited out `slotWaitSec` and found no
    other account is not stalled behind one long stream.
    """
    if not account.proven or account.probing_axes(rules, now):
        return 1
    used = account.utilization("5h", now)
    if used is not None and used >= rules.five_hour_warn_ceiling and waited < rules.slot_wait_sec:
        return 1
    return rules.max_inflight_per_account
