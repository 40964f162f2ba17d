"""An event of any condition, made from an invented snapshot: what `teamclaude alerts test` sends."""

from __future__ import annotations

from ..accounts.config.alert_condition import EVERY_WINDOW, UNUSED, Condition
from ..outlook_views import ForecastView, NeedsYouView
from ..request_views import HeldView, OutageView
from ..snapshot import AccountView, QuotaView, Snapshot, TokenView, Window
from .event import Event
from .findings import findings

__all__ = ["sample_event"]

ACCOUNT = "example account"


def sample_event(condition: Condition, now: float) -> Event:
    """Return the event of a condition that has just become true for an account that does not exist."""
    found = next(iter(findings(condition, _snapshot(condition, now), now)))
    event = found.event(condition, now)
    return event._replace(title=f"Test: {event.title}")


def _snapshot(condition: Condition, now: float) -> Snapshot:
    soon = now + condition.seconds
    used = 0.0 if condition.kind == UNUSED else max(0.9, condition.share)
    axis = "7d" if condition.axis == EVERY_WINDOW else condition.axis
    window = Window(used, soon if condition.kind == UNUSED else now + 86400.0)
    account = AccountView(
        name=ACCOUNT,
        status="benched",
        status_reason="429: a sample",
        rate_limited_until=now + 600.0,
        quota=QuotaView(axes={axis: window}),
        token=TokenView("re-login needed", now, soon, "a sample"),
    )
    return Snapshot(
        at=now,
        accounts=(account,),
        forecast=ForecastView(soon, soon, soon, now + 86400.0, 0.9),
        held=(HeldView("tc-0", held_sec=condition.seconds, reason="no account usable"),),
        outages=(
            OutageView("api.example", (ACCOUNT,), now - condition.seconds, now, 3, "no connection: a sample"),
        ),
        needs_you=(
            NeedsYouView("00000000", "", "example session", "example", "a sample", now - condition.seconds),
        ),
    )
