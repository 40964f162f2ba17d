"""Format the answer of GET /capacity: whether the accounts can take more work."""

from __future__ import annotations

from typing import Optional

from ...outlook_views import ForecastView, LastingView
from ...snapshot import AccountCapacity, CapacityView
from ..text.cells import clean, pad, width
from ..text.format import UNKNOWN, epoch_seconds, format_duration, format_tokens
from ..text.spans import colored
from .wording import forecast_text

__all__ = ["burn_text", "capacity_lines", "lasting_text", "pool_line"]

ICONS = {"green": "🟢", "yellow": "🟡", "red": "🔴"}
STYLES = {"green": "good", "yellow": "warn", "red": "bad"}


def capacity_lines(
    capacity: CapacityView, color: bool = False, lasts: Optional[LastingView] = None
) -> list[str]:
    """Return the verdict, the answer to "will it last?" if that was asked, and one line per account."""
    lines = [pool_line(capacity, color)]
    if lasts is not None:
        lines.append(f"   {lasting_text(lasts, epoch_seconds(capacity.at) or 0.0)}")
    room = max((width(clean(account.name)) for account in capacity.accounts), default=0)
    for account in capacity.accounts:
        name = pad(clean(account.name), min(room, 32))
        lines.append(f"  {name}  {_account_state(account, color)}{burn_text(account)}")
    if capacity.last_resort is not None:
        names = ", ".join(clean(account.name) for account in capacity.last_resort.accounts)
        lines.append(f"  last resort  {names or UNKNOWN}")
    return lines


def lasting_text(lasts: LastingView, now: float) -> str:
    """Return one sentence: whether the pool lasts, how likely that is, and when it would be used up."""
    span = format_duration(lasts.sec)
    if lasts.chance is None:
        return f"Whether the pool lasts {span} can't be told yet."
    if lasts.dry_until is not None and lasts.dry_until <= now:
        return f"The pool does not last {span}: no account would serve a request now."
    view = ForecastView(lasts.dry_from, None, lasts.dry_until, chance=1.0)
    chance = f"{100 * min(0.99, max(0.01, lasts.chance)):.0f} of 100 cases"
    when = "it lasts the week" if lasts.dry_from is None else forecast_text(view, now)
    if lasts.dry_from is not None and lasts.dry_until is None:
        when = when.replace("100% dry from", "dry not before")
    if lasts.answer == "no":
        return f"The pool does not last {span} (it does in {chance}): {when}."
    word = "lasts" if lasts.answer == "yes" else "may last"
    return f"The pool {word} {span}: in {chance}; {when}."


def pool_line(capacity: CapacityView, color: bool) -> str:
    """Return the pool in one line."""
    level = clean(capacity.verdict)
    word = colored(level.upper() or UNKNOWN, STYLES.get(level, ""), color)
    line = (
        f"{ICONS.get(level, '⚪')} {word}  headroom {_count(capacity.headroom)} session(s)"
        f" · live {_count(capacity.live_accounts)}/{_count(capacity.total)}"
        f" · benched {_count(capacity.benched)} · warm {_count(capacity.warm_sessions)}"
    )
    if capacity.held:
        line += f" · held {capacity.held}"
    wait = capacity.soonest_reset_sec
    return f"{line} · next free {format_duration(wait)}" if wait else line


def _account_state(account: AccountCapacity, color: bool) -> str:
    if account.benched:
        tail = f" (streak {account.streak})" if account.streak else ""
        return colored(f"benched {format_duration(account.bench_sec)}{tail}", "warn", color)
    if account.live:
        return colored("near cap", "warn", color) if account.near_cap else colored("live", "good", color)
    status, reason = clean(account.status) or UNKNOWN, clean(account.reason or "")
    return colored(f"{status}: {reason}" if reason else status, status, color)


def burn_text(account: AccountCapacity) -> str:
    """Return ` · burn 1.2M/3.4M (5h)`: tokens of the running 5h window and its learned cap."""
    spent, cap = account.burn_5h, account.cap_est_5h
    if spent is None:
        return ""
    against = ", cap not known yet" if cap is None else f"/{format_tokens(cap)}"
    return f" · burn {format_tokens(spent)}{against} (5h)"


def _count(value: Optional[int]) -> str:
    return UNKNOWN if value is None else str(value)
