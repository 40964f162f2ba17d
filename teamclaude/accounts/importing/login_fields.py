"""Read the values of a login as they come: times in any unit or form, tokens that were wrapped.

Pure.  Credentials files are written by Claude Code, by other tools and by hand: what can't be a time is an
unknown time, and an odd value beside the tokens is left out.  No text made here contains a credential.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Optional

from ...errors import ConfigError
from ..config.value_types import MAX_EPOCH_MS, MIN_EPOCH_MS, UNPRINTABLE, read_text

__all__ = ["joined_lines", "read_label", "read_moment", "read_token"]

# Before 2001 there was no login: 0, -1 or a lifetime in seconds stand where a time should.
MIN_EPOCH_SEC = 1e9
# ISO 8601 as JavaScript and Python print it; without an offset it is UTC.
ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)? ?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


def read_moment(value: object) -> Optional[float]:
    """Return a time in epoch seconds from milliseconds, seconds, either in quotes, or ISO text.

    None: it is not a time between 2001 and 9999.
    """
    if isinstance(value, str):
        value = _number(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not MIN_EPOCH_SEC <= value <= MAX_EPOCH_MS:  # NaN fails too
        return None
    return float(value) if value < MIN_EPOCH_MS else value / 1000


def _number(text: str) -> Optional[float]:
    """Return the number in `text`, or the epoch seconds of an ISO time; None for anything else."""
    found = ISO_TIME.fullmatch(text)
    try:
        if found is None:
            return float(text)
        day, clock, offset = found.groups()
        offset = "+00:00" if offset in (None, "Z") else f"{offset[:3]}:{offset[-2:]}"
        return datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(timezone.utc).timestamp()
    except (ValueError, OverflowError):
        return None


def read_token(value: object, path: str) -> Optional[str]:
    """Return a token, None when there is none; `path` is its key in the error.

    Line breaks that a terminal put into it are taken out.  Raise ConfigError when it can't be a token.
    """
    if value is None or value == "":
        return None
    try:
        return read_text(joined_lines(value) if isinstance(value, str) else value, "", True)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def joined_lines(text: str) -> str:
    """Return `text` without its line breaks and the blanks around them, and without outer white space."""
    return re.sub(r"\s*[\r\n]\s*", "", text.strip())


def read_label(value: Any) -> Optional[str]:
    """Return a text that is shown (an id, a plan, a name) on one line; None for anything else."""
    return UNPRINTABLE.sub(" ", value).strip() or None if isinstance(value, str) else None
