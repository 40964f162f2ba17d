"""One request as the activity list, `/teamclaude/deck` and the log line show it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ..settings import camel_case

__all__ = ["Activity", "as_json"]


@dataclass(frozen=True)
class Activity:
    """One client request.  None is unknown, never zero; what changes is a new value (`replace`)."""

    id: str
    at: float
    """When it came, epoch seconds."""
    method: str
    path: str
    """Without the query: that may hold a credential."""
    model: str = ""
    effort: str = ""
    session: str = ""
    agent: str = ""
    client: str = ""
    """The name of the client key it came with."""
    accounts: tuple[str, ...] = ()
    """Every account tried, in order."""
    status: int | None = None
    """As sent to the client; None when nothing was."""
    ttfb_sec: float | None = None
    duration_sec: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost: float | None = None
    """Dollars at list prices."""
    outcome: str = ""
    """Empty while under way."""
    reason: str = ""
    """Why that account, or why not."""


_KEYS = tuple(
    (field.name, camel_case(field.name)) for field in dataclasses.fields(Activity) if field.name != "at"
)


def as_json(activity: Activity) -> dict[str, Any]:
    """The record for the JSON endpoints: camelCase names, `at` in ms epoch, durations in seconds."""
    values: dict[str, Any] = {"at": round(activity.at * 1000)}
    for name, key in _KEYS:
        values[key] = getattr(activity, name)
    values["accounts"] = list(activity.accounts)
    return values
