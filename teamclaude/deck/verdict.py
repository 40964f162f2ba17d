"""Can the pool take more work: the answer of GET /capacity as lines."""

from __future__ import annotations

from collections.abc import Mapping

from .cells import pad, width
from .figures import UNKNOWN, format_duration, finite_number, format_tokens
from .paint import paint
from .reading import Snapshot, count, rows, text

__all__ = ["burn", "capacity_lines", "verdict"]

LAMPS = {"green": "🟢", "yellow": "🟡", "red": "🔴"}
STYLES = {"green": "good", "yellow": "warn", "red": "bad"}


def capacity_lines(capacity: Snapshot, color: bool = False) -> list[str]:
    """The verdict and one line per account; `capacity` is the answer of GET /capacity."""
    lines = [verdict(capacity, color)]
    accounts = rows(capacity, "accounts")
    room = max((width(text(a, "name")) for a in accounts), default=0)
    for account in accounts:
        name = pad(text(account, "name"), min(room, 32))
        lines.append(f"  {name}  {_state(account, color)}{burn(account)}")
    last = capacity.get("lastResort")
    if isinstance(last, Mapping):
        lines.append(f"  last resort  {_last_resort(last)}")
    return lines


def verdict(capacity: Snapshot, color: bool) -> str:
    """The pool in one line."""
    level = text(capacity, "verdict")
    word = paint(level.upper() or UNKNOWN, STYLES.get(level, ""), color)
    line = (
        f"{LAMPS.get(level, '⚪')} {word}  headroom {count(capacity, 'headroom')} session(s)"
        f" · live {count(capacity, 'liveAccounts')}/{count(capacity, 'total')}"
        f" · benched {count(capacity, 'benched')} · warm {count(capacity, 'warmSessions')}"
    )
    held = finite_number(capacity.get("held"))
    if held:
        line += f" · held {held:.0f}"
    wait = finite_number(capacity.get("soonestResetSec"))
    return f"{line} · next free {format_duration(wait)}" if wait else line


def _state(account: Snapshot, color: bool) -> str:
    if account.get("benched"):
        streak = finite_number(account.get("streak"))
        tail = f" (streak {streak:.0f})" if streak else ""
        return paint(f"benched {format_duration(account.get('benchSec'))}{tail}", "warn", color)
    if account.get("nearCap"):
        return paint("near cap", "warn", color)
    if account.get("live"):
        return paint("live", "good", color)
    status = text(account, "status") or UNKNOWN
    reason = text(account, "statusReason") or text(account, "reason")
    return paint(f"{status}: {reason}" if reason else status, status, color)


def burn(account: Snapshot) -> str:
    """` · burn 1.2M/3.4M (5h)`: tokens against the learned cap."""
    spent = finite_number(account.get("burn5h"))
    return "" if spent is None else f" · burn {format_tokens(spent)}/{format_tokens(account.get('capEst5h'))} (5h)"


def _last_resort(last: Snapshot) -> str:
    names = [text(a, "name") for a in rows(last, "accounts")] or [text(last, "name")]
    return ", ".join(name for name in names if name) or UNKNOWN
