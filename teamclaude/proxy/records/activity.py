"""One request as the activity list, `/teamclaude/deck` and the log line show it."""

from __future__ import annotations

from typing import Optional

from ...routing.quota.usage import NO_USAGE
from ...snapshot import Activity
from .exchange import Exchange

__all__ = ["activity_of"]


def activity_of(exchange: Exchange) -> Activity:
    """The record of a request as far as it has come."""
    facts, ask, usage, decision = exchange.facts, exchange.routing_request, exchange.usage, exchange.decision
    used = _UNKNOWN if usage == NO_USAGE or usage.unmeasured else (*usage[:3], usage.cache_write_tokens)
    waits = exchange.waits
    # By place, in the order above: twenty names would cost as much again as everything else here.
    return Activity(
        exchange.id,
        exchange.at,
        exchange.head.method,
        exchange.path,
        facts.model or "",
        facts.effort or "",
        ask.session or "",
        ask.agent or "",
        (exchange.caller.name or "") if exchange.caller else "",
        tuple([attempt.account for attempt in exchange.attempts if attempt.account]),
        exchange.status,
        exchange.ttfb,
        exchange.duration,
        *used,
        exchange.cost,
        exchange.cost_estimated,
        exchange.outcome.value if exchange.outcome else "",
        exchange.note or (decision.reason if decision is not None else ""),
        usage.unmeasured > 0,
        round(sum(wait.seconds for wait in waits), 3) if waits else None,
        waits[-1].reason if waits else "",
    )


_UNKNOWN: tuple[Optional[int], Optional[int], Optional[int], Optional[int]] = (None, None, None, None)
