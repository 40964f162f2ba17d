"""The tunables of routing: every number a decision depends on, with its default and reason."""

from __future__ import annotations

from typing import NamedTuple

from ..settings import Settings, setting

__all__ = ["RampTier", "Rules"]


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

    switch_threshold: float = setting(
        0.98, "Utilization at which an account counts as used up.", unit="fraction 0-1"
    )
    five_hour_soft_ceiling: float = setting(
        0.90, "No new work above this 5h utilization while another account is below.", unit="fraction 0-1"
    )
    five_hour_warn_ceiling: float = setting(
        0.75, "Above this 5h utilization an account gets one request at a time.", unit="fraction 0-1"
    )
    max_inflight_per_account: int = setting(
        5, "Simultaneous requests one account may serve.", unit="requests"
    )
    max_sessions_per_account: int = setting(
        7, "Warm conversations above which an account gets no new one.", unit="conversations"
    )
    slot_wait_sec: float = setting(
        5.0, "How long a warm conversation waits for a slot of its own account.", unit="s"
    )
    cache_affinity_window_sec: float = setting(
        300.0, "Life of the prompt cache: a conversation idle longer is not warm.", unit="s"
    )
    binding_evict_sec: float = setting(
        1800.0, "A conversation idle longer (or twice its cache life) is forgotten.", unit="s"
    )
    pace_tie_band: float = setting(
        0.10, "Accounts whose scores differ by no more are equally good.", unit="fraction 0-1"
    )
    far_over_line_threshold: float = setting(
        0.10,
        "How far over its weekly line an account must be to lose a warm conversation.",
        unit="fraction 0-1",
    )
    ramp_tiers: tuple[RampTier, ...] = setting(
        DEFAULT_RAMP,
        "Near the weekly reset unused quota attracts work: hours left and weight.",
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
        "Warm conversations one account carries comfortably; headroom counts these.",
        unit="conversations",
    )
    ledger_retention_hours: float = setting(168.0, "How long usage per conversation is kept.", unit="h")
