"""Quota windows of an account, and what one response says of them.

A window is one axis of quota: `5h`, `7d`, a model-scoped axis such as `7d_oi`, or one of the API-key axes
(`requests`, `tokens`, ...).  Rules that hold everywhere:

1. A response updates only the axes it names.
2. A window ends at its own reset: utilization, status and rejection are unknown afterwards.
3. A reset within 5 s of the stored one is the same window (headers jitter).
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Callable, Optional

from ...snapshot import Window
from ...values import NamedTuple
from .model_prices import FAMILIES, family_of

__all__ = [
    "API_KEY_AXES",
    "MAX_UTILIZATION",
    "MAX_WINDOW_SEC",
    "NO_AXIS",
    "UNKNOWN_WINDOW",
    "WHOLE_ACCOUNT",
    "Overage",
    "QuotaReading",
    "Window",
    "Windows",
    "is_plausible_reset",
    "is_scoped",
    "is_used_up",
    "latest_time",
    "scope_of_family",
    "span_sec",
]

SAME_WINDOW_SEC = 5.0
REPROBE_SEC = 60.0  # a full window whose reset nobody names is probed this often
MAX_WAIT_SEC = 30 * 86400.0
# No quota is refused for longer than its window, and no window is longer than a week.
MAX_WINDOW_SEC = 7 * 86400.0
CLOCK_SKEW_SEC = 3600.0  # by which our clock may be behind the API's
UNKNOWN_SPAN_SEC = 3600.0
MAX_UTILIZATION = 10.0  # it may exceed 1 (1.13 has been seen); what is larger is no share

API_KEY_AXES = ("requests", "tokens", "input-tokens", "output-tokens")
# Stands for the whole account where a refusal names no axis.
WHOLE_ACCOUNT = "unified"
NO_AXIS = ""  # of what is no window, as extra usage
_UNIT_SEC = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
# Scope suffix of an axis -> model families; other suffixes name their family themselves.
_SCOPES = {"oi": ("fable", "mythos")}


UNKNOWN_WINDOW = Window()


class Overage(NamedTuple):
    """What one response said of extra usage, which is paid for once a window is full.

    Names as captured: `anthropic-ratelimit-unified-overage-{status,in-use,disabled-reason,reset}` and the
    representative claim `overage`.
    """

    allowed: bool = False  # allowed, or in use already
    refuses: bool = False  # the refusal is about extra usage
    disabled_reason: str = ""
    resets_at: Optional[float] = None  # epoch seconds


class QuotaReading(NamedTuple):
    """What one response said about quota."""

    axes: dict[str, Window]
    status: Optional[str] = None  # of the whole account, when the headers mean the whole account
    retry_after: Optional[float] = None  # seconds
    overage: Optional[Overage] = None  # None: not mentioned

    def rejected_axes(self) -> list[str]:
        """Return the axes that refuse: named so, or visibly full."""
        return [
            axis
            for axis, window in self.axes.items()
            if window.rejected or (window.status is None and (window.utilization or 0.0) >= 1.0)
        ]


def is_scoped(axis: str) -> bool:
    """Return whether the axis binds only some models."""
    return "_" in axis


def is_used_up(axis: str, window: Window, full: float) -> bool:
    """Return whether the axis refuses, or is used up from the utilization `full` on.

    A subscription's axes are rounded and go beyond 1; those of an API key are exact and end at 1.
    """
    used = window.utilization or 0.0
    return window.rejected or used >= full or (used >= 1.0 and axis in API_KEY_AXES)


class Windows:
    """The windows of one account, by axis."""

    def __init__(self) -> None:
        self.axes: dict[str, Window] = {}  # also of those that have been reset
        # The highest utilization, also of axes that have been reset; inf for one that is used up whatever the
        # threshold, or that its owner may limit to less.  While it is low no axis can be full: asked three
        # times per request, that took 4 us of it.
        self.peak = 0.0
        self._floor: Optional[Callable[[str], float]] = None  # axis -> what its owner may limit it to
        self.scoped: tuple[str, ...] = ()  # those of `axes` that bind only some models
        # Axis -> the last reset that a response named (epoch seconds), also when it has passed.
        self.resets: dict[str, float] = {}
        # Axis -> families (of an unknown family: models) seen refused by it, where its name says nothing.
        self.learned_scopes: dict[str, set[str]] = {}

    def get(self, axis: str, now: float) -> Window:
        """Return the axis as of `now`: UNKNOWN_WINDOW once its reset has passed."""
        window = self.axes.get(axis)
        if window is None:
            return UNKNOWN_WINDOW
        if window.resets_at is not None and window.resets_at <= now:
            return UNKNOWN_WINDOW
        return window

    def live(self, now: float) -> list[tuple[str, Window]]:
        """Return the axes that have not been reset."""
        return [(axis, w) for axis, w in self.axes.items() if w.resets_at is None or w.resets_at > now]

    def update(self, axes: dict[str, Window], now: float) -> None:
        """Take over what a response named; fields it left out keep their value within one window."""
        for axis, new in axes.items():
            old = self.get(axis, now)
            if new.resets_at is not None:
                self.resets[axis] = new.resets_at
            if new.resets_at is not None and new.resets_at <= now:
                self.axes.pop(axis, None)
                continue
            self.axes[axis] = _merge(old, new)
        self._update_peak()

    def covers(self, axis: str, model: Optional[str]) -> bool:
        """Return whether the model-scoped `axis` binds `model`."""
        if not model:
            return False
        lowered = model.lower()
        if (family_of(model) or lowered) in self.learned_scopes.get(axis, ()):
            return True
        scope = axis.partition("_")[2]
        return any(_names_model(name, lowered) for name in _SCOPES.get(scope, (scope,)))

    def scoped_use(self, model: Optional[str], now: float) -> float:
        """Return the highest utilization of the axes that bind `model` and not all; 0 without any."""
        used = (self.get(axis, now).utilization for axis in self.scoped if self.covers(axis, model))
        return max((u for u in used if u is not None), default=0.0)

    def learn_scope(self, axis: str, model: Optional[str]) -> None:
        """Remember that `axis` refused `model`, whatever the axis is called."""
        if model and not self.covers(axis, model):
            self.learned_scopes.setdefault(axis, set()).add(family_of(model) or model.lower())

    def mark_probed(self, axis: str, now: float) -> None:
        """Begin the next waiting time of a full axis without a known reset: it is being probed."""
        window = self.axes.get(axis)
        if window is not None:
            self.axes[axis] = window._replace(seen_at=now)

    def drop(self, axis: str) -> None:
        """Forget the axis."""
        self.axes.pop(axis, None)
        self._update_peak()

    def drop_full(self, full: float) -> None:
        """Forget the axes that refuse or are full: the next response names them again."""
        for axis, window in list(self.axes.items()):
            if window.rejected or (window.utilization or 0.0) >= full:
                del self.axes[axis]
        self._update_peak()

    def limit_by(self, floor: Optional[Callable[[str], float]]) -> None:
        """Take over the lowest utilization at which an axis may count as full; None: no axis has one."""
        self._floor = floor
        self._update_peak()

    def _update_peak(self) -> None:
        self.peak = 0.0
        self.scoped = tuple(filter(is_scoped, self.axes))
        for axis, window in self.axes.items():
            spent = is_used_up(axis, window, math.inf if self._floor is None else self._floor(axis))
            self.peak = max(self.peak, math.inf if spent else window.utilization or 0.0)

    def clock_moved_back(self, now: float) -> None:
        """Treat what was seen after `now` as if it was seen now: the clock moved back."""
        self.axes = {a: w._replace(seen_at=min(w.seen_at, now)) for a, w in self.axes.items()}


def scope_of_family(family: str) -> str:
    """Return the scope suffix of the axis that binds a model family."""
    return next((scope for scope, families in _SCOPES.items() if family in families), family)


def _names_model(scope: str, model: str) -> bool:
    """Return whether a scope names this (lower-case) model: by family, or by words of its id."""
    if scope in FAMILIES:
        return scope in model
    # Whole words: `cl` is no name for every `claude-...`.
    return set(scope.split("_")) <= set(re.split(r"[^a-z0-9]+", model))


def _merge(old: Window, new: Window) -> Window:
    same = (
        old.resets_at is None
        or new.resets_at is None
        or abs(old.resets_at - new.resets_at) <= SAME_WINDOW_SEC
    )
    # One that refuses, and whose reset nobody has named: what names a reset and a use may be of another.
    is_named_now = old.rejected and old.resets_at is None and None not in (new.resets_at, new.utilization)
    if not same or is_named_now:
        return new
    resets_at = old.resets_at if old.resets_at is not None else new.resets_at
    utilization = new.utilization if new.utilization is not None else old.utilization
    status = new.status if new.status is not None else old.status
    return Window(utilization, resets_at, status, new.seen_at)


@lru_cache(maxsize=64)
def named_span_sec(axis: str) -> Optional[float]:
    """Return the length of a window as its axis names it: `5h`, `7d_opus`; None: it names none."""
    found = re.match(r"(\d{1,3})([mhdw])(?:_|$)", axis)
    return int(found[1]) * _UNIT_SEC[found[2]] if found else None


def span_sec(axis: str) -> float:
    """Return the length of a window, a guess where its axis names none (`tokens` of an API key)."""
    return named_span_sec(axis) or UNKNOWN_SPAN_SEC


def is_plausible_reset(axis: str, at: float, now: float) -> bool:
    """Return whether a window can be reset as late as that: a later reset would lose the account till then.

    None is further away than the window is long (the longest, a week, where the axis names no length), but
    for clocks that differ.  NO_AXIS: up to a month.
    """
    length = named_span_sec(axis) or MAX_WINDOW_SEC if axis else MAX_WAIT_SEC
    return at <= now + min(length, MAX_WAIT_SEC) + CLOCK_SKEW_SEC


def latest_time(now: float) -> float:
    """Return the latest time (epoch seconds) that anything known `now` can name: a month away."""
    return now + MAX_WAIT_SEC + CLOCK_SKEW_SEC
