"""Format the answer of GET /capacity: whether the accounts can take more work."""

from __future__ import annotations

from typing import Optional

from ...snapshot import AccountCapacity, CapacityView
from ..text.cells import clean, pad, width
from ..text.format import UNKNOWN, format_duration, format_tokens
from ..text.spans import colored

__all__ = ["burn_text", "capacity_lines", "pool_line"]

ICONS = {"green": "🟢", "yellow": "🟡", "red": "🔴"}
STYLES = {"green": "good", "yellow": "warn", "red": "bad"}


def capacity_lines(capacity: CapacityView, color: bool = False) -> list[str]:
    """Return the verdict and one line per account."""
    lines = [pool_line(capacity, color)]
    room = max((width(clean(account.name)) for account in capacity.accounts), default=0)
    for account in capacity.accounts:
        name = pad(clean(account.name), min(room, 32))
        lines.append(f"  {name}  {_account_state(account, color)}{burn_text(account)}")
    if capacity.last_resort is not None:
        names = ", ".join(clean(account.name) for account in capacity.last_resort.accounts)
        lines.append(f"  last resort  {names or UNKNOWN}")
    return lines


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
    if account.near_cap:
        return colored("near cap", "warn", color)
    if account.live:
        return colored("live", "good", color)
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
