"""The conditions that an alert waits for, as the config file words them: `7d above 90%`.

Words are separated by spaces; case does not count.  A duration is a number with s, m, h or d: `30m`, `2 d`.
"""

from __future__ import annotations

import re

from ...errors import ConfigError
from ...values import NamedTuple
from .value_types import safe_repr

__all__ = [
    "API_UNREACHABLE",
    "BENCHED",
    "EVERY_WINDOW",
    "FORMS",
    "HOLD",
    "LOGIN_ENDS",
    "LOGIN_LOST",
    "NEEDS_YOU",
    "POOL_DRY",
    "UNUSED",
    "WINDOW_ABOVE",
    "Condition",
    "parse_condition",
]

POOL_DRY, WINDOW_ABOVE, BENCHED, LOGIN_LOST = "pool-dry", "window-above", "benched", "login-lost"
LOGIN_ENDS, NEEDS_YOU, HOLD, UNUSED = "login-ends", "needs-you", "hold", "unused"
API_UNREACHABLE = "api-unreachable"
EVERY_WINDOW = "window"  # in place of an axis

# For a person, in the order of the manual.
FORMS = (
    "pool dry within 30m",
    "window above 90% (or 5h above 90%, 7d above 90%)",
    "benched (or benched for 10m)",
    "login lost",
    "login ends within 3d",
    "needs you for 10m",
    "hold (or hold for 2m)",
    "api unreachable (or api unreachable for 2m)",
    "7d unused 30% within 12h",
)


class Condition(NamedTuple):
    """One condition.

    `text`: as it was written, its spaces and case made one.  `seconds`: of `within` or `for`.  `share`: 0 to
    1.  `axis`: of one window, or EVERY_WINDOW.  `chance`: the quantile of the forecast that counts.
    """

    kind: str
    text: str
    seconds: float = 0.0
    share: float = 0.0
    axis: str = ""
    chance: str = "p50"


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = (
    r"(?P<number>\d{1,6}(?:\.\d{1,3})?) ?"
    r"(?P<unit>s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)"
)
_AXIS = r"(?P<axis>\d{1,3}[hd](?:_[a-z0-9_]{1,40})?)"
_SHARE = r"(?P<share>\d{1,3}(?:\.\d{1,3})?) ?%"
_PATTERNS = {
    POOL_DRY: rf"pool dry within {_DURATION}(?: (?P<chance>p10|p50|p90))?",
    WINDOW_ABOVE: rf"(?:window|{_AXIS}) above {_SHARE}",
    BENCHED: rf"benched(?: for {_DURATION})?",
    LOGIN_LOST: r"login lost",
    LOGIN_ENDS: rf"login ends within {_DURATION}",
    NEEDS_YOU: rf"needs you for {_DURATION}",
    HOLD: rf"hold(?: for {_DURATION})?",
    API_UNREACHABLE: rf"api unreachable(?: for {_DURATION})?",
    UNUSED: rf"{_AXIS} unused {_SHARE} within {_DURATION}",
}


def parse_condition(value: str) -> Condition:
    """Return the condition that a text names; raises ConfigError with the form that was meant."""
    text = " ".join(value.lower().split())
    for kind, pattern in _PATTERNS.items():
        match = re.fullmatch(pattern, text, re.ASCII)
        if match is not None:
            found = match.groupdict()
            seconds = float(found["number"]) * _UNITS[found["unit"][0]] if found.get("number") else 0.0
            share = _share(found["share"]) if found.get("share") else 0.0
            return Condition(
                kind, text, seconds, share, found.get("axis") or EVERY_WINDOW, found.get("chance") or "p50"
            )
    raise ConfigError(f"{safe_repr(value)} is no condition for an alert; {_meant(text)}")


def _share(text: str) -> float:
    share = float(text) / 100
    if share > 1:
        raise ConfigError(f"{text}% is more than all of a window; expected 0% to 100%")
    return share


def _meant(text: str) -> str:
    """Return the form that a wrong text resembles, or all of them."""
    import difflib

    forms = [re.sub(r" \(or .*", "", form) for form in FORMS]
    begun = [form for form in forms if text and form.startswith(text)]
    form = begun or difflib.get_close_matches(text, forms, n=1)
    if not form:
        return f"the forms are: {'; '.join(FORMS)}"
    return f'did you mean one like "{form[0]}"? (all forms: teamclaude help alerts)'
