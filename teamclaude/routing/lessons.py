"""What one upstream answer changes in an account: proof, bench, model cap, learned caps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from .account import FIVE_HOURS_SEC, WEEK_SEC, Account
from .bench import bench_end
from .caps import CapEstimate
from .decision import Lease
from .rules import Rules
from .windows import API_KEY_AXES, Reading, Window, is_scoped

__all__ = ["NO_READING", "cap_model", "prove", "read", "refuse", "rest"]

FORBIDDEN_BENCH_SEC = 300.0
# A server that says "retry-after: 0" means "again"; without a pause that would be a hot loop.
SHORTEST_BENCH_SEC = 1.0
NO_READING = Reading({})


def read(account: Account, reading: Reading, inference: bool, now: float) -> None:
    """Take over the windows an answer names.

    Off the inference path the `requests` and `tokens` limits are other ones: counting tokens has its own.
    """
    axes = reading.axes
    if not inference:
        axes = {axis: window for axis, window in axes.items() if axis not in API_KEY_AXES}
    account.windows.update(axes, now)
    account.unified_status = reading.status or account.unified_status


def prove(account: Account, lease: Lease, reading: Reading, rules: Rules, now: float) -> None:
    """It answered below 400: the streak is over, and its caps are at least what it just served."""
    account.proven, account.streak = True, 0
    if not lease.holds_slot:
        return
    for axis in account.probed_axes(lease.ask.model, rules, now):
        # The probe of a full axis was served, and the answer says nothing of the axis: it is over.
        if axis not in reading.axes and account.windows.get(axis, now).seen_at <= lease.at:
            account.windows.drop(axis)
    for window, burned, estimate in _measured(account, now):
        estimate.observe(window, burned, now)


def refuse(account: Account, lease: Lease, reading: Reading, rules: Rules, now: float, roll: float) -> None:
    """A 429 about the account: bench it, by the server's word or by the ladder."""
    if account.bench_began is not None and lease.at <= account.bench_began:
        # A sibling, sent before the bench began: the same refusal, unless it names a longer time.
        if reading.retry_after is not None:
            account.bench_until = max(account.bench_until, now + reading.retry_after)
        return
    account.streak += 1
    rejected = [axis for axis in reading.rejected_axes() if not is_scoped(axis)]
    until = bench_end(
        now,
        account.streak,
        rules,
        retry_after=reading.retry_after,
        resets_at=_last_reset(account, rejected, now),
        roll=roll,
    )
    _bench(account, now, until, f"429 ({', '.join(rejected)})" if rejected else "429")
    if account.streak == 1:
        for axis, (_, burned, estimate) in zip(("5h", "7d"), _measured(account, now)):
            if axis in rejected:
                estimate.refused(burned, rules.cap_ema_alpha, now)


def rest(account: Account, now: float, words: str, until: Optional[float] = None) -> None:
    """This account may not, for a while (after a 403) or `until` then; `words` say why."""
    _bench(account, now, now + FORBIDDEN_BENCH_SEC if until is None else until, words)


def cap_model(account: Account, model: Optional[str], reading: Reading, now: float) -> None:
    """A model-scoped refusal: the axis binds this model, until its reset or the retry-after."""
    for axis in reading.rejected_axes():
        account.windows.learn_scope(axis, model)
        window = account.windows.get(axis, now)
        if window.resets_at is None and reading.retry_after:
            account.windows.update({axis: window._replace(resets_at=now + reading.retry_after)}, now)


def _bench(account: Account, now: float, until: float, reason: str) -> None:
    account.bench_began = now
    account.proven = False
    until = max(until, now + SHORTEST_BENCH_SEC)
    if until > account.bench_until:
        account.bench_until, account.bench_reason = until, reason


def _last_reset(account: Account, axes: Iterable[str], now: float) -> Optional[float]:
    resets = [account.windows.get(axis, now).resets_at for axis in axes]
    return max((reset for reset in resets if reset is not None), default=None)


def _measured(account: Account, now: float) -> list[tuple[Window, int, CapEstimate]]:
    """The 5h and the 7d window with the tokens burned in each and what was learned of it."""
    rows = []
    for axis, length, estimate in (
        ("5h", FIVE_HOURS_SEC, account.cap_5h),
        ("7d", WEEK_SEC, account.cap_7d),
    ):
        window = account.windows.get(axis, now)
        rows.append((window, account.burn.in_window(length, window.resets_at, now), estimate))
    return rows
