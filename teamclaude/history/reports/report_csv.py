r"""A report as CSV (RFC 4180): one line for each row, without a line of totals, so that programs can add up.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula, and names
come from outside (OWASP, "CSV Injection"): such a text gets an apostrophe before it.  Control characters are
removed, and those that show a text in another order.  Numbers are left alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .report import UsageReport

__all__ = ["csv_text"]

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their wide forms
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_DIRECTION = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")  # and what is not seen
COLUMNS = (
    *("requests", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "tokens"),
    *("cost", "costEstimated", "unpricedTokens", "unmeasured", "failovers", "waits", "waitedSec"),
)
LAST_COLUMNS = ("errors", "importedTokens", "importedCost", "windows5h", "windows7d")


def csv_text(report: UsageReport) -> str:
    """Return the whole report; lines end with CR LF, unknown values are empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    by = report.question.by
    begin = ["begin"] if report.question.step else []
    writer.writerow([*by, *begin, *COLUMNS, *LAST_COLUMNS])
    for row in report.rows:
        found = row.to_json(by)
        names = [safe_text(value) for value in row.key]
        starts = [found["begin"]] if begin else []
        writer.writerow([*names, *starts, *_cells(found, COLUMNS), *_last_cells(found)])
    return out.getvalue()


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, in one line."""
    shown = _CONTROL.sub(" ", _DIRECTION.sub("", text)).strip()
    return f"'{shown}" if shown.startswith(FORMULA) else shown


def _cells(found: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    return [_cell(found.get(name)) for name in names]


def _last_cells(found: Mapping[str, Any]) -> list[Any]:
    imported, windows = found["imported"], found["windows"]
    shares = [windows.get(axis, {}).get("used", "") for axis in ("5h", "7d")]
    return [sum(found["errors"].values()), _cell(imported["tokens"]), _cell(imported["cost"]), *shares]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
