"""Quota windows of an account, and how they are read from an answer's headers.

A window is one axis of quota: `5h`, `7d`, a model-scoped axis such as `7d_oi`, or one of the
API-key axes (`requests`, `tokens`, ...).  Rules that hold everywhere:

1. An answer updates only the axes it names.
2. A window dies at its own reset: utilization, status and rejection are unknown afterwards.
3. A reset within 5 s of the stored one is the same window (headers jitter).

Header names and formats as captured from the API: `anthropic-ratelimit-unified-<axis>-<field>`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Optional

from .models import family_of

__all__ = [
    "API_KEY_AXES",
    "FRESH",
    "Reading",
    "Window",
    "Windows",
    "is_scoped",
    "parse_retry_after",
    "read_windows",
]

SAME_WINDOW_SEC = 5.0
REPROBE_SEC = 60.0
LONGEST_WAIT_SEC = 30 * 86400.0

API_KEY_AXES = ("requests", "tokens", "input-tokens", "output-tokens")
_CLAIMS = {
    "five_hour": "5h",
    "seven_day": "7d",
    "seven_day_overage_included": "7d_oi",
    "seven_day_opus": "7d_opus",
    "seven_day_sonnet": "7d_sonnet",
}
# Scope suffix of an axis -> model families; other suffixes name their family themselves.
_SCOPES = {"oi": ("fable", "mythos")}

_PREFIX = "anthropic-ratelimit-"
_UNIFIED_AXIS = re.compile(r"unified-(\d+[a-z]+(?:_\w+)?)-(utilization|reset|status)")
_KEY_AXIS = re.compile(r"(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)")


class Window(NamedTuple):
    """One axis as last seen; None means unknown, which is not 0."""

    utilization: Optional[float] = None
    resets_at: Optional[float] = None  # epoch seconds
    status: Optional[str] = None  # allowed | allowed_warning | rejected
    seen_at: float = 0.0

    @property
    def rejected(self) -> bool:
        return self.status == "rejected"


FRESH = Window()


class Reading(NamedTuple):
    """What one answer said about quota."""

    axes: dict[str, Window]
    status: Optional[str] = None  # of the whole account, when the headers mean the whole account
    retry_after: Optional[float] = None  # seconds

    def rejected_axes(self) -> list[str]:
        """Axes that refuse, named so or visibly full."""
        return [
            axis
            for axis, window in self.axes.items()
            if window.rejected or (window.status is None and (window.utilization or 0.0) >= 1.0)
        ]


def is_scoped(axis: str) -> bool:
    """True for axes that bind only some models."""
    return "_" in axis


class Windows:
    """The windows of one account, by axis."""

    def __init__(self) -> None:
        self._axes: dict[str, Window] = {}
        # Axis -> families seen refused by it, for scopes whose name says nothing to us.
        self.learned_scopes: dict[str, set[str]] = {}

    def get(self, axis: str, now: float) -> Window:
        """The axis as of `now`: FRESH once its reset has passed."""
        window = self._axes.get(axis)
        if window is None:
            return FRESH
        if window.resets_at is not None and window.resets_at <= now:
            return FRESH
        return window

    def live(self, now: float) -> list[tuple[str, Window]]:
        """All axes that have not been reset."""
        return [(axis, w) for axis, w in self._axes.items() if w.resets_at is None or w.resets_at > now]

    def stored(self) -> dict[str, Window]:
        """Everything as stored, for the state file."""
        return dict(self._axes)

    def update(self, axes: dict[str, Window], now: float) -> None:
        """Take over what an answer named; fields it left out keep their value within one window."""
        for axis, new in axes.items():
            old = self.get(axis, now)
            if new.resets_at is not None and new.resets_at <= now:
                self._axes.pop(axis, None)
                continue
            self._axes[axis] = _merge(old, new)

    def covers(self, axis: str, model: Optional[str]) -> bool:
        """True when the model-scoped `axis` binds `model`."""
        if not model:
            return False
        family = family_of(model)
        if family is not None and family in self.learned_scopes.get(axis, ()):
            return True
        scope = axis.partition("_")[2]
        return any(name in model.lower() for name in _SCOPES.get(scope, (scope,)))

    def learn_scope(self, axis: str, model: Optional[str]) -> None:
        """Remember that `axis` refused `model`, whatever the axis is called."""
        family = family_of(model)
        if family is not None and not self.covers(axis, model):
            self.learned_scopes.setdefault(axis, set()).add(family)

    def touch(self, axis: str, now: float) -> None:
        """A probe of a full axis without a known reset starts its next waiting time."""
        window = self._axes.get(axis)
        if window is not None:
            self._axes[axis] = window._replace(seen_at=now)


def _merge(old: Window, new: Window) -> Window:
    same = (
        old.resets_at is None
        or new.resets_at is None
        or abs(old.resets_at - new.resets_at) <= SAME_WINDOW_SEC
    )
    if not same:
        return new
    resets_at = old.resets_at if old.resets_at is not None else new.resets_at
    utilization = new.utilization if new.utilization is not None else old.utilization
    status = new.status if new.status is not None else old.status
    return Window(utilization, resets_at, status, new.seen_at)


# --- reading headers --------------------------------------------------------------------------


def read_windows(headers: Iterable[tuple[str, str]], now: float) -> Reading:
    """Read every quota header of an answer; unreadable values count as absent."""
    fields: dict[str, dict[str, str]] = {}
    unified: dict[str, str] = {}
    retry_after: Optional[float] = None
    for name, value in headers:
        lowered = name.lower()
        if lowered == "retry-after":
            retry_after = parse_retry_after(value, now)
        elif lowered.startswith(_PREFIX):
            rest = lowered[len(_PREFIX) :]
            found = _UNIFIED_AXIS.fullmatch(rest) or _KEY_AXIS.fullmatch(rest)
            if found is not None:
                fields.setdefault(found[1], {})[found[2]] = value.strip()
            elif rest.startswith("unified-"):
                unified[rest[len("unified-") :]] = value.strip()
    axes = {axis: _window(values, now) for axis, values in fields.items()}
    status = _account_status(axes, unified, now)
    return Reading(axes, status, retry_after)


def _window(values: dict[str, str], now: float) -> Window:
    utilization = _fraction(values.get("utilization"))
    limit, remaining = _number(values.get("limit")), _number(values.get("remaining"))
    if limit and remaining is not None:
        utilization = min(1.0, max(0.0, 1.0 - remaining / limit))
    status = values.get("status") or None
    return Window(utilization, _instant(values.get("reset")), status.lower() if status else None, now)


def _account_status(axes: dict[str, Window], unified: dict[str, str], now: float) -> Optional[str]:
    """The top-level status, placed on the axis it is about.

    There are three cases: an axis already carries the same status (nothing to add); 5h and 7d are
    `allowed` although the top says `rejected` (a model-scoped refusal); no axis has a status (the
    representative claim names the axis, else the whole account is meant).
    """
    status = (unified.get("status") or "").lower() or None
    if status != "rejected":
        return status
    if any(window.rejected for window in axes.values()):
        scoped_only = not any(w.rejected for axis, w in axes.items() if not is_scoped(axis))
        return None if scoped_only else status
    both_allowed = [axes[axis].status for axis in ("5h", "7d") if axis in axes and axes[axis].status]
    claim = unified.get("representative-claim", "")
    axis = _CLAIMS.get(claim, claim if is_scoped(claim) else "unified")
    if both_allowed and not is_scoped(axis):
        return None
    known = axes.get(axis, FRESH)
    resets_at = known.resets_at if known.resets_at is not None else _instant(unified.get("reset"))
    axes[axis] = Window(known.utilization, resets_at, "rejected", now)
    return None if is_scoped(axis) else status


def _number(text: Optional[str]) -> Optional[float]:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _fraction(text: Optional[str]) -> Optional[float]:
    value = _number(text)
    # Headers carry fractions (1.13 has been seen); a value this large can only be a percentage.
    return value / 100.0 if value is not None and value > 10.0 else value


def _instant(text: Optional[str]) -> Optional[float]:
    """Epoch seconds from epoch seconds, milliseconds or RFC 3339."""
    if not text:
        return None
    value = _number(text)
    if value is not None:
        return value / 1000.0 if value > 1e11 else value
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def parse_retry_after(text: str, now: float) -> Optional[float]:
    """Seconds to wait, from delta-seconds or an HTTP date; None for nonsense, at most 30 days."""
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = max(0.0, parsedate_to_datetime(text).timestamp() - now)
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
    if not seconds >= 0:
        return None
    return min(seconds, LONGEST_WAIT_SEC)
