"""Read quota windows, extra usage and retry-after from a response's headers.

Header names and formats as captured from the API: `anthropic-ratelimit-unified-<axis>-<field>` for a
subscription, `anthropic-ratelimit-<axis>-<field>` for an API key.  An unreadable value counts as absent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import lru_cache
from typing import Optional

from .windows import (
    MAX_UTILIZATION,
    MAX_WAIT_SEC,
    NO_AXIS,
    UNKNOWN_WINDOW,
    WHOLE_ACCOUNT,
    Overage,
    QuotaReading,
    Window,
    is_plausible_reset,
    is_scoped,
)

__all__ = [
    "axis_of_claim",
    "claim_of",
    "is_quota_header",
    "parse_instant",
    "parse_retry_after",
    "read_windows",
]

# A representative claim spells its axis out: `seven_day_sonnet` is `7d_sonnet`.
_CLAIM = re.compile(r"(five_hour|seven_day)(?:_(\w+))?")
_CLAIMED_SPANS = {"five_hour": "5h", "seven_day": "7d"}
_CLAIMED_SCOPES = {"overage_included": "oi"}

_PREFIX = "anthropic-ratelimit-"
_UNIFIED_AXIS = re.compile(r"unified-(\d+[a-z]+(?:_\w+)?)-(utilization|reset|status)")
_KEY_AXIS = re.compile(r"(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)")


def read_windows(headers: Iterable[tuple[str, str]], now: float) -> QuotaReading:
    """Read every quota header of a response."""
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
    axes = {axis: _window(axis, values, now) for axis, values in fields.items()}
    status = _attribute_status(axes, unified, now)
    return QuotaReading(axes, status, retry_after, _overage(unified, now))


def is_quota_header(name: str) -> bool:
    """Return whether `read_windows` looks at a header of this name."""
    return _axis_and_field(name)[1] != ""


@lru_cache(maxsize=256)  # 10 us less per response: the API always spells its fields the same
def _axis_and_field(name: str) -> tuple[str, str]:
    """Return axis (or WHOLE_ACCOUNT) and field; retry-after has no axis, an unrelated header no field."""
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


def _window(axis: str, values: dict[str, str], now: float) -> Window:
    utilization = _fraction(values.get("utilization"))
    limit, remaining = _number(values.get("limit")), _number(values.get("remaining"))
    if limit and remaining is not None:
        utilization = min(1.0, max(0.0, 1.0 - remaining / limit))
    status = values.get("status") or None
    return Window(
        utilization, parse_instant(axis, values.get("reset"), now), status.lower() if status else None, now
    )


def _attribute_status(axes: dict[str, Window], unified: dict[str, str], now: float) -> Optional[str]:
    """Return the top-level status; put a rejection on the axis it is about, or drop it when contradicted.

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
        axis = axis_of_claim(claim) or WHOLE_ACCOUNT
        witnesses = ("7d", "5h") if axis == WHOLE_ACCOUNT else (axis,)
        if any(axes.get(witness, UNKNOWN_WINDOW).status for witness in witnesses):
            return None
        if axis == WHOLE_ACCOUNT:  # the window that is used up, if one is
            axis = next(
                (a for a in witnesses if (axes.get(a, UNKNOWN_WINDOW).utilization or 0.0) >= 1.0), axis
            )
        known = axes.get(axis, UNKNOWN_WINDOW)
        resets_at = (
            known.resets_at if known.resets_at is not None else parse_instant(axis, unified.get("reset"), now)
        )
        axes[axis] = Window(known.utilization, resets_at, "rejected", now)
        rejected = [axis]
    return None if all(is_scoped(axis) for axis in rejected) else status


def _overage(unified: dict[str, str], now: float) -> Optional[Overage]:
    """Read extra usage; it is what is refused when the claim says so, or when nothing else can be meant."""
    claimed = unified.get("representative-claim", "").lower() == "overage"
    status, reason = unified.get("overage-status", "").lower(), unified.get("overage-disabled-reason", "")
    in_use = unified.get("overage-in-use", "").lower() == "true"
    if not (claimed or status or reason or in_use):
        return None
    rejected = unified.get("status", "").lower() == "rejected"
    refuses = claimed or (rejected and (status == "rejected" or bool(reason)))
    resets_at = parse_instant(NO_AXIS, unified.get("overage-reset") or unified.get("reset"), now)
    return Overage(in_use or status.startswith("allowed"), refuses, reason, resets_at)


def axis_of_claim(claim: str) -> Optional[str]:
    """Return the axis that a claim names: `seven_day_sonnet` is `7d_sonnet`; None: it names none."""
    found = _CLAIM.fullmatch(claim.lower())
    if found is None:
        return None
    span, scope = _CLAIMED_SPANS[found[1]], found[2]
    return f"{span}_{_CLAIMED_SCOPES.get(scope, scope)}" if scope else span


def claim_of(axis: str) -> str:
    """Return how a representative claim names an axis: `five_hour`, `seven_day_sonnet`."""
    span, _, scope = axis.partition("_")
    words = {short: long for long, short in _CLAIMED_SPANS.items()}
    scopes = {short: long for long, short in _CLAIMED_SCOPES.items()}
    return "_".join([words.get(span, span), *([scopes.get(scope, scope)] if scope else [])])


def _number(text: Optional[str]) -> Optional[float]:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _fraction(text: Optional[str]) -> Optional[float]:
    value = _number(text)
    # Headers carry fractions; a value this large can only be a percentage, and one far larger neither.
    if value is not None and value > MAX_UTILIZATION:
        value /= 100.0
    return value if value is not None and value <= MAX_UTILIZATION else None


def parse_instant(axis: str, text: Optional[str], now: float) -> Optional[float]:
    """Return the reset of a window from epoch seconds, milliseconds or RFC 3339, as epoch seconds.

    None when it can't be read, or is further away than the window of `axis` is long.
    """
    if not text:
        return None
    value = _number(text)
    if value is None:
        value = _rfc_3339(text)
    elif value > 1e11:
        value /= 1000.0
    return value if value is not None and is_plausible_reset(axis, value, now) else None


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


def parse_retry_after(text: str, now: float) -> Optional[float]:
    """Return seconds to wait, from delta-seconds or an HTTP date: at most 30 days, None for nonsense."""
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
    from email.utils import parsedate_to_datetime  # only for a date; the API sends seconds

    try:
        moment = parsedate_to_datetime(text)
        # `-0000` yields a naive time, which timestamp() would read in the local zone.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
