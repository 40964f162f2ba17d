"""Format the answer of GET /capacity: whether the accounts can take more work."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.snapshot import JsonObject, count_at, objects_at, text_at
from ..text.cells import pad, width
from ..text.format import UNKNOWN, finite_number, format_duration, format_tokens
from ..text.spans import colored

__all__ = ["burn_text", "capacity_lines", "pool_line"]

ICONS = {"green": "🟢", "yellow": "🟡", "red": "🔴"}
STYLES = {"green": "good", "yellow": "warn", "red": "bad"}


def capacity_lines(capacity: JsonObject, color: bool = False) -> list[str]:
    """Return the verdict, and one line per account, of an answer of GET /capacity."""
    lines = [pool_line(capacity, color)]
    accounts = objects_at(capacity, "accounts")
    room = max((width(text_at(a, "name")) for a in accounts), default=0)
    for account in accounts:
        name = pad(text_at(account, "name"), min(room, 32))
        lines.append(f"  {name}  {_account_state(account, color)}{burn_text(account)}")
    last = capacity.get("lastResort")
    if isinstance(last, Mapping):
        lines.append(f"  last resort  {_last_resort(last)}")
    return lines


def pool_line(capacity: JsonObject, color: bool) -> str:
    """Return the verdict and the totals in one line."""
    level = text_at(capacity, "verdict")
    word = colored(level.upper() or UNKNOWN, STYLES.get(level, ""), color)
    line = (
        f"{ICONS.get(level, '⚪')} {word}  headroom {count_at(capacity, 'headroom')} session(s)"
        f" · live {count_at(capacity, 'liveAccounts')}/{count_at(capacity, 'total')}"
        f" · benched {count_at(capacity, 'benched')} · warm {count_at(capacity, 'warmSessions')}"
    )
    held = finite_number(capacity.get("held"))
    if held:
        line += f" · held {held:.0f}"
    wait = finite_number(capacity.get("soonestResetSec"))
    return f"{line} · next free {format_duration(wait)}" if wait else line


def _account_state(account: JsonObject, color: bool) -> str:
    if account.get("benched"):
        streak = finite_number(account.get("streak"))
        tail = f" (streak {streak:.0f})" if streak else ""
        return colored(f"benched {format_duration(account.get('benchSec'))}{tail}", "warn", color)
    if account.get("nearCap"):
        return colored("near cap", "warn", color)
    if account.get("live"):
        return colored("live", "good", color)
    status = text_at(account, "status") or UNKNOWN
    reason = text_at(account, "statusReason") or text_at(account, "reason")
    return colored(f"{status}: {reason}" if reason else status, status, color)


def burn_text(account: JsonObject) -> str:
    """Return ` · burn 1.2M/3.4M (5h)`: tokens against the learned cap."""
    spent = finite_number(account.get("burn5h"))
    return (
        ""
        if spent is None
        else f" · burn {format_tokens(spent)}/{format_tokens(account.get('capEst5h'))} (5h)"
    )


def _last_resort(last: JsonObject) -> str:
    names = [text_at(a, "name") for a in objects_at(last, "accounts")] or [text_at(last, "name")]
    return ", ".join(name for name in names if name) or UNKNOWN
