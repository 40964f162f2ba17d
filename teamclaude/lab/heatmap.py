"""How full each account's two windows were, hour by hour: as lines for a terminal, or as an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .api_model import ApiAccount, ApiWindow
from .workload import WEEK_SEC

__all__ = ["Heatmap", "heatmap_lines", "heatmap_svg"]

HOUR_SEC = 3600.0
HOURS_OF_DAY, HOURS_OF_WEEK = 24, int(WEEK_SEC // HOUR_SEC)
AXES = ("5h", "7d")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
GLYPHS = " .:-=+*#%@"  # empty to nearly full
FULL = "X"  # refuses work
# Colours of the 256 that terminals have, and the same for SVG: green over yellow to red, full in white.
TERMINAL_COLOURS = (22, 28, 34, 70, 106, 142, 178, 172, 166, 160)
SVG_COLOURS = (
    "#12331c", "#1f5a2e", "#2f7d3c", "#5f9440", "#8ea83f",
    "#bdb23c", "#d99a35", "#d9782f", "#d1502b", "#c02626",
)  # fmt: skip
FULL_TERMINAL_COLOUR, FULL_SVG_COLOUR = 231, "#ffffff"
CELL_W, ROW_H, LEFT, TOP = 3, 14, 90, 34


class Heatmap:
    """Used shares (0-1) per account and axis, one per virtual hour."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[float]] = {}

    def record(self, now: float, api_accounts: dict[str, ApiAccount]) -> None:
        """Record the state at `now`, and that of the hours before it in which nothing happened."""
        for name, api_account in api_accounts.items():
            for window in api_account.windows:
                if window.axis in AXES:
                    row = self.rows.setdefault((name, window.axis), [])
                    for hour in range(len(row), int(now // HOUR_SEC) + 1):
                        row.append(_used(api_account, window, min(now, (hour + 1) * HOUR_SEC)))


def _used(api_account: ApiAccount, window: ApiWindow, at: float) -> float:
    if at >= api_account.login_lost_at:
        return 1.0
    return min(1.0, window.used / window.size) if at < window.resets_at else 0.0


def heatmap_lines(heatmap: Heatmap, width: int, colour: bool) -> list[str]:
    """Return two lines per account, each column as full as its fullest hour; a ruler of days above."""
    room = max((len(name) for name, _ in heatmap.rows), default=0)
    hours = max((len(row) for row in heatmap.rows.values()), default=0)
    step = max(1, -(-hours // max(10, width - room - 4)))
    lines = [" " * (room + 4) + _ruler(hours, step)]
    for (name, axis), row in heatmap.rows.items():
        cells = [max(row[at : at + step]) for at in range(0, len(row), step)]
        label = name if axis == AXES[0] else ""
        lines.append(f"{label:<{room}} {axis} " + "".join(_cell(used, colour) for used in cells))
    return lines


def _ruler(hours: int, step: int) -> str:
    line = ""
    for day in range(-(-hours // HOURS_OF_DAY)):
        place = day * HOURS_OF_DAY // step
        if place >= len(line):
            line += " " * (place - len(line)) + DAYS[day % 7] + " "
    return line.rstrip()


def _cell(used: float, colour: bool) -> str:
    level = _level(used)
    if not colour:
        return FULL if level is None else GLYPHS[level]
    return f"\x1b[48;5;{FULL_TERMINAL_COLOUR if level is None else TERMINAL_COLOURS[level]}m \x1b[0m"


def _level(used: float) -> int | None:
    """Return 0 to 9, or None: full."""
    return None if used >= 1.0 else min(9, int(used * 10))


def heatmap_svg(heatmaps: Sequence[tuple[str, Heatmap]]) -> str:
    """Draw one block of rows per heatmap, under its title."""
    parts, y, width = [], 0, LEFT
    for title, heatmap in heatmaps:
        hours = max((len(row) for row in heatmap.rows.values()), default=0)
        width = max(width, LEFT + CELL_W * hours + 10)
        parts.append(_text(8, y + 16, title, 13))
        for day in range(-(-hours // HOURS_OF_DAY)):
            parts.append(_text(LEFT + CELL_W * HOURS_OF_DAY * day, y + TOP - 4, DAYS[day % 7], 9))
        y += TOP
        for (name, axis), row in heatmap.rows.items():
            parts.append(_text(8, y + 11, f"{name} {axis}", 11))
            parts.extend(_bars(row, y))
            y += ROW_H + (6 if axis == AXES[-1] else 1)
        y += 10
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" font-family="monospace">\n'
        f'<rect width="{width}" height="{y}" fill="#161616"/>\n{body}\n</svg>\n'
    )


def _bars(row: Sequence[float], y: int) -> list[str]:
    """Return runs of hours of the same level as one rectangle each."""
    found = []
    begin = 0
    for hour in range(1, len(row) + 1):
        if hour < len(row) and _level(row[hour]) == _level(row[begin]):
            continue
        level = _level(row[begin])
        paint = FULL_SVG_COLOUR if level is None else SVG_COLOURS[level]
        x, length = LEFT + CELL_W * begin, CELL_W * (hour - begin)
        found.append(f'<rect x="{x}" y="{y}" width="{length}" height="{ROW_H}" fill="{paint}"/>')
        begin = hour
    return found


def _text(x: int, y: int, words: str, size: int) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="#dddddd">{escape(words)}</text>'
