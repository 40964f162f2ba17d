"""An account's windows as bars: how full, how long to the reset, and whether it keeps to its line.

The line of a window is the share of its time that has passed: who has used less has room, who has used more
and goes on like that is at 100 % before the reset.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ..text.cells import clean
from ..text.format import epoch_seconds, finite_number
from .model import QuotaBar
from .snapshot import JsonObject, object_at, text_at

__all__ = ["bars_of", "pace_of"]

_HOUR, _DAY = 3600.0, 86400.0
_WINDOW_SEC = {"5h": 5 * _HOUR, "7d": 7 * _DAY}
_LABELS = {"5h": "Ses", "7d": "Wk"}
LINE_TOLERANCE = 0.05  # a difference that the next requests may even out
MIN_ELAPSED_SHARE = 0.05  # of a window's time: what was used until then is no speed to reckon with
MAX_AXIS_CHARS = 32


class WindowPace(NamedTuple):
    position: str  # behind, on, ahead, or empty where it can't be told
    full_sec: Optional[float] = None  # seconds to 100 %, when ahead and it can be told


def pace_of(used: Optional[float], left: Optional[float], span: Optional[float]) -> WindowPace:
    """Where a window stands against its line; `left` seconds to its reset, of `span` in all."""
    if used is None or left is None or span is None or left > span:
        return WindowPace("")
    passed = span - left
    line = passed / span
    if used < line - LINE_TOLERANCE:
        return WindowPace("behind")
    if used <= line + LINE_TOLERANCE:
        return WindowPace("on")
    return WindowPace("ahead", None if line < MIN_ELAPSED_SHARE else max(0.0, (1.0 - used) * passed / used))


def bars_of(account: JsonObject, now: float) -> tuple[QuotaBar, ...]:
    """`5h`, `7d` and the models' windows, fullest first; for an API key its limits, fullest first."""
    quota = object_at(account, "quota")
    if text_at(account, "type") == "apikey":
        return _sorted(object_at(quota, "apiKeyLimits"), now)
    whole = [
        _bar(axis, quota.get(f"unified{axis}"), quota.get(f"unified{axis}Reset"), now) for axis in _WINDOW_SEC
    ]
    axes = object_at(quota, "axes")
    return (*whole, *_sorted({axis: axes[axis] for axis in axes if axis not in _WINDOW_SEC}, now))


def _sorted(axes: JsonObject, now: float) -> tuple[QuotaBar, ...]:
    bars = [
        _bar(axis, object_at(axes, axis).get("utilization"), object_at(axes, axis).get("resetsAt"), now)
        for axis in axes
    ]
    return tuple(sorted(bars, key=lambda bar: (-(-1.0 if bar.used is None else bar.used), bar.axis)))


def _bar(axis: str, utilization: Any, reset: Any, now: float) -> QuotaBar:
    axis = clean(axis)[:MAX_AXIS_CHARS]
    window, _, scope = axis.partition("_")
    used, end = finite_number(utilization), epoch_seconds(reset)
    left = end - now if end is not None and end > now else None
    pace = pace_of(used, left, _WINDOW_SEC.get(window))
    return QuotaBar(axis, _LABELS.get(axis) or scope or axis, used, left, pace.position, pace.full_sec)
