"""What one upstream answer changes in an account: proof, bench, model cap, learned caps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from .quota.backoff import bench_end, refusal_bench_sec
from .quota.learned_caps import LearnedCap
from .quota.rules import Rules
from .quota.windows import API_KEY_AXES, MAX_WINDOW_SEC, QuotaReading, is_scoped
from .response_kinds import MEANINGS, Effect, ResponseKind
from .state.account import FIVE_HOURS_SEC, SUSPECT_SEC, WEEK_SEC, Account, ScopedRefusal
from .state.decision import Lease

__all__ = [
    "EMPTY_READING",
    "clear_suspicion",
    "cap_model",
    "cap_scope",
    "record_request_fault",
    "apply_kind",
    "reset_benches",
    "mark_auth_failed",
    "begin_probe",
    "record_success",
    "apply_windows",
    "record_429",
    "bench",
    "bench_for_login",
    "record_account_refusal",
    "mark_suspect",
]

FORBIDDEN_BENCH_SEC = 300.0
# A longer bench is tried with one request that often: the time it was given may be nonsense.
PROBE_SEC = 3600.0
# While the request that tries a refused scope again is under way nobody else tries it.
PROBING_SEC = 60.0
# A scoped refusal that is over is remembered for so long, to double the next one.
SCOPE_MEMORY_SEC = 7200.0
MAX_SCOPES = 64
# A server that says "retry-after: 0" means "again"; without a pause that would be a hot loop.
MIN_BENCH_SEC = 1.0
EMPTY_READING = QuotaReading({})


def apply_windows(account: Account, reading: QuotaReading, inference: bool, now: float) -> None:
    """Take over the windows an answer names.

    Off the inference path the `requests` and `tokens` limits are other ones: counting tokens has its own.
    """
    axes = reading.axes
    if not inference:
        axes = {axis: window for axis, window in axes.items() if axis not in API_KEY_AXES}
    account.windows.update(axes, now)
    account.unified_status = reading.status or account.unified_status
    if reading.overage is not None:
        account.extra_usage = reading.overage.allowed


def record_success(account: Account, lease: Lease, reading: QuotaReading, rules: Rules, now: float) -> None:
    """It answered below 400: the streak is over, and its caps are at least what it just served."""
    account.proven, account.streak = True, 0
    if not lease.holds_slot:
        return
    clear_suspicion(account)
    account.refusals_in_row = 0
    account.scoped_refusals.pop(lease.request.scope, None)
    if account.is_benched(now) and account.bench_began is not None and lease.at > account.bench_began:
        account.bench_until = now  # the probe of a long bench was served
    for axis in account.probed_axes(lease.request.model, rules, now):
        # The probe of a full axis was served, and the answer says nothing of the axis: it is over.
        if axis not in reading.axes and account.windows.get(axis, now).seen_at <= lease.at:
            account.windows.drop(axis)
    for cap, burned in _caps_with_burn(account, now):
        cap.record_success(burned, now)


def record_429(
    account: Account, lease: Lease, reading: QuotaReading, rules: Rules, now: float, jitter: float
) -> None:
    """A 429 about the account: bench it, by the server's word or by the ladder."""
    account.last_reading = None
    if account.bench_began is not None and lease.at <= account.bench_began:
        # A sibling, sent before the bench began: the same refusal, unless it names a longer time.
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
    """This account may not, for a while (after a 403) or `until` then; `words` say why."""
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
    """What the table of answers says of the account; SUSPECT and NOTHING change nothing yet."""
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
    """The API refuses its credential: it rests until that changes."""
    account.auth_failed = message or "the API refuses its credentials"
    account.proven, account.last_reading = False, None


def bench_for_login(account: Account, until: float, message: str, now: float) -> None:
    """Its token is no good and can't be renewed before `until`."""
    account.last_reading = None
    bench(account, now, message, until)
    if account.bench_until == until:  # not a longer one that new credentials don't end
        account.login_bench = until


def mark_suspect(account: Account, now: float) -> None:
    """It failed a request, for whatever reason; what fails uses nothing up and must not look plentiful."""
    account.suspect_until, account.last_reading = now + SUSPECT_SEC, None


def clear_suspicion(account: Account) -> None:
    """It served, or what it refused was the request's own fault."""
    account.suspect_until, account.last_request_fault = 0.0, None
    account.refused_scopes.clear()


def record_request_fault(account: Account, lease: Lease, now: float) -> None:
    """Others refused it alike: that is the request's own fault, and the next time less surely so."""
    clear_suspicion(account)
    account.last_request_fault = (lease.request.requester, now)


def record_account_refusal(account: Account, lease: Lease, message: str, now: float) -> None:
    """It refused what another account then served: it rests, with its words.

    Where it serves other work it rests for this model with these betas alone; what refuses a second kind of
    work, having served none since, rests as a whole.
    """
    scope = lease.request.scope
    account.last_reading = None
    account.refused_scopes.add(scope)
    if account.proven and len(account.refused_scopes) < 2:
        known = account.scoped_refusals.get(scope)
        if known is not None and lease.at <= known.began:
            return  # a sibling: the same refusal
        times = 1 if known is None else known.times + 1
        _add_scoped_refusal(
            account, scope, ScopedRefusal(now + refusal_bench_sec(times), message, now, times)
        )
    elif account.bench_began is None or lease.at > account.bench_began:
        account.refusals_in_row += 1
        _begin_bench(account, now, now + refusal_bench_sec(account.refusals_in_row), message)


def cap_scope(account: Account, lease: Lease, reading: QuotaReading, now: float) -> None:
    """Only extra usage was refused: what needs it does not come here again before its reset."""
    overage = reading.overage
    until = overage.resets_at if overage is not None else None
    if until is None or until <= now:
        until = now + (reading.retry_after if reading.retry_after is not None else refusal_bench_sec(1))
    reason = overage.disabled_reason if overage is not None else ""
    words = "extra usage is refused" + (f" ({reason})" if reason else "")
    until = min(max(until, now + MIN_BENCH_SEC), now + MAX_WINDOW_SEC)
    _add_scoped_refusal(account, lease.request.scope, ScopedRefusal(until, words, now))


def _add_scoped_refusal(account: Account, scope: tuple[str, str], refusal: ScopedRefusal) -> None:
    past = refusal.began - SCOPE_MEMORY_SEC
    kept = sorted((r.until, s) for s, r in account.scoped_refusals.items() if r.until > past and s != scope)
    account.scoped_refusals = {s: account.scoped_refusals[s] for _, s in kept[-(MAX_SCOPES - 1) :]}
    account.scoped_refusals[scope] = refusal


def begin_probe(account: Account, lease: Lease, now: float) -> None:
    """The lease may be the one request that tries whether a refusal is over: nobody else does meanwhile."""
    if account.is_benched(now):
        account.probe_at, account.last_reading = now + PROBE_SEC, None
    refusal = account.scoped_refusals.get(lease.request.scope)
    if refusal is not None and refusal.until <= now:
        account.scoped_refusals[lease.request.scope] = refusal._replace(until=now + PROBING_SEC)
        account.last_reading = None


def reset_benches(account: Account, rules: Rules, now: float) -> None:
    """Its owner wants it back: nothing that was held against it stands any more."""
    account.bench_until = min(account.bench_until, now)
    account.probe_at = account.login_bench = 0.0
    account.auth_failed, account.refusals_in_row, account.streak = "", 0, 0
    account.scoped_refusals.clear()
    account.last_reading = None
    account.windows.drop_full(rules.full)
    clear_suspicion(account)


def cap_model(account: Account, model: Optional[str], reading: QuotaReading, now: float) -> None:
    """A model-scoped refusal: the axis binds this model, until its reset or the retry-after."""
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
    """Let the bench last until then, a window's length at most; False when it lasts longer already."""
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
