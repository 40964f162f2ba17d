"""The 429 ladder: how long an account rests after a refusal that names no time."""

from __future__ import annotations

from typing import Optional

from .rules import Rules

__all__ = ["bench_end", "backoff_delay", "refusal_bench_sec"]

REFUSAL_BENCH_SEC, MAX_REFUSAL_BENCH_SEC = 300.0, 3600.0


def backoff_delay(streak: int, rules: Rules, jitter: float = 1.0) -> float:
    """Seconds of bench for the `streak`-th consecutive 429.

    `roll` (0-1, random) places it between the base and the ladder value, so that accounts benched
    together do not come back together.
    """
    top = min(rules.backoff_cap_sec, rules.backoff_sec * rules.backoff_factor ** min(streak - 1, 32))
    base = min(rules.backoff_sec, top)
    return base + (top - base) * (jitter if rules.backoff_jitter else 1.0)


def refusal_bench_sec(times: int) -> float:
    """Seconds of rest for an account that has refused what another one served, `times` in a row."""
    return min(MAX_REFUSAL_BENCH_SEC, REFUSAL_BENCH_SEC * 2.0 ** min(times - 1, 32))


def bench_end(
    now: float,
    streak: int,
    rules: Rules,
    *,
    retry_after: Optional[float] = None,
    resets_at: Optional[float] = None,
    jitter: float = 1.0,
) -> float:
    """When the bench ends: the server's own word, else the rejected window's reset, else the ladder."""
    if retry_after is not None:
        return now + retry_after
    if resets_at is not None and resets_at > now:
        return resets_at
    return now + backoff_delay(streak, rules, jitter)
