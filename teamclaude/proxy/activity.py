"""The last requests and those under way: what the activity list, `/teamclaude/deck` and the log line show."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from ..settings import camel_case

__all__ = ["Activity", "ActivityRing", "as_json"]


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


class ActivityRing:
    """The last `size` finished requests and all in flight.  Any thread; readers get copies."""

    def __init__(self, size: int = 200) -> None:
        # Guards the two below.
        self._lock = threading.Lock()
        self._finished: deque[Activity] = deque(maxlen=size)
        self._inflight: dict[str, Activity] = {}

    def began(self, activity: Activity) -> None:
        """A request came in."""
        with self._lock:
            self._inflight[activity.id] = activity

    def changed(self, activity: Activity) -> None:
        """More is known of a request in flight (model, account, first byte); ignored once it has ended."""
        with self._lock:
            if activity.id in self._inflight:
                self._inflight[activity.id] = activity

    def ended(self, activity: Activity) -> None:
        """A request is over.  One refused before `began` is recorded as well."""
        with self._lock:
            self._inflight.pop(activity.id, None)
            self._finished.append(activity)

    def recent(self) -> list[Activity]:
        """The finished requests, newest first."""
        with self._lock:
            return list(reversed(self._finished))

    def inflight(self) -> list[Activity]:
        """The requests under way, newest first."""
        with self._lock:
            return list(reversed(self._inflight.values()))

    def find(self, request_id: str) -> Activity | None:
        """A request in flight or in the ring."""
        with self._lock:
            found = self._inflight.get(request_id)
            if found is not None:
                return found
            return next((each for each in reversed(self._finished) if each.id == request_id), None)


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
