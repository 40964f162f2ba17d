"""Why a request went where it went: the record of GET /teamclaude/explain as lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..model.holds import describe_wait
from ..model.snapshot import JsonObject, object_at, objects_at, text_at
from ..text.cells import clean, pad, width
from ..text.format import UNKNOWN, epoch_seconds, finite_number

__all__ = ["explanation_lines"]


def explanation_lines(record: JsonObject) -> list[str]:
    """The request, then each attempt: the account, the reason, and the rule that excluded each other one."""
    lines = [_request(record)]
    for key, label in (("session", "session"), ("agent", "agent"), ("model", "model")):
        if text_at(record, key):
            lines.append(f"  {label:<8} {text_at(record, key)}")
    lines.append(f"  {'outcome':<8} {_outcome(record)}")
    attempts, waits = objects_at(record, "attempts"), objects_at(record, "waits")
    for count, attempt in enumerate(attempts, 1):
        lines += _wait_lines(waits, count - 1)
        lines += ["", f"{count}. {_attempt(attempt)}", *_decision(object_at(attempt, "decision"))]
    lines += _wait_lines(waits, len(attempts))
    # No attempt: the decision that there was no account for it.
    final = object_at(record, "decision")
    if final and not attempts:
        lines += ["", *_decision(final)]
    return lines


def _request(record: JsonObject) -> str:
    words = (
        text_at(record, "request"),
        _clock(record.get("at")),
        text_at(record, "method"),
        text_at(record, "path"),
    )
    return " ".join(word for word in words if word)


def _outcome(record: JsonObject) -> str:
    words = [text_at(record, "outcome") or "still running", _status(record.get("status"))]
    note = text_at(record, "note")
    return " ".join(word for word in words if word) + (f": {note}" if note else "")


def _wait_lines(waits: Sequence[JsonObject], attempts: int) -> list[str]:
    """The waits after so many attempts; of one that lasts, why each account is out."""
    lines = []
    for wait in waits:
        if finite_number(wait.get("attempts")) == attempts:
            now = (epoch_seconds(wait.get("at")) or 0.0) + (finite_number(wait.get("sec")) or 0.0)
            lines += ["", f"-  {describe_wait(wait, now)}"]
            if not wait.get("over") or text_at(wait, "kind") == "held":
                lines += _decision(object_at(wait, "decision"))
    return lines


def _attempt(attempt: JsonObject) -> str:
    status, note = _status(attempt.get("status")), text_at(attempt, "note")
    said = f"answered {status}" if status else "no answer"
    return f"{text_at(attempt, 'account') or UNKNOWN}: {said}{f' ({note})' if note else ''}"


def _decision(decision: JsonObject) -> list[str]:
    reason, detail = text_at(decision, "reason"), text_at(decision, "detail")
    lines = [f"   because   {reason or UNKNOWN}{f' ({detail})' if detail else ''}"]
    previous, account = text_at(decision, "previous"), text_at(decision, "account")
    if previous and previous != account:
        lines.append(f"   before    {previous}")
    excluded = objects_at(decision, "excluded")
    room = max((width(text_at(row, "account")) for row in excluded), default=0)
    for place, row in enumerate(excluded):
        label = "not taken" if place == 0 else ""
        rule, why = text_at(row, "rule"), text_at(row, "detail")
        lines.append(
            f"   {label:<9} {pad(text_at(row, 'account'), room)}  {rule}{f' ({why})' if why else ''}"
        )
    back = epoch_seconds(decision.get("retryAt"))
    if back is not None:
        lines.append(f"   again at  {_clock(back)}")
    return lines


def _status(value: Any) -> str:
    status = finite_number(value)
    return "" if status is None else f"{status:.0f}"


def _clock(value: Any) -> str:
    moment = epoch_seconds(value)
    return "" if moment is None else clean(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)))
