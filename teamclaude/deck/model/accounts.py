"""Make the rows of the accounts: the nodes they serve, and their quota windows as bars.

The line of a window is the share of its time that has passed.  An account that has used less has room; one
that has used more reaches 100 % before the reset if it continues at this pace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from ...request_views import AccountTrend
from ...snapshot import AccountView, Snapshot, Window
from ...values import NamedTuple
from ..text.cells import clean, printable
from .conversations import usage_of
from .model import NO_TREND, AccountRow, Node, QuotaBar
from .usage_sum import sum_usage

__all__ = ["accounts_of", "bars_of", "by_burn", "pace_of", "unassigned_of"]


def by_burn(nodes: Iterable[Node]) -> list[Node]:
    """Sort by burn, most first, unknown ones last."""
    return sorted(nodes, key=lambda node: (-node.usage.rank, node.usage.tokens is None, node.key))


def accounts_of(
    snapshot: Snapshot, nodes: Mapping[str, Node], trends: Mapping[str, AccountTrend]
) -> tuple[AccountRow, ...]:
    """Return the accounts with the nodes they serve, most burn first."""
    served: dict[str, list[Node]] = {}
    for node in by_burn(nodes.values()):
        served.setdefault(node.account, []).append(node)
    everything = next((pin.account for pin in snapshot.pins if pin.session is None), "")
    rows = []
    for view in snapshot.accounts:
        own = served.get(clean(view.name), ())
        row = AccountRow(
            printable(view),
            current=bool(view.name) and view.name == snapshot.current_account,
            pinned=bool(view.name) and view.name == everything,
            bars=bars_of(view, snapshot.at),
            nodes=tuple(node.key for node in own),
            live=sum(node.live for node in own),
            usage=sum_usage([node.usage for node in own]),
            lifetime_usage=usage_of(view.usage.usage, view.usage.requests),
            trend=trends.get(view.name, NO_TREND),
        )
        rows.append(row)
    return tuple(sorted(rows, key=lambda row: -row.usage.rank))


def unassigned_of(nodes: Mapping[str, Node], accounts: Iterable[AccountRow]) -> tuple[str, ...]:
    """Return the keys of nodes that no configured account serves, most burn first."""
    names = {account.name for account in accounts}
    return tuple(
        node.key for node in by_burn(nodes.values()) if not node.account or node.account not in names
    )


_HOUR, _DAY = 3600.0, 86400.0
_WINDOW_SEC = {"5h": 5 * _HOUR, "7d": 7 * _DAY}
_LABELS = {"5h": "Ses", "7d": "Wk"}
LINE_TOLERANCE = 0.05  # a difference that the next requests may level out
MIN_ELAPSED_SHARE = 0.05  # of a window's time: before it, the use so far predicts nothing
MAX_AXIS_CHARS = 32


class WindowPace(NamedTuple):
    """The use of a window compared with its line."""

    position: str  # behind, on, ahead; empty: unknown
    full_sec: Optional[float] = None  # seconds to 100 % at this pace; only if ahead


def pace_of(used: Optional[float], left: Optional[float], span: Optional[float]) -> WindowPace:
    """Compare a window's use with its line; `left` seconds to its reset, of `span` in all."""
    if used is None or left is None or span is None or left > span:
        return WindowPace("")
    passed = span - left
    line = passed / span
    if used < line - LINE_TOLERANCE:
        return WindowPace("behind")
    if used <= line + LINE_TOLERANCE:
        return WindowPace("on")
    return WindowPace("ahead", None if line < MIN_ELAPSED_SHARE else max(0.0, (1.0 - used) * passed / used))


def bars_of(account: AccountView, now: float) -> tuple[QuotaBar, ...]:
    """Return `5h`, `7d` and the models' windows (fullest first); for an API key its limits, fullest first."""
    if account.type == "apikey":
        return _sorted(account.quota.api_key_limits, now)
    axes = account.quota.axes
    main = [_bar(axis, axes.get(axis, Window()), now) for axis in _WINDOW_SEC]
    return (*main, *_sorted({axis: axes[axis] for axis in axes if axis not in _WINDOW_SEC}, now))


def _sorted(axes: Mapping[str, Window], now: float) -> tuple[QuotaBar, ...]:
    bars = [_bar(axis, window, now) for axis, window in axes.items()]
    return tuple(sorted(bars, key=lambda bar: (-(-1.0 if bar.used is None else bar.used), bar.axis)))


def _bar(axis: str, window: Window, now: float) -> QuotaBar:
    axis = clean(axis)[:MAX_AXIS_CHARS]
    span, _, scope = axis.partition("_")
    used, end = window.utilization, window.resets_at
    left = end - now if end is not None and end > now else None
    pace = pace_of(used, left, _WINDOW_SEC.get(span))
    return QuotaBar(axis, _LABELS.get(axis) or scope or axis, used, left, pace.position, pace.full_sec)
