"""A report that another server wrote as JSON, read back; every value of it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional, TypeVar

from ...errors import SnapshotError
from ...routing.quota.usage import Usage
from ..rows import STEPS, UsageTotals
from .question import GROUPINGS, Question
from .report import ReportRow, UsageReport
from .window_shares import Share

__all__ = ["report_from_json"]

LARGEST = 1e15  # of a count or a time: beyond it none means anything
T = TypeVar("T")


def report_from_json(value: Any) -> UsageReport:
    """Return the report of GET /teamclaude/usage; raise SnapshotError for what is none."""
    found = _object(value, "the report")
    by = tuple(_text(name, "by") for name in _list(found.get("by"), "by"))
    if not by or any(name not in GROUPINGS for name in by):
        raise _wrong("by", "a list of groupings that this version knows")
    question = Question(by, _moment(found.get("since"), "since"), _moment(found.get("until"), "until"))
    rows = [_row(row, by, f"rows[{n}]") for n, row in enumerate(_list(found.get("rows"), "rows"))]
    total, more = _row(found.get("total"), (), "total"), _count(found.get("more"), "more")
    return UsageReport(question, rows, total, more)


def _row(value: Any, by: tuple[str, ...], place: str) -> ReportRow:
    row = _object(value, place)
    key = tuple(_text(_or(row.get(name), ""), f"{place}.{name}") for name in by)
    begin = _moment(row.get("begin"), f"{place}.begin") if by and by[0] in STEPS else None
    if begin is None and by and by[0] in STEPS:
        raise _wrong(f"{place}.begin", "a time")
    errors = _object(_or(row.get("errors"), {}), f"{place}.errors")
    totals = UsageTotals(
        requests=_count(row.get("requests"), f"{place}.requests"),
        usage=_usage(row, place),
        cost=_number(_or(row.get("cost"), 0.0), f"{place}.cost"),
        cost_estimated=bool(row.get("costEstimated")),
        unpriced_tokens=_count(row.get("unpricedTokens"), f"{place}.unpricedTokens"),
        errors={str(name): _count(count, f"{place}.errors") for name, count in errors.items()},
        first_at=_moment(row.get("firstAt"), f"{place}.firstAt"),
    )
    return ReportRow(key, begin, totals, _imported(row, place), _windows(row, place))


def _usage(row: Mapping[str, Any], place: str) -> Usage:
    """Return the counts of a row; an unknown one is 0 where `unmeasured` says so."""

    def count(name: str) -> int:
        return _count(row.get(name), f"{place}.{name}")

    return Usage(
        count("inputTokens"),
        count("outputTokens"),
        count("cacheReadTokens"),
        count("cacheWriteTokens"),  # of both lives together: reports tell no more
        unmeasured=count("unmeasured"),
    )


def _imported(row: Mapping[str, Any], place: str) -> UsageTotals:
    """Return the part from transcripts, whose tokens are known in sum only."""
    part = _object(_or(row.get("imported"), {}), f"{place}.imported")
    tokens = _count(part.get("tokens"), f"{place}.imported.tokens")
    return UsageTotals(
        requests=_count(part.get("requests"), f"{place}.imported.requests"),
        usage=Usage(input_tokens=tokens),
        cost=_number(_or(part.get("cost"), 0.0), f"{place}.imported.cost"),
    )


def _windows(row: Mapping[str, Any], place: str) -> dict[str, Share]:
    found = {}
    for axis, value in _object(_or(row.get("windows"), {}), f"{place}.windows").items():
        share = _object(value, f"{place}.windows")
        found[axis] = Share(_number(share.get("used"), f"{place}.windows"), bool(share.get("estimated")))
    return found


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _moment(value: Any, place: str) -> Optional[float]:
    return None if value is None else _number(value, place) / 1000


def _count(value: Any, place: str) -> int:
    return 0 if value is None else int(_number(value, place))


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        raise _wrong(place, "a number")
    return value


def _exactly(kind: type[T], words: str) -> Callable[[Any, str], T]:
    def read(value: Any, place: str) -> T:
        if not isinstance(value, kind):
            raise _wrong(place, words)
        return value

    return read


_text, _list, _object = _exactly(str, "a text"), _exactly(list, "a list"), _exactly(dict, "an object")


def _wrong(place: str, words: str) -> SnapshotError:
    return SnapshotError(f"the server's report can't be read: {place} is not {words}")
