"""The status page as lines of text: pure, from the JSON of the running proxy to what a terminal shows.

Every text that came from outside is cleaned; what is unknown is a dash, never a zero; countdowns are measured
from the snapshot's own time.
"""

from __future__ import annotations

from typing import Any, Optional

from .activity import activity_line
from .cells import clean, clip, pad, width
from .figures import UNKNOWN, duration, emoji, epoch, money, number, percent, tokens
from .paint import level, paint
from .reading import Snapshot, count, now, part, rows, text
from .table import Column, table
from .verdict import burn, capacity_lines, verdict

__all__ = ["activity_line", "capacity_lines", "status_lines"]

BAR_CELLS = 8


def status_lines(snapshot: Snapshot, width: int = 100, color: bool = False) -> list[str]:
    """The whole status page; `snapshot` is the answer of GET /teamclaude/status, `width` the terminal's."""
    at = now(snapshot)
    lines = [*_header(snapshot, color), ""]
    lines += [*_accounts(snapshot, at, width, color), ""]
    lines += _sessions(snapshot, width, color)
    issues = _issues(snapshot, width, color)
    return [*lines, "", *issues] if issues else lines


def _header(snapshot: Snapshot, color: bool) -> list[str]:
    system = part(snapshot, "system")
    memory = number(system.get("proxyRssMB"))
    parts = [
        f"up {duration(system.get('proxyUptimeSec'))}",
        f"{memory:.0f} MB" if memory is not None else "",
        "draining" if system.get("draining") else "",
    ]
    title = paint(f"TeamClaude {text(system, 'version')}".rstrip(), "strong", color)
    return [f"{title}  {' · '.join(p for p in parts if p)}", verdict(part(snapshot, "capacity"), color)]


def _accounts(snapshot: Snapshot, at: Optional[float], cells: int, color: bool) -> list[str]:
    accounts = rows(snapshot, "accounts")
    lines = [paint(f"Accounts ({len(accounts)})", "strong", color)]
    room = min(max((width(text(a, "name")) for a in accounts), default=0), 28)
    state_room = min(max((width(_account_state(a)) for a in accounts), default=0), 16)
    for account in accounts:
        mark = "◇" if account.get("type") == "apikey" else "◆"
        state = paint(pad(_account_state(account), state_room), text(account, "status"), color)
        lead = f"{mark} {pad(text(account, 'name'), room)}  {state}"
        lines.append((lead + _bars(account, at, cells - room - state_room - 4, color)).rstrip())
        lines.append(clip(f"  {_account_details(account)}", cells))
    return lines if accounts else [*lines, "  none: the config file names no account"]


def _bars(account: Snapshot, at: Optional[float], cells: int, color: bool) -> str:
    """The account's windows as bars, as many as fit: 5h and 7d, or the fullest limit of an API key."""
    quota, out = part(account, "quota"), ""
    bars = [
        _bar(label, quota.get(f"unified{label}"), quota.get(f"unified{label}Reset"), at)
        for label in ("5h", "7d")
        if account.get("type") != "apikey"
    ]
    for bar in bars or _key_bars(part(quota, "apiKeyLimits"), at):
        cells -= 2 + bar.cells
        if cells >= 0:
            out += "  " + bar.painted(color)
    return out


def _key_bars(limits: Snapshot, at: Optional[float]) -> list[_Bar]:
    known = [(number(part(limits, axis).get("utilization")), axis) for axis in limits]
    fullest = max(((used, axis) for used, axis in known if used is not None), default=None)
    if fullest is None:
        return []
    return [_bar(clean(fullest[1]), fullest[0], part(limits, fullest[1]).get("resetsAt"), at)]


def _account_state(account: Snapshot) -> str:
    status = text(account, "status") or UNKNOWN
    wait = number(account.get("benchSec"))
    return f"{status} {duration(wait)}" if status == "benched" and wait else status


def _account_details(account: Snapshot) -> str:
    usage = part(account, "usage")
    streak = number(account.get("streak"))
    parts = [
        text(account, "statusReason"),
        *_model_windows(part(part(account, "quota"), "axes")),
        f"streak {streak:.0f}" if streak else "",
        f"{count(account, 'inflight')} in flight",
        f"{count(usage, 'requests')} requests",
        f"{tokens(usage.get('tokens'))} tok",
        _cost(usage),
    ]
    return " · ".join(part for part in parts if part) + burn(account)


def _model_windows(axes: Snapshot) -> list[str]:
    """The windows of single model families."""
    scoped = [axis for axis in axes if axis not in ("5h", "7d")]
    return [f"{clean(axis)} {percent(part(axes, axis).get('utilization'))}" for axis in scoped]


def _cost(row: Snapshot) -> str:
    """Dollars; with the tokens of models whose price is unknown, which they leave out."""
    unpriced = number(row.get("unpricedTokens"))
    known = number(row.get("cost")) is not None
    return money(row.get("cost")) + (f" + {tokens(unpriced)} tok unpriced" if known and unpriced else "")


class _Bar:
    """A used share as cells, its percentage and the time to its reset."""

    def __init__(self, label: str, used: Optional[float], left: Optional[float]) -> None:
        self._label, self._used = label, used
        filled = 0 if used is None else min(BAR_CELLS, max(0, round(used * BAR_CELLS)))
        self._fill = "-" * BAR_CELLS if used is None else "█" * filled + "░" * (BAR_CELLS - filled)
        self._tail = f"{percent(used):>4} {duration(left) if left is not None else UNKNOWN:<6}"
        self.cells = len(label) + 1 + BAR_CELLS + 1 + len(self._tail)

    def painted(self, color: bool) -> str:
        style = "dim" if self._used is None else level(self._used)
        return f"{self._label} {paint(self._fill, style, color)} {self._tail}"


def _bar(label: str, used: Any, reset: Any, at: Optional[float]) -> _Bar:
    end = epoch(reset)
    left = end - at if end is not None and at is not None else None
    return _Bar(label, number(used), left if left is None or left > 0 else None)


SESSION_COLUMNS = (
    Column("SESSION", most=24),
    Column("ACCOUNT", most=24),
    Column("MODEL", most=28, spare=3),
    Column("REQ", right=True, spare=1),
    Column("IN", right=True, spare=5),
    Column("OUT", right=True, spare=2),
    Column("CACHE R", right=True, spare=6),
    Column("CACHE W", right=True, spare=4),
    Column("COST", right=True),
    Column("IDLE", right=True),
)


def _sessions(snapshot: Snapshot, cells: int, color: bool) -> list[str]:
    found = sorted(rows(snapshot, "sessionBindings"), key=lambda row: -(number(row.get("tokens")) or 0.0))
    sessions = len({text(row, "sid") for row in found})
    agents = f", {len(found)} conversations" if len(found) > sessions else ""
    title = paint(f"Sessions ({sessions}{agents})", "strong", color)
    if not found:
        return [title, "  none yet"]
    body = [
        [
            _session_name(row),
            text(row, "account") or UNKNOWN,
            text(row, "model") or UNKNOWN,
            count(row, "requests"),
            tokens(row.get("inputTokens")),
            tokens(row.get("outputTokens")),
            tokens(row.get("cacheReadTokens")),
            tokens(row.get("cacheWriteTokens")),
            _cost(row),
            duration(row.get("idleSec")) + ("" if row.get("warm") else " cold"),
        ]
        for row in found
    ]
    return [title, *table(SESSION_COLUMNS, body, cells)]


def _session_name(row: Snapshot) -> str:
    sid = text(row, "sid")
    agent = text(row, "agent")
    name = text(row, "sid8") or sid[:8]
    return f"{emoji(sid)} {name}{'/' + agent[:8] if agent else ''}"


ISSUE_COLUMNS = (
    Column("ISSUE", most=32),
    Column("SESSIONS", right=True),
    Column("REQ", right=True),
    Column("TOKENS", right=True),
    Column("COST", right=True),
)


def _issues(snapshot: Snapshot, cells: int, color: bool) -> list[str]:
    found = rows(snapshot, "usageByIssue")
    if not any(text(row, "issue") for row in found):
        return []  # the accounts above say it all
    body = [
        [
            text(row, "issue") or "no issue",
            count(row, "sessions"),
            count(row, "requests"),
            tokens(row.get("tokens")),
            _cost(row),
        ]
        for row in found
    ]
    return [paint("By issue", "strong", color), *table(ISSUE_COLUMNS, body, cells)]
