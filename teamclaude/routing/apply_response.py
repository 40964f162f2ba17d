"""What one upstream response changes in an account: windows, proof, benches, model caps, learned caps.

How long an account rests: by the server's own word, else until the reset of the rejected window, else by the
ladder (`backoff_delay`), which grows with each consecutive 429.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from .quota.learned_caps import LearnedCap
from .quota.rules import Rules
from .quota.windows import API_KEY_AXES, MAX_WINDOW_SEC, QuotaReading, is_scoped
from .response_kinds import MEANINGS, Effect, ResponseKind
from .state.account import FIVE_HOURS_SEC, SUSPECT_SEC, WEEK_SEC, Account, ScopedRefusal
from .state.decision import Lease

__all__ = [
    "EMPTY_READING",
    "apply_kind",
    "apply_usage_report",
    "apply_windows",
    "backoff_delay",
    "begin_probes",
    "bench",
    "bench_end",
    "bench_for_login",
    "cap_model",
    "cap_scope",
    "clear_suspicion",
    "mark_auth_failed",
    "mark_suspect",
    "record_429",
    "record_account_refusal",
    "record_request_fault",
    "record_success",
    "refusal_bench_sec",
    "reset_benches",
]

FORBIDDEN_BENCH_SEC = 300.0
REFUSAL_BENCH_SEC, MAX_REFUSAL_BENCH_SEC = 300.0, 3600.0
# A longer bench is probed with one request this often: the time that it was given may be nonsense.
PROBE_SEC = 3600.0
# While the request that probes a refused scope is in flight no other request tries it.
PROBING_SEC = 60.0
# A scoped refusal that is over is remembered for this long, to double the next one.
SCOPE_MEMORY_SEC = 7200.0
MAX_SCOPES = 64
# `retry-after: 0` means "again"; without a pause that would be a hot loop.
MIN_BENCH_SEC = 1.0
EMPTY_READING = QuotaReading({})


def apply_windows(account: Account, reading: QuotaReading, inference: bool, now: float) -> None:
    """Take over the windows that a response names.

    Off the inference path the `requests` and `tokens` limits are different ones: counting tokens has its own.
    """
    axes = reading.axes
    if not inference:
        axes = {axis: window for axis, window in axes.items() if axis not in API_KEY_AXES}
    account.windows.update(axes, now)
    account.unified_status = reading.status or account.unified_status
    if reading.overage is not None:
        account.extra_usage = reading.overage.allowed


def apply_usage_report(account: Account, reading: QuotaReading, sent_at: float, now: float) -> None:
    """Take over what the usage endpoint said when it was asked at `sent_at`.

    A window of which an answer told since then stays as it is.  One that rejects goes on to do so until its
    reset: the report does not say whether it does.
    """
    axes = {a: w for a, w in reading.axes.items() if account.windows.get(a, now).seen_at <= sent_at}
    apply_windows(account, reading._replace(axes=axes), True, now)
    account.last_reading = None  # the next answer counts, also if it says what the last one said
    account.observe_use_elsewhere(now)


def record_success(account: Account, lease: Lease, reading: QuotaReading, rules: Rules, now: float) -> None:
    """Record a response below 400: the streak is over, and the caps are at least what was just served."""
    if not lease.holds_slot and account.is_benched(now):
        return  # what uses no quota does not tell whether the bench is right
    account.proven, account.streak = True, 0
    if not lease.holds_slot:
        return
    clear_suspicion(account)
    account.refusals_in_row = 0
    account.scoped_refusals.pop(lease.request.scope, None)
    if account.is_benched(now) and account.bench_began is not None and lease.at > account.bench_began:
        account.bench_until = now  # the probe of a long bench was served
    for axis in account.probed_axes(lease.request.model, rules, now):
        # The probe of a full axis was served, and the response says nothing of the axis: it is over.
        if axis not in reading.axes and account.windows.get(axis, now).seen_at <= lease.at:
            account.windows.drop(axis)
    for cap, burned in _caps_with_burn(account, now):
        cap.record_success(burned, now)


def record_429(
    account: Account, lease: Lease, reading: QuotaReading, rules: Rules, now: float, jitter: float
) -> None:
    """Record a 429 about the account: bench it, by the server's word or by the ladder."""
    account.last_reading = None
    if account.bench_began is not None and lease.at <= account.bench_began:
        # Sent before the bench began: the same refusal, unless it names a longer time.
        if reading.retry_after is not None:
            _extend_bench(account, now, now + reading.retry_after)
        return
    account.streak += 1
    rejected = [axis for axis in reading.rejected_axes() if not is_scoped(axis)]
    until = bench_end(
        now,
        account.streak,
        rules,
        retry_after=reading.retry_after,
        resets_at=_last_reset(account, rejected, now),
        jitter=jitter,
    )
    _begin_bench(account, now, until, f"429 ({', '.join(rejected)})" if rejected else "429")
    if account.streak == 1:
        for axis, (cap, burned) in zip(("5h", "7d"), _caps_with_burn(account, now)):
            if axis in rejected:
                cap.record_429(burned, rules.cap_ema_alpha, now)


def bench(account: Account, now: float, message: str, until: Optional[float] = None) -> None:
    """Bench the account for a while (after a 403) or until `until`; `message` says why."""
    _begin_bench(account, now, now + FORBIDDEN_BENCH_SEC if until is None else until, message)


def apply_kind(
    account: Account,
    lease: Lease,
    kind: ResponseKind,
    reading: QuotaReading,
    rules: Rules,
    now: float,
    jitter: float,
    message: str,
) -> None:
    """Apply what the table of responses says of the account; SUSPECT and NOTHING change nothing yet."""
    effect = MEANINGS[kind].effect
    if effect is Effect.RECORD_SUCCESS:
        record_success(account, lease, reading, rules, now)
        account.last_reading = reading if lease.holds_slot else None
    elif effect is Effect.BENCH:
        record_429(account, lease, reading, rules, now, jitter)
    elif effect is Effect.CAP_MODEL:
        cap_model(account, lease.request.model, reading, now)
    elif effect is Effect.CAP_SCOPE:
        cap_scope(account, lease, reading, now)
    elif effect is Effect.BENCH_AFTER_403:
        bench(account, now, message or "403 from the API")


def mark_auth_failed(account: Account, message: str) -> None:
    """Record that the API refuses the credential: the account rests until that changes."""
    account.auth_failed = message or "the API refuses its credentials"
    account.proven, account.last_reading = False, None


def bench_for_login(account: Account, until: float, message: str, now: float) -> None:
    """Bench an account whose token is refused and cannot be renewed before `until`."""
    account.last_reading = None
    bench(account, now, message, until)
    # Less than a longer bench, which new credentials do not end.
    account.login_bench = min(max(until, now + MIN_BENCH_SEC), account.bench_until)


def mark_suspect(account: Account, now: float) -> None:
    """Record that the account failed a request, for whatever reason.

    What fails uses nothing up; without this the account would look plentiful.
    """
    account.suspect_until, account.last_reading = now + SUSPECT_SEC, None


def clear_suspicion(account: Account) -> None:
    """Clear the suspicion: the account served, or it refused what was the request's own fault."""
    account.suspect_until, account.last_request_fault = 0.0, None
    account.refused_scopes.clear()


def record_request_fault(account: Account, lease: Lease, now: float) -> None:
    """Record that others refused the request alike: that was its own fault.

    The next time it is less certain (`Account.may_be_at_fault`).
    """
    clear_suspicion(account)
    account.last_request_fault = (lease.request.requester, now)


def record_account_refusal(account: Account, lease: Lease, message: str, now: float) -> None:
    """Record that the account refused what another one then served: it rests, with its message.

    An account that serves other work rests for this model with these betas alone.  One that refuses a second
    kind of work, having served none since, rests as a whole.
    """
    scope = lease.request.scope
    account.last_reading = None
    account.refused_scopes.add(scope)
    if account.proven and len(account.refused_scopes) < 2:
        known = account.scoped_refusals.get(scope)
        if known is not None and lease.at <= known.began:
            return  # sent before that refusal: the same one
        times = 1 if known is None else known.times + 1
        _add_scoped_refusal(
            account, scope, ScopedRefusal(now + refusal_bench_sec(times), message, now, times)
        )
    elif account.bench_began is None or lease.at > account.bench_began:
        account.refusals_in_row += 1
        _begin_bench(account, now, now + refusal_bench_sec(account.refusals_in_row), message)


def cap_scope(account: Account, lease: Lease, reading: QuotaReading, now: float) -> None:
    """Record that only extra usage was refused: what needs it does not come here again before its reset."""
    overage = reading.overage
    until = overage.resets_at if overage is not None else None
    if until is None or until <= now:
        until = now + (reading.retry_after if reading.retry_after is not None else refusal_bench_sec(1))
    reason = overage.disabled_reason if overage is not None else ""
    message = "extra usage is refused" + (f" ({reason})" if reason else "")
    until = min(max(until, now + MIN_BENCH_SEC), now + MAX_WINDOW_SEC)
    _add_scoped_refusal(account, lease.request.scope, ScopedRefusal(until, message, now))


def _add_scoped_refusal(account: Account, scope: tuple[str, str], refusal: ScopedRefusal) -> None:
    past = refusal.began - SCOPE_MEMORY_SEC
    kept = sorted((r.until, s) for s, r in account.scoped_refusals.items() if r.until > past and s != scope)
    account.scoped_refusals = {s: account.scoped_refusals[s] for _, s in kept[-(MAX_SCOPES - 1) :]}
    account.scoped_refusals[scope] = refusal


def begin_probes(account: Account, lease: Lease, rules: Rules, now: float) -> None:
    """Reserve the lease as the one request that probes whether a refusal is over."""
    for axis in account.probed_axes(lease.request.model, rules, now):
        account.windows.mark_probed(axis, now)
        account.last_reading = None
    if account.is_benched(now):
        account.probe_at, account.last_reading = now + PROBE_SEC, None
    refusal = account.scoped_refusals.get(lease.request.scope) if account.scoped_refusals else None
    if refusal is not None and refusal.until <= now:
        account.scoped_refusals[lease.request.scope] = refusal._replace(until=now + PROBING_SEC)
        account.last_reading = None


def reset_benches(account: Account, rules: Rules, now: float) -> None:
    """Forget what was held against the account: its owner wants it back."""
    account.bench_until = min(account.bench_until, now)
    account.probe_at = account.login_bench = 0.0
    account.auth_failed, account.refusals_in_row, account.streak = "", 0, 0
    account.scoped_refusals.clear()
    account.last_reading = None
    account.windows.drop_full(rules.full)
    clear_suspicion(account)


def cap_model(account: Account, model: Optional[str], reading: QuotaReading, now: float) -> None:
    """Record a model-scoped refusal: the axis binds this model until its reset or the retry-after."""
    for axis in reading.rejected_axes():
        account.windows.learn_scope(axis, model)
        window = account.windows.get(axis, now)
        if window.resets_at is None and reading.retry_after:
            resets_at = now + min(reading.retry_after, MAX_WINDOW_SEC)
            account.windows.update({axis: window._replace(resets_at=resets_at)}, now)


def _begin_bench(account: Account, now: float, until: float, reason: str) -> None:
    account.bench_began = now
    account.proven = False
    if _extend_bench(account, now, max(until, now + MIN_BENCH_SEC)):
        account.bench_reason = reason


def _extend_bench(account: Account, now: float, until: float) -> bool:
    """Extend the bench to `until`, by at most a window's length; False when it lasts longer already."""
    until = min(until, now + MAX_WINDOW_SEC)
    longer = until > account.bench_until
    if longer:
        account.bench_until = until
    account.probe_at = now + PROBE_SEC if account.bench_until > now + PROBE_SEC else 0.0
    return longer


def _last_reset(account: Account, axes: Iterable[str], now: float) -> Optional[float]:
    resets = [account.windows.get(axis, now).resets_at for axis in axes]
    return max((reset for reset in resets if reset is not None), default=None)


def _caps_with_burn(account: Account, now: float) -> tuple[tuple[LearnedCap, int], tuple[LearnedCap, int]]:
    """Return the learned caps of the 5h and the weekly window with the tokens burned in each."""
    burn, resets = account.burn, account.windows.resets
    return (
        (account.cap_5h, burn.tokens_in_window(FIVE_HOURS_SEC, resets.get("5h"), now)),
        (account.cap_7d, burn.tokens_in_window(WEEK_SEC, resets.get("7d"), now)),
    )


# --- how long an account rests ----------------------------------------------------------------------


def backoff_delay(streak: int, rules: Rules, jitter: float = 1.0) -> float:
    """Return the seconds of bench for the `streak`-th consecutive 429.

    `jitter` (0-1, random) places it between the base and the ladder's value, so that accounts benched
    together do not come back together.
    """
    top = min(rules.backoff_cap_sec, rules.backoff_sec * rules.backoff_factor ** min(streak - 1, 32))
    base = min(rules.backoff_sec, top)
    return base + (top - base) * (jitter if rules.backoff_jitter else 1.0)


def refusal_bench_sec(times: int) -> float:
    """Return the seconds of rest after refusing what another account served, `times` in a row."""
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
    """Return when the bench ends: the server's word, else the rejected window's reset, else the ladder."""
    if retry_after is not None:
        return now + retry_after
    if resets_at is not None and resets_at > now:
        return resets_at
    return now + backoff_delay(streak, rules, jitter)
