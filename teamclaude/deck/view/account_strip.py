"""Draw the pinned strip: one short line for each account, `▸ bob 5h ▇▇▇░ 37% 2h21m · wk 42% →`.

All cells of a strip have the same columns.  When there are more accounts than cells, the tightest ones have
a cell, and the last line names the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ...outlook_views import ForecastView
from ...values import NamedTuple
from ..model.model import AccountRow, QuotaBar
from ..text.cells import width
from ..text.format import UNKNOWN, format_duration, format_percent
from ..text.names import distinct_names
from ..text.spans import Line, Span, clip_line, join_lines, line, line_width, usage_style
from ..text.sparkline import sparkline
from .accounts import ARROWS, STATES
from .wording import cell, forecast_text, short_time

__all__ = ["strip_lines"]

TWO_COLUMNS_FROM = 76  # cells of the screen
BETWEEN = 2  # cells between two columns
MAX_NAME = 24
BAR_CELLS = 4
USED, BURN = " 60m ", " burn "  # labels of the sparklines
MINUTES = MAX_SPARK = 60
FORECAST_CELLS = 22  # ` 100% dry from Tue 15:10`
NO_BAR = QuotaBar("", "")


class _Columns(NamedTuple):
    """Cells of the parts of one account; 0: it is not shown."""

    name: int
    bar: int
    reset: int
    arrow: int
    forecast: int
    used: int  # the sparklines of the last hour: use of the 5h window,
    burn: int  # and burn


def strip_lines(accounts: Sequence[AccountRow], room: int, most: int, now: float) -> list[Line]:
    """Return at most `most` lines of at most `room` cells."""
    if not accounts or most <= 0:
        return []
    by_name = sorted(accounts, key=lambda account: account.name)
    columns = 2 if room >= TWO_COLUMNS_FROM and len(by_name) > 1 else 1
    lines_needed = -(-len(by_name) // columns)
    if lines_needed <= most:
        return _cells(by_name, columns, room, now)
    tightest = sorted(by_name, key=lambda account: -_tightness(account))
    places = (most - 1) * columns
    shown = sorted(tightest[:places], key=lambda account: account.name)
    return [*_cells(shown, columns, room, now), _others(tightest[places:], by_name, room)]


def _tightness(account: AccountRow) -> float:
    """Return the largest used share of an account that serves; the others follow."""
    used = max((bar.used for bar in account.bars if bar.used is not None), default=0.0)
    return used + {"active": 30.0, "benched": 20.0, "auth_failed": 10.0}.get(account.status, 0.0)


def _cells(accounts: Sequence[AccountRow], columns: int, room: int, now: float) -> list[Line]:
    """Return the accounts in columns, from top to bottom."""
    if not accounts:
        return []
    each = (room - BETWEEN * (columns - 1)) // columns
    names = distinct_names((account.name for account in accounts), MAX_NAME)
    sizes = _columns(max(map(width, names.values())), each, accounts)
    names = distinct_names((account.name for account in accounts), sizes.name)
    height = -(-len(accounts) // columns)
    lines = []
    for row in range(height):
        parts: list[Span] = []
        for account in accounts[row::height]:
            if parts:
                parts.append(Span(" " * (each + BETWEEN - line_width(parts) % (each + BETWEEN))))
            parts += clip_line(_account(account, names[account.name], sizes, now), each)
        lines.append(tuple(parts))
    return lines


def _columns(names: int, room: int, accounts: Sequence[AccountRow]) -> _Columns:
    """Return the columns that fit into `room` cells, by priority."""
    left = room - 2 - len(" 5h") - 5 - len(" · wk") - 5 - min(names, 8)

    def take(wanted: int) -> int:
        nonlocal left
        if left < wanted:
            return 0
        left -= wanted
        return wanted

    arrow, reset, bar = take(2), take(7), take(1 + BAR_CELLS)
    name = min(names, 8) + take(max(0, min(names, 12) - 8))
    foreseen = any(_forecast(account) for account in accounts)
    forecast = take(FORECAST_CELLS) if foreseen else 0
    arrow += take(3) if arrow else 0
    used = take(len(USED) + 12) if any(len(account.trend.used_5h) > 1 for account in accounts) else 0
    name += take(max(0, names - name))
    burn = take(len(BURN) + 12) if used and any(any(account.trend.burn) for account in accounts) else 0
    if burn:  # the rest of the line, up to one cell a minute
        more = min(left // 2, MAX_SPARK - 12)
        used, burn = used + more, burn + more
    return _Columns(name, bar, reset, arrow, forecast, used, burn)


def _account(account: AccountRow, name: str, sizes: _Columns, now: float) -> Line:
    word, style = STATES.get(account.status, (account.status, ""))
    mark = "▸" if account.current else "◇" if account.view.type == "apikey" else "◆"
    out = [
        Span(f"{mark} ", style),
        cell(name, sizes.name, "accent strong" if account.pinned else "strong" if account.current else ""),
    ]
    first, week = _bars(account)
    if account.status == "active":
        out += _window(" 5h" if first.axis in ("5h", "") else " " + first.label[:2], first, sizes)
    else:
        left = account.view.bench_sec
        shown = f" {word} {format_duration(left)}" if left and account.status == "benched" else f" {word}"
        out.append(cell(shown, 3 + sizes.bar + 5 + sizes.reset, style))
    if week is NO_BAR:
        out.append(Span(" " * 10))
    else:
        out += [Span(" · wk", "dim"), _percent(week)]
    if sizes.arrow:
        arrow, arrow_style = ARROWS.get(week.pace, ("", ""))
        full = short_time(week.full_sec) if sizes.arrow > 2 else ""
        out.append(cell(f" {arrow}{full}", sizes.arrow, arrow_style))
    if sizes.forecast:
        out.append(cell(f" {forecast_text(_forecast(account), now)}", sizes.forecast, "warn"))
    if sizes.used:
        out += _spark(USED, account.trend.used_5h, sizes.used, 1.0)
    if sizes.burn:
        out += _spark(BURN, account.trend.burn, sizes.burn)
    return tuple(out)


def _spark(label: str, values: Sequence[float], cells: int, highest: Optional[float] = None) -> list[Span]:
    """Return a sparkline that ends at the right: the minutes before the records begin are blank."""
    if not any(values):
        return [Span(" " * cells)]
    room = cells - len(label)
    known = -(-room * len(values) // MINUTES)
    return [Span(label, "dim"), cell(sparkline(values, known, highest), room, "accent", right=True)]


def _bars(account: AccountRow) -> tuple[QuotaBar, QuotaBar]:
    """Return the 5h window and the week; of an API key its fullest limit and nothing."""
    by_axis = {bar.axis: bar for bar in account.bars}
    if account.view.type == "apikey":
        return (account.bars[0] if account.bars else NO_BAR), NO_BAR
    return by_axis.get("5h", NO_BAR), by_axis.get("7d", NO_BAR)


def _window(label: str, bar: QuotaBar, sizes: _Columns) -> list[Span]:
    out = [cell(label, 3, "dim")]
    style = "dim" if bar.used is None else usage_style(bar.used)
    if sizes.bar:
        used = bar.used or 0.0
        filled = min(BAR_CELLS, max(1 if used > 0 else 0, round(used * BAR_CELLS)))
        filled = min(filled, BAR_CELLS - 1) if used < 0.95 else filled
        out += [Span(" " + "▇" * filled, style), Span("░" * (BAR_CELLS - filled), "dim")]
    out.append(_percent(bar))
    if sizes.reset:
        left = "" if bar.reset_sec is None else format_duration(bar.reset_sec)
        out.append(cell(f" {left}", sizes.reset, "dim"))
    return out


def _percent(bar: QuotaBar) -> Span:
    return Span(f"{format_percent(bar.used):>5}", "dim" if bar.used is None else usage_style(bar.used))


def _forecast(account: AccountRow) -> Optional[ForecastView]:
    """Return the forecast of the window that ends first, if one can be told."""
    known = [view for view in account.view.forecast.values() if view.p10 is not None]
    return min(known, key=lambda view: view.p10 or 0.0, default=None)


def _others(accounts: Sequence[AccountRow], every: Sequence[AccountRow], room: int) -> Line:
    """Return `also dave 31% · erin 12% · paid login · +3`: the tightest of those without a cell."""
    names = distinct_names((account.name for account in every), 12)
    parts = []
    for account in accounts:
        used = max((bar.used for bar in account.bars if bar.used is not None), default=None)
        word, style = STATES.get(account.status, (account.status, ""))
        value = (format_percent(used), usage_style(used)) if used is not None else (UNKNOWN, "dim")
        parts.append(line(f"{names[account.name]} ", value if account.status == "active" else (word, style)))
    lead = len(every) > len(accounts)
    for count in range(len(parts), -1, -1):
        rest = line((f"+{len(parts) - count}", "dim")) if count < len(parts) else ()
        shown = join_lines([*parts[:count], rest])
        whole = (Span("also ", "dim"), *shown) if lead else shown
        if line_width(whole) <= room:
            return whole
    return ()
