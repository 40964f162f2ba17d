"""One request as the activity list, `/teamclaude/deck` and the log line show it."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ..settings import camel_case

__all__ = ["Activity", "as_json"]


class Activity(NamedTuple):
    """One client request.  None is unknown, never zero; what changes is a new value (`_replace`)."""

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
    status: Optional[int] = None
    """As sent to the client; None when nothing was."""
    ttfb_sec: Optional[float] = None
    duration_sec: Optional[float] = None
    input_tokens: Optional[int] = None
    output_tokens: Optional[int] = None
    cache_read_tokens: Optional[int] = None
    cache_write_tokens: Optional[int] = None
    cost: Optional[float] = None
    """Dollars at list prices."""
    outcome: str = ""
    """Empty while under way."""
    reason: str = ""
    """Why that account, or why not."""


_KEYS = tuple(map(camel_case, Activity._fields))


def as_json(activity: Activity) -> dict[str, Any]:
    """The record for the JSON endpoints: camelCase names, `at` in ms epoch, durations in seconds."""
    values: dict[str, Any] = dict(zip(_KEYS, activity))
    values["at"] = round(activity.at * 1000)
    values["accounts"] = list(activity.accounts)
    return values
