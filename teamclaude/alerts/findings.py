"""What is true of a condition at one look; pure.

A finding has a subject (an account, a window, a session) and, where the fact has one, a mark that tells one
episode from the next: the reset of a window, the end of a login.  Disabled accounts have no findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, Optional

from ..accounts.config import alert_condition as c
from ..accounts.config.alert_condition import Condition
from ..snapshot import AccountView, Snapshot, Window
from ..values import NamedTuple
from .event import Event, day_text, duration_text

__all__ = ["Finding", "findings"]

LOST = "re-login needed"  # the state of a TokenView
DRY_AGAIN = 1.5  # a forecast that moves beyond so many times the limit has left it


class Finding(NamedTuple):
    """One subject that a condition holds for.

    `only_lasts`: it keeps an episode from ending, but does not begin one.  `since`: when it began, if that is
    known.  `described`: title, message and fields of its event.
    """

    subject: str
    mark: Optional[float]
    described: tuple[str, str, dict[str, Any]]
    since: Optional[float] = None
    only_lasts: bool = False

    def event(self, condition: Condition, now: float) -> Event:
        """Return the event of this finding."""
        return Event(condition.kind, condition.text, now, *self.described)


_NOTHING: tuple[str, str, dict[str, Any]] = ("", "", {})


def findings(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    """Return what is true now; durations (`for 10m`) are not looked at."""
    return _BY_KIND[condition.kind](condition, snapshot, now)


def _pool_dry(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    forecast = snapshot.forecast
    if forecast is None:
        return
    at = {"p10": forecast.p10, "p50": forecast.p50, "p90": forecast.p90}[condition.chance]
    if at is None or at - now > condition.seconds * DRY_AGAIN:
        return
    message = f"No account serves any more about {day_text(at, now)}"
    if forecast.p10 is not None:
        latest = "later" if forecast.p90 is None else day_text(forecast.p90, now)
        message += f"; in 8 of 10 cases between {day_text(forecast.p10, now)} and {latest}"
    fields = {"p10": forecast.p10, "p50": forecast.p50, "p90": forecast.p90}
    title = f"The pool runs dry in {duration_text(at - now)}"
    lasts = at - now > condition.seconds
    yield Finding("pool", None, (title, f"{message}.", fields), only_lasts=lasts)


def _windows(
    condition: Condition, snapshot: Snapshot, now: float
) -> Iterator[tuple[AccountView, str, Window]]:
    for account in snapshot.accounts:
        for axis, window in account.quota.axes.items():
            over = window.resets_at is not None and window.resets_at <= now
            if account.enabled and not over and condition.axis in (axis, c.EVERY_WINDOW):
                yield account, axis, window


def _window_above(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    for account, axis, window in _windows(condition, snapshot, now):
        used, back = window.utilization, window.resets_at
        part = account.usable_parts.get(axis, 1.0)  # of what its owner allows
        if used is None or used < condition.share * part:
            continue
        allowed = f" of the {100 * part:.0f}% that may be used" if part < 1.0 else ""
        message = f"The {axis} window of {account.name} is above {100 * condition.share:g}%{allowed}"
        if back is not None:
            message += f"; a new one begins {day_text(back, now)} (in {duration_text(back - now)})"
        fields = {"account": account.name, "axis": axis, "used": float(used), "resetsAt": back}
        title = f"{account.name}: {axis} at {100 * used:.0f}%"
        yield Finding(f"{account.name}\n{axis}", back, (title, f"{message}.", fields))


def _unused(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    for account, axis, window in _windows(condition, snapshot, now):
        used, back = window.utilization, window.resets_at
        left = account.usable_parts.get(axis, 1.0) - (used or 0.0)
        if used is None or back is None or left < condition.share or back - now > condition.seconds:
            continue
        title = f"{account.name}: {100 * left:.0f}% of {axis} unused"
        message = (
            f"That much is lost when the window ends {day_text(back, now)} (in {duration_text(back - now)})."
        )
        fields = {"account": account.name, "axis": axis, "left": left, "resetsAt": back}
        yield Finding(f"{account.name}\n{axis}", back, (title, message, fields))


def _benched(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    for account in snapshot.accounts:
        if not account.enabled or account.status != "benched":
            continue
        until, why = account.rate_limited_until, account.status_reason or ""
        message = "It gets no work"
        if until is not None:
            message += f" until {day_text(until, now)} (in {duration_text(until - now)})"
        message += f": {why}" if why else "."
        fields = {"account": account.name, "reason": why, "until": until}
        yield Finding(account.name, None, (f"{account.name} is benched", message, fields))


def _login_lost(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    for account in snapshot.accounts:
        token = account.token
        lost = account.status == "auth_failed" or (token is not None and token.state == LOST)
        if not account.enabled or (not lost and account.proven):
            continue
        why = (token.reason if token is not None else None) or account.status_reason or ""
        fields = {"account": account.name, "reason": why}
        described = (
            f"{account.name}: login lost",
            f"Log in again: {why}" if why else "Log in again.",
            fields,
        )
        # A restart tries a refused login again: until the account has served, it is not regained.
        mark = token.expires_at if token is not None else None
        yield Finding(
            account.name, mark if lost else None, described if lost else _NOTHING, only_lasts=not lost
        )


def _login_ends(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    for account in snapshot.accounts:
        ends = account.token.login_ends_at if account.token is not None else None
        if not account.enabled or ends is None or not 0 < ends - now <= condition.seconds:
            continue
        title = f"{account.name}: login ends in {duration_text(ends - now)}"
        message = f"It ends {day_text(ends, now)}: log in again before that."
        yield Finding(account.name, ends, (title, message, {"account": account.name, "endsAt": ends}))


def _needs_you(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    for row in snapshot.needs_you:
        where = f" (project {row.project})" if row.project else ""
        message = f"{row.reason}{where}"
        if row.since is not None:
            message += f", since {day_text(row.since, row.since)} ({duration_text(now - row.since)})"
        fields = {
            **{"session": row.session, "agent": row.agent, "label": row.label},
            **{"project": row.project, "reason": row.reason, "since": row.since},
        }
        subject = f"{row.session}\n{row.agent}\n{'' if row.session else row.label}"
        yield Finding(subject, row.since, (f"{row.label} needs you", f"{message}.", fields), row.since)


def _hold(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    if not snapshot.held:
        return
    longest = max(snapshot.held, key=lambda one: one.held_sec)
    count = len(snapshot.held)
    title = "A request is held" if count == 1 else f"{count} requests are held"
    message = f"For {duration_text(longest.held_sec)}: {longest.reason}"
    if longest.account is not None and longest.back_at is not None:
        message += f"; {longest.account} is back {day_text(longest.back_at, now)}"
    fields = {
        **{"held": count, "heldSec": float(longest.held_sec), "reason": longest.reason},
        **{"account": longest.account, "until": longest.back_at},
    }
    yield Finding("pool", None, (title, f"{message}.", fields), now - longest.held_sec)


def _api_unreachable(condition: Condition, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    for outage in snapshot.outages:
        requests = "1 request" if outage.failed == 1 else f"{outage.failed} requests"
        message = (
            f"{outage.reason}. Since {day_text(outage.since, outage.since)}, {requests} got no connection."
        )
        fields = {
            **{"api": outage.api, "accounts": list(outage.accounts), "reason": outage.reason},
            **{"since": outage.since, "failed": outage.failed},
        }
        title = f"The API at {outage.api} can't be reached"
        subject = "\n".join((outage.api, *outage.accounts))
        yield Finding(subject, None, (title, message, fields), outage.since)


_BY_KIND: dict[str, Callable[[Condition, Snapshot, float], Iterator[Finding]]] = {
    c.POOL_DRY: _pool_dry,
    c.WINDOW_ABOVE: _window_above,
    c.UNUSED: _unused,
    c.BENCHED: _benched,
    c.LOGIN_LOST: _login_lost,
    c.LOGIN_ENDS: _login_ends,
    c.NEEDS_YOU: _needs_you,
    c.HOLD: _hold,
    c.API_UNREACHABLE: _api_unreachable,
}
