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
from functools import lru_cache
from typing import NamedTuple, Optional

from ...snapshot import Window
from .model_prices import FAMILIES, family_of

__all__ = [
    "API_KEY_AXES",
    "MAX_WINDOW_SEC",
    "UNKNOWN_WINDOW",
    "Overage",
    "QuotaReading",
    "Window",
    "Windows",
    "is_plausible_reset",
    "is_quota_header",
    "is_scoped",
    "is_used_up",
    "parse_retry_after",
    "read_windows",
]

SAME_WINDOW_SEC = 5.0
REPROBE_SEC = 60.0
MAX_WAIT_SEC = 30 * 86400.0
# No quota is refused for longer than its window, and none of them is longer than a week.
MAX_WINDOW_SEC = 7 * 86400.0

API_KEY_AXES = ("requests", "tokens", "input-tokens", "output-tokens")
# Stands for the whole account where a refusal names no axis.
WHOLE_ACCOUNT = "unified"
# A representative claim names its axis in words: `seven_day_sonnet` is `7d_sonnet`.
_CLAIM = re.compile(r"(five_hour|seven_day)(?:_(\w+))?")
_CLAIMED_SPANS = {"five_hour": "5h", "seven_day": "7d"}
_CLAIMED_SCOPES = {"overage_included": "oi"}
# Scope suffix of an axis -> model families; other suffixes name their family themselves.
_SCOPES = {"oi": ("fable", "mythos")}

_PREFIX = "anthropic-ratelimit-"
_UNIFIED_AXIS = re.compile(r"unified-(\d+[a-z]+(?:_\w+)?)-(utilization|reset|status)")
_KEY_AXIS = re.compile(r"(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)")


UNKNOWN_WINDOW = Window()


class Overage(NamedTuple):
    """What one answer said of extra usage, which is paid for once a window is full.

    Names as captured: `anthropic-ratelimit-unified-overage-{status,in-use,disabled-reason,reset}` and the
    representative claim `overage`.
    """

    allowed: bool = False  # allowed, or in use already
    refuses: bool = False  # the refusal is about extra usage
    disabled_reason: str = ""
    resets_at: Optional[float] = None  # epoch seconds


class QuotaReading(NamedTuple):
    """What one answer said about quota."""

    axes: dict[str, Window]
    status: Optional[str] = None  # of the whole account, when the headers mean the whole account
    retry_after: Optional[float] = None  # seconds
    overage: Optional[Overage] = None  # None: not mentioned

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


def is_used_up(axis: str, window: Window, full: float) -> bool:
    """The axis refuses, or is used up from `full` on.

    A subscription's axes are rounded and go beyond 1; those of an API key are exact and end at 1.
    """
    used = window.utilization or 0.0
    return window.rejected or used >= full or (used >= 1.0 and axis in API_KEY_AXES)


class Windows:
    """The windows of one account, by axis."""

    def __init__(self) -> None:
        self._axes: dict[str, Window] = {}
        # The highest utilization, inf for what is spent whatever the threshold, of axes also when they have
        # been reset.  While it is low no axis can be full: asked three times per request, it took 4 us of it.
        self.peak = 0.0
        # Axis -> the last reset an answer named (epoch seconds), also when it has passed.
        self.resets: dict[str, float] = {}
        # Axis -> families (of an unknown family: models) seen refused by it, where its name says nothing.
        self.learned_scopes: dict[str, set[str]] = {}

    def get(self, axis: str, now: float) -> Window:
        """The axis as of `now`: FRESH once its reset has passed."""
        window = self._axes.get(axis)
        if window is None:
            return UNKNOWN_WINDOW
        if window.resets_at is not None and window.resets_at <= now:
            return UNKNOWN_WINDOW
        return window

    def live(self, now: float) -> list[tuple[str, Window]]:
        """All axes that have not been reset."""
        return [(axis, w) for axis, w in self._axes.items() if w.resets_at is None or w.resets_at > now]

    def update(self, axes: dict[str, Window], now: float) -> None:
        """Take over what an answer named; fields it left out keep their value within one window."""
        for axis, new in axes.items():
            old = self.get(axis, now)
            if new.resets_at is not None:
                self.resets[axis] = new.resets_at
            if new.resets_at is not None and new.resets_at <= now:
                self._axes.pop(axis, None)
                continue
            self._axes[axis] = _merge(old, new)
        self._update_peak()

    def last_reset(self, axis: str, now: float) -> Optional[float]:
        """The last reset of the axis known to have passed, or None."""
        reset = self.resets.get(axis)
        return reset if reset is not None and reset <= now else None

    def covers(self, axis: str, model: Optional[str]) -> bool:
        """True when the model-scoped `axis` binds `model`."""
        if not model:
            return False
        lowered = model.lower()
        if (family_of(model) or lowered) in self.learned_scopes.get(axis, ()):
            return True
        scope = axis.partition("_")[2]
        return any(_names_model(name, lowered) for name in _SCOPES.get(scope, (scope,)))

    def learn_scope(self, axis: str, model: Optional[str]) -> None:
        """Remember that `axis` refused `model`, whatever the axis is called."""
        if model and not self.covers(axis, model):
            self.learned_scopes.setdefault(axis, set()).add(family_of(model) or model.lower())

    def mark_probed(self, axis: str, now: float) -> None:
        """A probe of a full axis without a known reset starts its next waiting time."""
        window = self._axes.get(axis)
        if window is not None:
            self._axes[axis] = window._replace(seen_at=now)

    def drop(self, axis: str) -> None:
        """Nothing is known of this axis any more."""
        self._axes.pop(axis, None)
        self._update_peak()

    def drop_full(self, full: float) -> None:
        """Forget the axes that refuse or are full: the next answer tells anew."""
        for axis, window in list(self._axes.items()):
            if window.rejected or (window.utilization or 0.0) >= full:
                del self._axes[axis]
        self._update_peak()

    def _update_peak(self) -> None:
        self.peak = 0.0
        for axis, window in self._axes.items():
            spent = is_used_up(axis, window, math.inf)
            self.peak = max(self.peak, math.inf if spent else window.utilization or 0.0)

    def clock_moved_back(self, now: float) -> None:
        """The clock was set back to `now`: what was seen after it was seen now."""
        self._axes = {a: w._replace(seen_at=min(w.seen_at, now)) for a, w in self._axes.items()}


def _names_model(scope: str, model: str) -> bool:
    """True when the scope of an axis names this (lower-case) model: by family, or by words of its id."""
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
    if not same:
        return new
    resets_at = old.resets_at if old.resets_at is not None else new.resets_at
    utilization = new.utilization if new.utilization is not None else old.utilization
    status = new.status if new.status is not None else old.status
    return Window(utilization, resets_at, status, new.seen_at)


# --- reading headers --------------------------------------------------------------------------


def read_windows(headers: Iterable[tuple[str, str]], now: float) -> QuotaReading:
    """Read every quota header of an answer; unreadable values count as absent."""
    fields: dict[str, dict[str, str]] = {}
    unified: dict[str, str] = {}
    retry_after: Optional[float] = None
    for name, value in headers:
        axis, field = _axis_and_field(name)
        if not field:
            continue
        if axis == WHOLE_ACCOUNT:
            unified[field] = value.strip()
        elif axis:
            fields.setdefault(axis, {})[field] = value.strip()
        else:
            retry_after = parse_retry_after(value, now)
    if not fields and not unified:
        return QuotaReading({}, None, retry_after)
    axes = {axis: _window(values, now) for axis, values in fields.items()}
    status = _attribute_status(axes, unified, now)
    return QuotaReading(axes, status, retry_after, _overage(unified, now))


def is_quota_header(name: str) -> bool:
    """Whether `read_windows` looks at a header of this name."""
    return _axis_and_field(name)[1] != ""


@lru_cache(maxsize=256)  # 10 us less for an answer of the API, which spells its fields always the same
def _axis_and_field(name: str) -> tuple[str, str]:
    """The axis (or the whole account) and the field of a header; "" and retry-after; no field: nothing."""
    lowered = name.lower()
    if lowered == "retry-after":
        return "", lowered
    if not lowered.startswith(_PREFIX):
        return "", ""
    rest = lowered[len(_PREFIX) :]
    found = _UNIFIED_AXIS.fullmatch(rest) or _KEY_AXIS.fullmatch(rest)
    if found is not None:
        return found[1], found[2]
    return WHOLE_ACCOUNT, rest[len("unified-") :] if rest.startswith("unified-") else ""


def _window(values: dict[str, str], now: float) -> Window:
    utilization = _fraction(values.get("utilization"))
    limit, remaining = _number(values.get("limit")), _number(values.get("remaining"))
    if limit and remaining is not None:
        utilization = min(1.0, max(0.0, 1.0 - remaining / limit))
    status = values.get("status") or None
    return Window(utilization, _instant(values.get("reset"), now), status.lower() if status else None, now)


def _attribute_status(axes: dict[str, Window], unified: dict[str, str], now: float) -> Optional[str]:
    """The top-level status; a rejection is put on the axis it is about, or left out when contradicted.

    There are three cases for a rejection: an axis says so itself (nothing to add); the representative
    claim names an axis (that one, unless its own status says otherwise); no axis is named (the whole
    account, unless 5h or 7d say otherwise).
    """
    status = unified.get("status", "").lower() or None
    if status != "rejected":
        return status
    rejected = [axis for axis, window in axes.items() if window.rejected]
    if not rejected:
        claim = unified.get("representative-claim", "")
        if claim.lower() == "overage":
            return None  # the account's own windows are not what is refused
        axis = _claimed_axis(claim)
        witnesses = ("7d", "5h") if axis == WHOLE_ACCOUNT else (axis,)
        if any(axes.get(witness, UNKNOWN_WINDOW).status for witness in witnesses):
            return None
        if axis == WHOLE_ACCOUNT:  # the window that is used up, if one is
            axis = next(
                (a for a in witnesses if (axes.get(a, UNKNOWN_WINDOW).utilization or 0.0) >= 1.0), axis
            )
        known = axes.get(axis, UNKNOWN_WINDOW)
        resets_at = known.resets_at if known.resets_at is not None else _instant(unified.get("reset"), now)
        axes[axis] = Window(known.utilization, resets_at, "rejected", now)
        rejected = [axis]
    return None if all(is_scoped(axis) for axis in rejected) else status


def _overage(unified: dict[str, str], now: float) -> Optional[Overage]:
    """Extra usage is what is refused when the claim says so, or when nothing else can be meant."""
    claimed = unified.get("representative-claim", "").lower() == "overage"
    status, reason = unified.get("overage-status", "").lower(), unified.get("overage-disabled-reason", "")
    in_use = unified.get("overage-in-use", "").lower() == "true"
    if not (claimed or status or reason or in_use):
        return None
    rejected = unified.get("status", "").lower() == "rejected"
    refuses = claimed or (rejected and (status == "rejected" or bool(reason)))
    resets_at = _instant(unified.get("overage-reset") or unified.get("reset"), now)
    return Overage(in_use or status.startswith("allowed"), refuses, reason, resets_at)


def _claimed_axis(claim: str) -> str:
    found = _CLAIM.fullmatch(claim.lower())
    if found is None:
        return WHOLE_ACCOUNT
    span, scope = _CLAIMED_SPANS[found[1]], found[2]
    return f"{span}_{_CLAIMED_SCOPES.get(scope, scope)}" if scope else span


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


def _instant(text: Optional[str], now: float) -> Optional[float]:
    """Epoch seconds from epoch seconds, milliseconds or RFC 3339; None when too far away to be true."""
    if not text:
        return None
    value = _number(text)
    if value is None:
        value = _rfc_3339(text)
    elif value > 1e11:
        value /= 1000.0
    return value if value is not None and is_plausible_reset(value, now) else None


def _rfc_3339(text: str) -> Optional[float]:
    # Before 3.11 fromisoformat knows neither `Z` nor any number of decimals.
    found = re.fullmatch(r"([^.]+?)(\.\d+)?([zZ]|[+-]\d\d:\d\d)?", text)
    if found is None:
        return None
    zone = "+00:00" if found[3] in (None, "z", "Z") else found[3]
    try:
        return datetime.fromisoformat(found[1] + zone).timestamp() + float(found[2] or 0.0)
    except (ValueError, OverflowError):
        return None


def is_plausible_reset(at: float, now: float) -> bool:
    """No window is longer than a month: a rejection that lasts for years would lose the account."""
    return at <= now + MAX_WAIT_SEC + 86400.0


def parse_retry_after(text: str, now: float) -> Optional[float]:
    """Seconds to wait, from delta-seconds or an HTTP date; None for nonsense, at most 30 days."""
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        moment = _http_date(text)
        if moment is None:
            return None
        seconds = max(0.0, moment - now)
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, MAX_WAIT_SEC)


def _http_date(text: str) -> Optional[float]:
    try:
        moment = parsedate_to_datetime(text)
        # `-0000` yields a naive time, which timestamp() would read in the local zone.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
