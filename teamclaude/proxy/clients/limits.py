"""The limits of one client key, and the refusal that each leads to.

A client at a limit is refused at once, before its body is read; it waits in no queue.  The answer names the
limit and says when it ends, so the client's own retry is its wait: up to 60 s Claude Code waits for
Retry-After, for more it stops and shows the message.  A wait here would keep connections of the very client
that has too many, and held requests of others would stand behind it.
"""

from __future__ import annotations

import math
from typing import Optional

from ...errors import ClientLimitError, ForbiddenError
from ...routing.pool.fair_share import ShareUsedUp
from ...values import NamedTuple
from ..records.wait_texts import clock_time, duration_text

__all__ = [
    "DAILY_TOKENS",
    "MAX_INFLIGHT",
    "SHARE",
    "ClientState",
    "Limits",
    "Reached",
    "reached",
    "reason",
    "refusal",
    "uncounted",
]

MAX_INFLIGHT, DAILY_TOKENS, SHARE = "maxInflight", "dailyTokens", "share"  # as in proxy.clients[]
RETRY_AFTER_SEC = 2
_WINDOWS = {"5h": "the 5-hour windows", "7d": "the 7-day windows"}


class Limits(NamedTuple):
    """What the config allows one client; None: no limit."""

    max_inflight: Optional[int] = None
    daily_tokens: Optional[int] = None
    share: Optional[float] = None


class ClientState(NamedTuple):
    """What one client uses at an instant."""

    inflight: int
    tokens_today: int
    day_ends: float  # epoch seconds
    share: Optional[ShareUsedUp] = None


class Reached(NamedTuple):
    """The limit that a client has reached."""

    limit: str
    until: Optional[float] = None  # epoch seconds; None: until one of its requests ends


def reached(limits: Limits, state: ClientState, is_message: bool = True) -> Optional[Reached]:
    """Return the limit that another request would exceed; `is_message`: it is one to a model.

    A request that runs already finishes, also over its limit.
    """
    if limits.max_inflight is not None and state.inflight >= limits.max_inflight:
        return Reached(MAX_INFLIGHT)
    if not is_message:  # token counts and lists use no tokens
        return None
    if limits.daily_tokens is not None and state.tokens_today >= limits.daily_tokens:
        return Reached(DAILY_TOKENS, state.day_ends)
    return None if state.share is None else Reached(SHARE, state.share.until)


def uncounted(name: str, limits: Limits) -> ForbiddenError:
    """Return the answer for a client with a limit of tokens whose request would use some unseen."""
    limit = SHARE if limits.daily_tokens is None else DAILY_TOKENS
    return ForbiddenError(
        f"refused by the limit of client '{name}': what a batch or a completion uses can't be counted "
        f"({limit}); send messages (/v1/messages)"
    )


def refusal(name: str, limits: Limits, state: ClientState, found: Reached, now: float) -> ClientLimitError:
    """Return the answer for a client at its limit; it names no account."""
    text = f"refused by the limit of client '{name}': {reason(limits, state, found, now)}"
    return ClientLimitError(text, found.limit, _seconds(found, now))


def reason(limits: Limits, state: ClientState, found: Reached, now: float) -> str:
    """Return the limit in words: what is used up, and until when."""
    if found.until is None:
        running = "1 request runs" if state.inflight == 1 else f"{state.inflight} requests run"
        return f"{running}, as many as it may have (maxInflight); try again when one has ended"
    when = f"{clock_time(found.until, now)} (in {duration_text(_seconds(found, now))})"
    if found.limit == DAILY_TOKENS:
        used, most = state.tokens_today, limits.daily_tokens
        return f"{used:,} tokens used today, of {most:,} (dailyTokens); the next day begins at {when}"
    assert state.share is not None
    return (
        f"its share of {_WINDOWS[state.share.axis]} is used ({state.share.share:g}), and other clients need "
        f"what is left (share); back at {when}, or earlier"
    )


def _seconds(found: Reached, now: float) -> int:
    """Return Retry-After: the true time, at least a second."""
    return RETRY_AFTER_SEC if found.until is None else max(1, math.ceil(found.until - now))
