"""The routing settings: every number that a decision depends on, with its default and reason.

The user's rails hold under every policy (rails.py, `inflight_cap`).  A setting for which a policy may have a
value of its own while none is set (`Rules.with_own`) has no default here: a value that is set differs from
one that is not, even where they are equal.  Code that decides reads those settings by the properties below,
which are always numbers.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Optional

from ...settings import Settings, setting
from ...values import NamedTuple, replace

__all__ = ["NO_LIMIT", "RampTier", "Rules"]

NO_LIMIT = math.inf  # the value of a rail that is not set


class RampTier(NamedTuple):
    """Within `hours` of the weekly reset, unused quota weighs `weight` per unit."""

    hours: float
    weight: float


DEFAULT_RAMP = (
    RampTier(8, 100),
    RampTier(16, 8),
    RampTier(24, 4),
    RampTier(48, 2),
    RampTier(72, 1),
)


class Rules(Settings):
    """Defaults of the routing keys of the config file."""

    switch_threshold: Optional[float] = setting(
        None,
        "Utilization at which an account counts as used up; not set: 0.98, with policy price when the API "
        "says that it is.",
        unit="fraction 0-1",
    )
    five_hour_soft_ceiling: Optional[float] = setting(
        None,
        "No new work above this 5h utilization while another account is below; not set: 0.9 with policies "
        "price, pace and drain, else none.",
        unit="fraction 0-1",
    )
    five_hour_warn_ceiling: float = setting(
        0.75, "Above this 5h utilization an account gets one request at a time.", unit="fraction 0-1"
    )
    max_inflight_per_account: int = setting(
        5, "Simultaneous requests one account may serve.", unit="requests"
    )
    max_sessions_per_account: Optional[int] = setting(
        None,
        "Warm conversations from which on an account gets no new one while another has fewer; not set: 7 "
        "with policies price and pace, else no limit.",
        unit="conversations",
    )
    slot_wait_sec: Optional[float] = setting(
        None,
        "How long a warm conversation waits for a slot of its own account; not set: 5, with policy price as "
        "long as its cache is worth, at most 120.",
        unit="s",
    )
    cache_affinity_window_sec: float = setting(
        300.0, "Life of the prompt cache: a conversation idle longer is not warm.", unit="s"
    )
    binding_evict_sec: float = setting(
        1800.0, "A conversation idle longer (or twice its cache life) is forgotten.", unit="s"
    )
    pace_tie_band: float = setting(
        0.10,
        "Policy pace only: accounts whose scores differ by no more are equally good.",
        unit="fraction 0-1",
    )
    far_over_line_threshold: float = setting(
        0.10,
        "Policy pace only: how far over its weekly line an account must be to lose a warm conversation.",
        unit="fraction 0-1",
    )
    ramp_tiers: tuple[RampTier, ...] = setting(
        DEFAULT_RAMP,
        "Policy pace only: near the weekly reset unused quota attracts work: hours left and weight.",
        unit="[{hours, weight}]",
    )
    backoff_sec: float = setting(60.0, "First bench after a 429 that names no time.", unit="s")
    backoff_factor: float = setting(4.0, "Growth of the bench with each further 429.", unit="factor")
    backoff_cap_sec: float = setting(900.0, "Longest bench of the ladder.", unit="s")
    backoff_jitter: bool = setting(True, "Spread the ends of benches so that retries do not meet.")
    cap_ema_alpha: float = setting(
        0.3, "Weight of the newest observation in a learned cap.", unit="fraction 0-1"
    )
    cap_soft_ceiling: float = setting(
        0.75,
        "Share of a learned cap above which an account without headers has no headroom.",
        unit="fraction 0-1",
    )
    soft_concurrency_per_account: int = setting(
        3,
        "Active conversations one account carries comfortably; headroom counts these.",
        unit="conversations",
    )
    ledger_retention_hours: float = setting(
        168.0, "Of which time `usageByIssue` in the status is the sum.", unit="h"
    )

    # --- the rails as numbers: what is set, or what the policy has of its own, or what is usual --------

    @cached_property
    def full(self) -> float:
        """Utilization at which an account counts as used up."""
        return 0.98 if self.switch_threshold is None else self.switch_threshold

    @cached_property
    def soft_ceiling(self) -> float:
        """5h utilization above which an account gets no new work."""
        return 0.90 if self.five_hour_soft_ceiling is None else self.five_hour_soft_ceiling

    @cached_property
    def slot_wait(self) -> float:
        """Seconds after which a request that waits for a slot takes one beyond the rails."""
        return 5.0 if self.slot_wait_sec is None else self.slot_wait_sec

    @cached_property
    def most_sessions(self) -> float:
        """Warm conversations from which on an account gets no new one."""
        return 7 if self.max_sessions_per_account is None else self.max_sessions_per_account

    def with_own(self, **own: Any) -> Rules:
        """Return these rules with `own` for what is not set."""
        return replace(self, **{name: value for name, value in own.items() if getattr(self, name) is None})
