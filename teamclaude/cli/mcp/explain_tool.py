"""The tool `explain`: why a request went to its account, and what it waited for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional
from urllib.parse import quote

from ...deck.text.cells import clean
from ...deck.text.format import epoch_seconds, finite_number
from ...deck.view.pages import explanation_lines
from ..proxy_client import ProxyRefusedError
from .tool import Ask, Json, Tool, ToolResult, integer, iso_time, list_of, nullable, number, object_of, text

__all__ = ["EXPLAIN"]

LAST = "last"
MAX_ROWS = 50

INPUT = object_of(
    {
        "request": text(
            'id of a request, as in the response header x-teamclaude-request, or "last": the last of all '
            "sessions. Default: the last of this session",
            maxLength=100,
        )
    },
    optional=True,
)

_EXCLUDED = object_of({"account": text(), "rule": text(), "detail": text()})
_ATTEMPT = object_of(
    {
        "account": nullable(text()),
        "status": nullable(integer("of the answer; null: none came")),
        "note": text(),
        "reason": text("why that account"),
        "detail": text(),
        "excluded": list_of(_EXCLUDED, "accounts that were not taken, and the rule"),
    }
)
_WAIT = object_of(
    {
        "kind": text("held (no account), slot (of an account) or pause (between two attempts)"),
        "seconds": nullable(number()),
        "over": {"type": "boolean"},
        "reason": text(),
        "detail": text(),
        "account": nullable(text("the account that is expected to serve it")),
    }
)
OUTPUT = object_of(
    {
        "request": text(),
        "at": nullable(text("when it came")),
        "session": nullable(text()),
        "agent": nullable(text("the sub-agent that sent it")),
        "model": nullable(text()),
        "outcome": nullable(text("null: still running")),
        "status": nullable(integer("as the client got it")),
        "note": text(),
        "attempts": list_of(_ATTEMPT, "in order; the last one served, if any did"),
        "waits": list_of(_WAIT),
        "otherSession": {
            "type": "boolean",
            "description": "this session has none: it is the last of all sessions",
        },
    }
)


def _run(ask: Ask, arguments: Mapping[str, Any], session: Optional[str]) -> ToolResult:
    wanted = arguments["request"]
    if wanted is None and session is not None:
        try:
            return _result(ask(f"/teamclaude/sessions/{quote(session, safe='')}/explain"))
        except ProxyRefusedError as refused:
            if refused.status != 404:
                raise
    record = ask(f"/teamclaude/explain/{quote(wanted or LAST, safe='')}")
    return _result(record, wanted is None and session is not None)


def _result(answer: Any, other_session: bool = False) -> ToolResult:
    record = _object(answer)
    lines = explanation_lines(record)
    if other_session:
        lines.insert(0, "No request of this session is remembered. The last of all sessions:")
    structured = {
        "request": _text(record, "request"),
        "at": iso_time(epoch_seconds(record.get("at"))),
        "session": _text(record, "session") or None,
        "agent": _text(record, "agent") or None,
        "model": _text(record, "model") or None,
        "outcome": _text(record, "outcome") or None,
        "status": _whole(record.get("status")),
        "note": _text(record, "note"),
        "attempts": [_attempt(row) for row in _rows(record, "attempts")],
        "waits": [_wait(row) for row in _rows(record, "waits")],
        "otherSession": other_session,
    }
    return ToolResult("\n".join(lines), structured)


def _attempt(row: Json) -> Json:
    decision = _object(row.get("decision"))
    return {
        "account": _text(row, "account") or None,
        "status": _whole(row.get("status")),
        "note": _text(row, "note"),
        "reason": _text(decision, "reason"),
        "detail": _text(decision, "detail"),
        "excluded": [
            {key: _text(each, key) for key in ("account", "rule", "detail")}
            for each in _rows(decision, "excluded")
        ],
    }


def _wait(row: Json) -> Json:
    return {
        "kind": _text(row, "kind"),
        "seconds": finite_number(row.get("sec")),
        "over": row.get("over") is True,
        "reason": _text(row, "reason"),
        "detail": _text(row, "detail"),
        "account": _text(row, "account") or None,
    }


def _rows(source: Json, key: str) -> list[Json]:
    rows = source.get(key)
    return [each for each in rows if isinstance(each, dict)][:MAX_ROWS] if isinstance(rows, list) else []


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(source: Json, key: str) -> str:
    value = source.get(key)
    return clean(value) if isinstance(value, str) else ""


def _whole(value: Any) -> Optional[int]:
    found = finite_number(value)
    return None if found is None else int(found)


EXPLAIN = Tool(
    "explain",
    "Why a request went where it went",
    "Explain a request that went through TeamClaude: the account that served it and why, why each other "
    "account was not taken, the answers of the API, and what it waited for. Without an id: the last request "
    "of this session.",
    "why did my request wait, fail or go to this account",
    INPUT,
    OUTPUT,
    _run,
)
