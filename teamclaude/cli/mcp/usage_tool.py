"""The tool `usage`: tokens and their cost at list prices, by account, model, project, issue, session or day.

They are the history's; a proxy without one (switched off, or an older version) answers from its status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional
from urllib.parse import urlencode

from ...deck.text.cells import clean
from ...deck.text.format import UNKNOWN, format_dollars, format_tokens
from ...errors import TeamClaudeError, UsageError
from ...snapshot import BindingView, Snapshot, UsageView
from ...values import NamedTuple
from .tool import (
    Ask,
    Json,
    Tool,
    ToolResult,
    integer,
    list_of,
    nullable,
    number,
    object_of,
    text,
    truth,
)

__all__ = ["USAGE"]

GROUPS = ("account", "model", "issue", "session", "project", "client", "day")
UNASKED = GROUPS[:5]  # what is shown when no grouping is named
OF_STATUS = GROUPS[:4]  # what a proxy without a history knows
DEFAULT_SINCE = "30d"

INPUT = object_of(
    {
        "by": text("one grouping only (all but client and day)", enum=list(GROUPS)),
        "limit": integer("rows of each grouping, the largest first (10)", minimum=1, maximum=100, default=10),
        "since": text(f"7d, 24h, yesterday, monday, 2026-11-29, all ({DEFAULT_SINCE})", maxLength=40),
    },
    optional=True,
)
_ROW = object_of(
    {
        "name": nullable(text("null: unknown")),
        "requests": integer(),
        "tokens": nullable(integer("of all kinds; null: unknown")),
        "inputTokens": nullable(integer("not from a cache")),
        "outputTokens": nullable(integer()),
        "cacheReadTokens": nullable(integer()),
        "cacheWriteTokens": nullable(integer()),
        "costUsd": nullable(number("at list prices, of the tokens with a known price")),
        "costEstimated": truth(),
        "thisSession": truth("it is the session that asks"),
    }
)
_ROWS = object_of({"rows": list_of(_ROW), "more": integer("rows that are not shown")})
OUTPUT = object_of({group: nullable(_ROWS) for group in GROUPS})


class _Use(NamedTuple):
    """What one account, model, issue or session used."""

    name: Optional[str]
    requests: int
    usage: UsageView


class _Uses(NamedTuple):
    """The rows of one grouping, and how many were left out."""

    rows: Sequence[_Use]
    more: int


def _run(ask: Ask, arguments: Mapping[str, Any], session: Optional[str]) -> ToolResult:
    by, since, limit = arguments["by"], arguments["since"], arguments["limit"]
    try:
        groups = {
            group: _of_history(ask, group, since or DEFAULT_SINCE, limit)
            for group in ((by,) if by else UNASKED)
        }
    except TeamClaudeError as error:
        if error.status != 404:  # of an unknown path, and of a history that is off
            raise
        if since or by not in (None, *OF_STATUS):
            raise UsageError(
                "this proxy keeps no history: ask without since, by " + ", ".join(OF_STATUS)
            ) from error
        groups = _of_status(Snapshot.from_json(ask("/teamclaude/status")), by, limit)
    return _result(groups, session)


def _of_history(ask: Ask, group: str, since: str, limit: int) -> _Uses:
    """Return the usage in one grouping; raise TeamClaudeError with status 404 without a history."""
    asked = urlencode({"by": group, "since": since, "limit": limit})
    answer = ask(f"/teamclaude/usage?{asked}")
    uses = [_Use(row[group], row["requests"], _view(row)) for row in answer["rows"]]
    return _Uses(uses, answer["more"])


def _view(row: Mapping[str, Any]) -> UsageView:
    return UsageView(
        row["inputTokens"],
        row["outputTokens"],
        row["cacheReadTokens"],
        row["cacheWriteTokens"],
        row["tokens"],
        row["unmeasured"],
        row["cost"],
        row["costEstimated"],
        row["unpricedTokens"],
    )


def _of_status(seen: Snapshot, by: Optional[str], limit: int) -> dict[str, _Uses]:
    """Return the usage in the given grouping, or in all, as far as the status knows it."""
    found: dict[str, list[_Use]] = {
        "account": [_Use(a.name, a.usage.requests, a.usage.usage) for a in seen.accounts],
        "model": _summed(seen.session_bindings, lambda binding: binding.model),
        "issue": [_Use(issue.issue, issue.requests or 0, issue.usage) for issue in seen.usage_by_issue],
        "session": _summed(seen.session_bindings, lambda binding: binding.sid),
    }
    for uses in found.values():
        uses.sort(key=lambda use: (-(use.usage.cost or 0.0), -(use.usage.tokens or 0), use.name or ""))
    return {
        group: _Uses(uses[:limit], max(0, len(uses) - limit))
        for group, uses in found.items()
        if by in (None, group)
    }


def _result(groups: Mapping[str, _Uses], session: Optional[str]) -> ToolResult:
    structured: Json = dict.fromkeys(GROUPS)
    lines = []
    for group, (uses, more) in groups.items():
        rows = [_row(use, group == "session" and use.name == session) for use in uses]
        structured[group] = {"rows": rows, "more": more}
        lines += [f"by {group}:", *map(_line, rows)]
        if more:
            lines.append(f"  and {more} more")
    return ToolResult("\n".join(lines), structured)


def _summed(bindings: Iterable[BindingView], name_of: Callable[[BindingView], Optional[str]]) -> list[_Use]:
    """Return the sums of conversations of the same name; a conversation has the model it used last."""
    members: dict[Optional[str], list[BindingView]] = {}
    for binding in bindings:
        members.setdefault(name_of(binding) or None, []).append(binding)
    return [
        _Use(name, sum(b.requests or 0 for b in group), _sum([b.usage for b in group]))
        for name, group in members.items()
    ]


def _sum(usages: list[UsageView]) -> UsageView:
    return UsageView(
        _known_sum([u.input_tokens for u in usages]),
        _known_sum([u.output_tokens for u in usages]),
        _known_sum([u.cache_read_tokens for u in usages]),
        _known_sum([u.cache_write_tokens for u in usages]),
        _known_sum([u.tokens for u in usages]),
        sum(u.unmeasured for u in usages),
        _known_sum([u.cost for u in usages]),
        any(u.cost_estimated for u in usages),
        sum(u.unpriced_tokens for u in usages),
    )


def _known_sum(values: list[Any]) -> Any:
    """Return the sum of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _row(use: _Use, this_session: bool) -> Json:
    usage = use.usage
    return {
        "name": clean(use.name) if use.name else None,
        "requests": use.requests,
        "tokens": usage.tokens,
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheWriteTokens": usage.cache_write_tokens,
        "costUsd": None if usage.cost is None else round(usage.cost, 6),
        "costEstimated": usage.cost_estimated,
        "thisSession": this_session,
    }


def _line(row: Json) -> str:
    name = f"{row['name'] or UNKNOWN}{' (this session)' if row['thisSession'] else ''}"
    about = "~" if row["costEstimated"] else ""
    cost = f"{about}{format_dollars(row['costUsd'])}"
    return f"  {name}: {format_tokens(row['tokens'])} tokens, {cost}, {row['requests']} requests"


USAGE = Tool(
    "usage",
    "Tokens and cost",
    "Show the tokens used through TeamClaude and their cost at list prices (what the API would charge; a "
    "subscription costs nothing extra), by account, model, issue, session and project, or by client key or "
    "day. They are of the last 30 days unless `since` says another time.",
    "tokens and cost of this session, by model, account, project, issue or day",
    INPUT,
    OUTPUT,
    _run,
)
