"""Read one JSON value by its declared type and unit, and describe it in errors.

A setting's `unit` (`s`, `port`, `fraction 0-1`, `URL`...) is also its range or format: `RANGES`
for numbers, `FORMATS` for text.  Problems are ConfigErrors of the form `expected X, got Y`; the
caller adds the path.  No text made here contains a credential.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from typing import Any, Optional
from urllib.parse import urlsplit

from ...errors import ConfigError
from ...values import NamedTuple

__all__ = [
    "epoch_ms",
    "expected_text",
    "mask_keys",
    "one_line",
    "read_bool",
    "read_number",
    "read_text",
    "safe_repr",
]

# Every platform's timers accept this much; those of Windows end at 49 days.
MAX_SECONDS = 30 * 86400
# The last second of the year 9999: later times can't be printed.
MAX_EPOCH_MS = 253_402_300_799_000
# Smaller numbers of milliseconds would be before 1973: they are taken as seconds.
MIN_EPOCH_MS = 1e11


class NumberRange(NamedTuple):
    """The numbers that a unit allows (inclusive) and their description in errors."""

    low: float
    high: float
    description: str


RANGES = {
    "fraction 0-1": NumberRange(0, 1, "a fraction from 0 to 1"),
    "port": NumberRange(0, 65535, "a whole number from 0 to 65535"),
    "s": NumberRange(0, MAX_SECONDS, f"seconds from 0 to {MAX_SECONDS} (30 days)"),
    "s, not 0": NumberRange(0.001, MAX_SECONDS, f"seconds from 0.001 to {MAX_SECONDS} (30 days)"),
    "h": NumberRange(0, 87600, "hours from 0 to 87600 (10 years)"),
    "days": NumberRange(0, 36500, "days from 0 to 36500 (100 years)"),
    "ms": NumberRange(0, MAX_EPOCH_MS, "milliseconds"),
    "MB": NumberRange(1, 1_000_000, "megabytes from 1 to 1000000"),
    "MiB": NumberRange(1, 4096, "a whole number of MiB from 1 to 4096"),
    "connections": NumberRange(8, 1e6, "a whole number from 8 to 1000000"),
    "requests": NumberRange(1, 1e6, "a whole number from 1 to 1000000"),
    "tokens": NumberRange(1, 1e15, "a whole number of tokens, 1 or more"),
    "conversations": NumberRange(1, 1e6, "a whole number from 1 to 1000000"),
    "factor": NumberRange(1, 1000, "a number from 1 to 1000"),
    "rank": NumberRange(-1e9, 1e9, "a whole number"),
}
WHOLE = NumberRange(0, 2**53, "a whole number, 0 or more")
NUMBER = NumberRange(0, 2**53, "a number, 0 or more")

# Line breaks and control characters: they would break a header or a terminal line.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Passwords in URLs, anything that begins like a token, and anything as long as one.
KEY = r"\b(?:sk|tc)-[\w-]+"
CREDENTIAL = rf"(?<=//)[^/@\s]+(?=@)|{KEY}|[\w+=-]{{20,}}"


def mask_keys(text: str) -> str:
    """Return a text of the file, as the name of a key, with what begins like a credential masked."""
    return re.sub(KEY, "***", text)


def one_line(text: str) -> str:
    """Return a text that may hold names of the file's keys: on one line, credentials among them masked."""
    return mask_keys(UNPRINTABLE.sub("?", text))


def safe_repr(value: object, secret: bool = False) -> str:
    """Return a JSON value for an error text: short, on one line, credentials masked."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if secret and isinstance(value, str):
        return "a hidden text" if value else '""'
    if secret and not isinstance(value, bool) and value is not None:
        return "a hidden number"
    text = re.sub(CREDENTIAL, "***", json.dumps(value, ensure_ascii=False))
    text = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return text if len(text) <= 60 else text[:59] + "…"


def expected_text(kind: type, unit: str) -> str:
    """Describe what is expected: `milliseconds`, `a fraction from 0 to 1`, `true or false`, `text`..."""
    if kind is bool:
        return "true or false"
    if kind is str:
        return FORMATS[unit].description if unit in FORMATS else "text"
    return _range_of(kind, unit).description


def _range_of(kind: type, unit: str) -> NumberRange:
    return RANGES.get(unit, WHOLE if kind is int else NUMBER)


def _expected(what: str, value: object, secret: bool) -> ConfigError:
    return ConfigError(f"expected {what}, got {safe_repr(value, secret)}")


def read_bool(value: object, unit: str, secret: bool) -> bool:
    """Return a JSON boolean; raise ConfigError for anything else."""
    if not isinstance(value, bool):
        raise _expected(expected_text(bool, unit), value, secret)
    return value


def read_number(kind: type, value: object, unit: str, secret: bool) -> Any:
    """Return an int or float within the unit's range; `ms` becomes float epoch seconds."""
    domain = _range_of(kind, unit)
    # bool is a subclass of int, and an int may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _expected(domain.description, value, secret)
    if not domain.low <= value <= domain.high:  # NaN fails too
        limit = f"{domain.high:.0f}"
        unsaid = value > domain.high and limit not in domain.description and unit != "ms"
        most = f" (at most {limit})" if unsaid else ""
        raise _expected(f"{domain.description}{most}", value, secret)
    if unit == "ms":
        return float(value) if value < MIN_EPOCH_MS else value / 1000
    if kind is int and not float(value).is_integer():
        raise _expected(domain.description, value, secret)
    return kind(value)


def epoch_ms(seconds: float) -> int:
    """Convert epoch seconds to the config file's milliseconds; the inverse of reading unit `ms`."""
    return math.floor(seconds * 1000 + 0.5)


def read_text(value: object, unit: str, secret: bool) -> str:
    """Return a non-empty line of text in the unit's format (base URLs lose the last slash, paths the ~)."""
    if not isinstance(value, str) or not value:
        raise _expected(expected_text(str, unit), value, secret)
    if UNPRINTABLE.search(value):
        raise ConfigError("contains a line break or another control character")
    if secret and not (value.isascii() and " " not in value):
        raise ConfigError("contains a space or a character outside ASCII, which no key has")
    form = FORMATS.get(unit)
    if form is None:
        return value
    result = form.read(value)
    if result is None:
        raise _expected(form.description, value, secret)
    return result


def _url(value: str) -> Optional[str]:
    """Accept an http(s) URL with a host and no credentials, query or fragment."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is not a number, a broken [IPv6] literal
        return None
    return None if not valid or "@" in value or parts.query or parts.fragment or " " in value else value


def _base_url(value: str) -> Optional[str]:
    """Accept a URL that request paths are appended to; drop its last slash."""
    return _url(value.rstrip("/"))


def _proxy_url(value: str) -> str:
    """Accept what dial/proxies.py can use; raises ConfigError with the reason."""
    from ...dial.proxies import parse_proxy  # 3 ms that most commands do without

    parse_proxy(value)
    return value


def _host(value: str) -> Optional[str]:
    """Accept a host name or an address, without scheme, port or path."""
    return None if re.search(r"[\s/@?#]|^[^:]*:[^:]*$", value) else value


def _post_url(value: str) -> Optional[str]:
    """Accept an http(s) URL with a host; it may have a login and a query, which are credentials."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return value if valid and not parts.fragment else None


def _condition(value: str) -> str:
    """Accept the condition of an alert; raises ConfigError that names the forms."""
    from .alert_condition import parse_condition

    return parse_condition(value).text


def _network(value: str) -> Optional[str]:
    """Accept an IP address, or a network as ADDRESS/BITS."""
    import ipaddress  # 3 ms that most commands do without

    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None
    return value


def _time_of_day(value: str) -> Optional[str]:
    """Accept a time of day, with days of the week before it or without."""
    from .rules.keep_warm import parse_time_of_day  # which only this setting needs

    return None if parse_time_of_day(value) is None else value


class Format(NamedTuple):
    """A text format: its description in errors, and its reader, which returns None for other text."""

    description: str
    read: Callable[[str], Optional[str]]


FORMATS = {
    "URL": Format("a URL (http:// or https://)", _url),
    "base URL": Format("a URL (http:// or https://)", _base_url),
    "proxy URL": Format("a proxy (http, https, socks5 or socks5h://HOST:PORT, or direct)", _proxy_url),
    "host": Format("a host name or an address", _host),
    "network": Format("an IP address or a network (10.0.0.0/8)", _network),
    "path": Format("a path", os.path.expanduser),
    "POST URL": Format("a URL (http:// or https://)", _post_url),
    "agent": Format("true, false or a glob of agent ids", lambda value: value),
    "time of day": Format("a time of day (08:30, or Mon-Fri 08:30)", _time_of_day),
    "condition": Format("a condition (teamclaude help alerts)", _condition),
}
