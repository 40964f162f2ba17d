"""What GET /teamclaude/usage, /teamclaude/history/quota and /teamclaude/history/events answer.

Every answer is bounded: in rows, and in how much of the history is read for it.  A wrong parameter raises
BadRequestError with one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Optional, TypeVar

from ..errors import BadRequestError, ForbiddenError, HistoryError, NotFoundError, UsageError
from ..history.reader import HistoryReader
from ..history.reports.moments import parse_moment
from ..history.reports.question import NAMES, Question, parse_question
from ..history.rows import QuotaReading
from ..values import NamedTuple
from .answers.endpoint_types import EndpointReply, EndpointRequest
from .messages.roles import CLIENT
from .runtime import Runtime

__all__ = ["Payload", "events", "events_payload", "quota", "quota_payload", "usage", "usage_payload"]

T = TypeVar("T")
DAY_SEC = 86400.0
# How much time one answer covers; what is asked for beyond it is refused.
MOST_DAYS = {"hour": 62.0, "quota": 35.0}
WINDOWS_DAYS = 35.0  # beyond it a report is without the shares of windows
MAX_ROWS, DEFAULT_ROWS = 10_000, 1000
MAX_EVENTS, DEFAULT_EVENTS = 1000, 200
MAX_POINTS, DEFAULT_POINTS = 1000, 300
# A file for a person, of names that others chose: it is read as what it is said to be, and kept by no cache.
_HEADERS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
JSON_TYPE, CSV_TYPE = "application/json", "text/csv; charset=utf-8"


class Payload(NamedTuple):
    """A body and what it is."""

    body: bytes
    content_type: str = JSON_TYPE


def usage_payload(
    reader: HistoryReader, query: Mapping[str, str], now: float, own: Optional[str] = None
) -> Payload:
    """Answer by=&since=&until=&step=&limit=&format=json|csv.

    account=, model=, ...: only what has that value.  `own`: only what this client used.
    """
    from ..history.reports.report import report_of  # and csv: only once somebody asks
    from ..history.reports.report_csv import csv_text

    _known(query, "by", "since", "until", "step", "limit", "format", *NAMES)
    form = query.get("format", "json")
    if form not in ("json", "csv"):
        raise BadRequestError("format is json or csv")
    question = _question(query, now)
    _bounded(question.step or "", question.since, question.until, now)
    span = _days(question.since, question.until, now)
    if own is not None:
        question = question._replace(where={**question.where, "client": own})
    report = _read(lambda: report_of(reader, question, windows=span is not None and span <= WINDOWS_DAYS))
    return Payload(csv_text(report).encode(), CSV_TYPE) if form == "csv" else _json(report.to_json())


def _question(query: Mapping[str, str], now: float) -> Question:
    words = [word for word in (query.get("step", ""), query.get("by", "")) if word]
    limit = _count(query, "limit", DEFAULT_ROWS, MAX_ROWS)
    where = {name: query[name] for name in NAMES if name in query}
    try:
        asked = parse_question(",".join(words) or "day", query.get("since"), query.get("until"), now, limit)
        return asked._replace(where=where)
    except UsageError as error:
        raise BadRequestError(str(error)) from None


def quota_payload(reader: HistoryReader, query: Mapping[str, str], now: float) -> Payload:
    """Answer since=&until=&account=&axis=&points=: of each window at most 2 x points readings."""
    _known(query, "since", "until", "account", "axis", "points")
    points = _count(query, "points", DEFAULT_POINTS, MAX_POINTS)
    since, until = _range(query, now, 7.0)
    _bounded("quota", since, until, now)
    account, axis = query.get("account"), query.get("axis")
    readings = _read(lambda: reader.quota(since, until, account, axis))
    series: dict[tuple[str, str], list[QuotaReading]] = {}
    for reading in readings:
        series.setdefault((reading.account, reading.axis), []).append(reading)
    slice_sec = max(1.0, ((now if until is None else until) - (since or 0.0)) / points)
    return _json(
        {
            "since": _milliseconds(since),
            "until": _milliseconds(until),
            "series": [
                {
                    "account": name,
                    "axis": axis,
                    "points": [
                        [_milliseconds(r.at), round(r.used, 4), _milliseconds(r.resets_at)]
                        for r in thinned(found, slice_sec)
                    ],
                }
                for (name, axis), found in sorted(series.items())
            ],
        }
    )


def thinned(readings: Sequence[QuotaReading], slice_sec: float) -> Sequence[QuotaReading]:
    """Return of each slice of time the highest reading and the last one: peaks and ends stay."""
    kept: dict[int, tuple[QuotaReading, QuotaReading]] = {}
    for reading in readings:
        place = int(reading.at // slice_sec)
        highest = kept[place][0] if place in kept else reading
        kept[place] = (reading if reading.used >= highest.used else highest, reading)
    return [reading for pair in kept.values() for reading in dict.fromkeys(pair)]


def events_payload(reader: HistoryReader, query: Mapping[str, str], now: float) -> Payload:
    """Answer since=&until=&kind=A,B&limit=: the latest events, the oldest of them first."""
    _known(query, "since", "until", "kind", "limit")
    limit = _count(query, "limit", DEFAULT_EVENTS, MAX_EVENTS)
    since, until = _range(query, now, 7.0)
    kinds = [kind for kind in query.get("kind", "").split(",") if kind][:20]
    found = _read(lambda: reader.events(since, until, kinds))
    rows = [
        {
            "at": _milliseconds(event.at),
            "kind": event.kind,
            "account": event.account or None,
            "text": event.text,
        }
        for event in found[-limit:]
    ]
    return _json({"events": rows, "more": max(0, len(found) - limit)})


# --- as replies -------------------------------------------------------------------------------------------


def usage(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """Reply to GET /teamclaude/usage; the key of a client reads its own usage alone."""
    caller = request.caller
    own = caller.name if caller.role == CLIENT else None
    if own is not None and request.query.get("client", own) != own:
        raise ForbiddenError(f"the key of {own} reads its own usage alone: leave client= out")
    return _reply(runtime, request, partial(usage_payload, own=own))


def quota(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """Reply to GET /teamclaude/history/quota."""
    return _reply(runtime, request, quota_payload)


def events(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """Reply to GET /teamclaude/history/events."""
    return _reply(runtime, request, events_payload)


def _reply(
    runtime: Runtime,
    request: EndpointRequest,
    answer: Callable[[HistoryReader, Mapping[str, str], float], Payload],
) -> EndpointReply:
    history = runtime.history
    if history is None:
        raise NotFoundError("This proxy keeps no history (teamclaude help history says why).")
    runtime.live_history.write_now()
    with _read(history.reader) as reader:
        body, content_type = answer(reader, request.query, runtime.clock())
    return EndpointReply(200, body, _HEADERS, content_type)


# --- parameters -------------------------------------------------------------------------------------------


def _known(query: Mapping[str, str], *names: str) -> None:
    """Refuse a misspelt parameter: without it the answer would be to another question."""
    for name in query:
        if name not in names:
            raise BadRequestError(f'there is no parameter "{name[:40]}"; there are: {", ".join(names)}')


def _range(query: Mapping[str, str], now: float, days: float) -> tuple[Optional[float], Optional[float]]:
    try:
        until = parse_moment(query["until"], now, end=True) if query.get("until") else None
        since = parse_moment(query["since"], now) if query.get("since") else (until or now) - days * DAY_SEC
    except UsageError as error:
        raise BadRequestError(str(error)) from None
    if since is not None and until is not None and since >= until:
        raise BadRequestError("the range ends before it begins")
    return since, until


def _bounded(what: str, since: Optional[float], until: Optional[float], now: float) -> None:
    most, days = MOST_DAYS.get(what), _days(since, until, now)
    if most is not None and (days is None or days > most):
        noun = "by hour" if what == "hour" else "of quota readings"
        raise BadRequestError(f"one answer {noun} covers at most {most:g} days: name since and until")


def _days(since: Optional[float], until: Optional[float], now: float) -> Optional[float]:
    return None if since is None else ((now if until is None else until) - since) / DAY_SEC


def _count(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= value <= most:
        raise BadRequestError(f"{name} is a whole number from 1 to {most}")
    return value


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except HistoryError as error:
        raise NotFoundError(str(error)) from None


def _json(value: Any) -> Payload:
    return Payload((json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))


def _milliseconds(at: Optional[float]) -> Optional[int]:
    return None if at is None else round(at * 1000)
