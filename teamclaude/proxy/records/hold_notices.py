"""Log lines about held requests.

Rules that hold in this file:

1. A hold has one line at its start and one at its end.  In between it has one every 5 minutes; while more
   than 3 requests are held, one line counts them all.
2. A request that is refused by one account and held again continues its hold: the hold ends with the response
   of an account, a refusal, or the client's disconnect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from ...snapshot import HeldView
from ...values import dataclass
from .exchange import Exchange, Outcome
from .notice import HELD, MAX_REASON_CHARS, Notice
from .request_wait import held_seconds
from .wait_texts import duration_text, expectation_text

__all__ = ["HoldNotices"]

REPEAT_SEC = 300.0  # between two lines about the same hold
MAX_SEPARATE_LINES = 3  # held requests that have a repeated line each


@dataclass
class _AnnouncedHold:
    exchange: Exchange
    held: HeldView  # as last seen
    at: float  # of the last line about it


class HoldNotices:
    """The holds that have had their first line."""

    def __init__(self) -> None:
        self._announced: dict[str, _AnnouncedHold] = {}

    def update(self, held: Sequence[tuple[Exchange, HeldView]], now: float) -> list[Notice]:
        """Return the lines for requests that are held now, and for those that no longer are."""
        found: list[Notice] = []
        for exchange, one in held:
            announced = self._announced.get(one.request)
            if announced is None:
                self._announced[one.request] = _AnnouncedHold(exchange, one, now)
                found.append(Notice(HELD, _request_name(one), _expectation(one, now)))
            else:
                announced.held = one
        current = {one.request for _, one in held}
        for request, announced in list(self._announced.items()):
            end = None if request in current else _end_text(announced.exchange)
            if end is not None:
                del self._announced[request]
                lasted = duration_text(int(held_seconds(announced.exchange.waits)))
                found.append(
                    Notice(
                        HELD, _request_name(announced.held), f"over after {lasted}, {end}"[:MAX_REASON_CHARS]
                    )
                )
        return [*found, *self._repeat_lines([self._announced[request] for request in current], now)]

    def _repeat_lines(self, held: Sequence[_AnnouncedHold], now: float) -> Iterator[Notice]:
        for announced in held:
            announced.at = min(announced.at, now)  # the clock was set back
        due = [announced for announced in held if now - announced.at >= REPEAT_SEC]
        if not due:
            return
        if len(held) > MAX_SEPARATE_LINES:
            due = list(held)
            longest = max(due, key=lambda announced: announced.held.held_sec).held
            subject = f"{len(held)} requests, the longest {duration_text(int(longest.held_sec))}"
            yield Notice(HELD, subject, _expectation(longest, now))
        else:
            for announced in due:
                subject = f"{_request_name(announced.held)} {duration_text(int(announced.held.held_sec))}"
                yield Notice(HELD, subject, _expectation(announced.held, now))
        for announced in due:
            announced.at = now


def _request_name(held: HeldView) -> str:
    """Return `3f2a91c0 claude-opus-4-8`; for a request without a session its own id."""
    who = held.session[:8] + (f"/{held.agent[:8]}" if held.agent else "") if held.session else held.request
    return f"{who} {held.model}".rstrip()


def _expectation(held: HeldView, now: float) -> str:
    """Return `no account usable, alice back 23:22 (in 5 min)`."""
    if held.account is None or held.back_at is None:
        return f"{held.reason} ({held.detail})" if held.detail else held.reason
    back = expectation_text(held.account, held.back_at, held.reason, now)
    return f"{held.reason}, {back} (in {duration_text(max(0.0, held.back_at - now))})"


def _end_text(exchange: Exchange) -> Optional[str]:
    """Return how a hold ended; None while that is open."""
    last = exchange.attempts[-1] if exchange.attempts else None
    served = last is not None and bool(last.account) and last.status is not None and last.status < 300
    if last is not None and (served if exchange.outcome is None else exchange.outcome is Outcome.SERVED):
        return f"served by {last.account}" if exchange.waiting is None else None
    if exchange.outcome is None:
        return None
    if exchange.outcome is Outcome.CLIENT_GONE:
        return "its client left"
    end = "the upstream's error" if exchange.outcome is Outcome.UPSTREAM_ERROR else "refused"
    return f"{end}: {exchange.note}" if exchange.note else end
