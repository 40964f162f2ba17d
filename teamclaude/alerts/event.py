"""One event as people and programs get it: texts and a JSON object.

Names in it (accounts, sessions, reasons) are of others.  In texts they can neither begin a line nor mention
anybody: what is not printable becomes a space, and `<`, with which Slack's commands begin, another character.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from ..values import NamedTuple

__all__ = ["Event", "clean", "day_text", "duration_text", "event_json"]

VERSION = 1  # of the JSON; it grows when a key changes its meaning or goes away
MAX_CHARS = 300  # of one text
_LOOKALIKES = {"<": "‹", ">": "›"}  # noqa: RUF001 - they look alike on purpose


class Event(NamedTuple):
    """What an alert tells; `fields` are further keys of its JSON, times in them are epoch seconds."""

    kind: str
    when: str  # the condition, as it is configured
    at: float
    title: str
    message: str
    fields: Mapping[str, Any] = {}


_TIMES = frozenset({"until", "resetsAt", "endsAt", "since", "p10", "p50", "p90"})


def event_json(event: Event, host: str, test: bool = False, topic: Optional[str] = None) -> str:
    """Return the JSON object in ASCII; `text` is for Slack, `title`, `message` and `topic` are for ntfy."""
    title, message = clean(event.title), clean(event.message)
    moment = datetime.fromtimestamp(event.at, timezone.utc)
    shown: dict[str, Any] = {
        "version": VERSION,
        "event": event.kind,
        "when": event.when,
        "at": round(event.at * 1000),
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "host": host,
        "title": title,
        "message": message,
        "text": f"{title}. {message}",
        **{key: _field(key, value) for key, value in event.fields.items()},
    }
    if test:
        shown["test"] = True
    if topic is not None:
        shown["topic"] = topic
    return json.dumps(shown)


def _field(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_CHARS]
    if isinstance(value, float):
        return round(value * 1000) if key in _TIMES else round(value, 4)
    return value


def clean(text: str) -> str:
    """Return a text without line breaks, control characters and mentions, of MAX_CHARS at most."""
    kept = (_LOOKALIKES.get(char, char if char.isprintable() else " ") for char in text[: MAX_CHARS + 1])
    found = "".join(kept)
    return found if len(found) <= MAX_CHARS else found[: MAX_CHARS - 1] + "…"


def duration_text(seconds: float) -> str:
    """Return `40 s`, `12 min`, `5 h` or `3 d`."""
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 47.5 * 3600 else f"{seconds / 86400:.0f} d"


def day_text(at: float, now: float) -> str:
    """Return the local time, with its date if it is not within the next 20 hours."""
    here = datetime.fromtimestamp(at)
    return here.strftime("%H:%M" if 0 <= at - now < 20 * 3600 else "%Y-%m-%d %H:%M")
