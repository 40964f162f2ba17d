"""One request as the activity list, `/teamclaude/deck` and the log line show it."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ...routing.quota.usage import NO_USAGE
from ...settings import camel_case
from .exchange import Exchange

__all__ = ["Activity", "activity_of", "activity_json"]


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
    cost_estimated: bool = False
    """By the price of another version of the model."""
    outcome: str = ""
    """Empty while under way."""
    reason: str = ""
    """Why that account, or why not."""
    unmeasured: bool = False
    """It was answered, and how many tokens that took could not be read."""
    waited_sec: Optional[float] = None
    """In all, for an account or to try again; None: not at all."""
    wait_reason: str = ""
    """What it waited for last."""

    @property
    def tokens(self) -> int:
        """All that are known, of every kind."""
        kinds = (self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens)
        return sum(count or 0 for count in kinds)


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
_KEYS = tuple(map(camel_case, Activity._fields))


def activity_json(activity: Activity) -> dict[str, Any]:
    """The record for the JSON endpoints: camelCase names, `at` in ms epoch, durations in seconds."""
    values: dict[str, Any] = dict(zip(_KEYS, activity))
    values["at"] = round(activity.at * 1000)
    values["accounts"] = list(activity.accounts)
    return values
