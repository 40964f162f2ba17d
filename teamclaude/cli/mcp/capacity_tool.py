"""The tool `capacity`: whether so many sub-agents may be started now; if not, how many, and when more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional
from urllib.parse import quote

from ...deck.text.cells import clean
from ...deck.text.format import epoch_seconds, format_duration
from ...deck.view.capacity_page import lasting_text
from ...outlook_views import LastingView
from ...snapshot import CapacityView
from ...typed_json import from_json
from ..terminal import plural
from .tool import (
    Ask,
    Tool,
    ToolResult,
    integer,
    iso_time,
    list_of,
    nullable,
    number,
    object_of,
    text,
    truth,
)

__all__ = ["CAPACITY"]

INPUT = object_of(
    {
        "sub_agents": integer("how many you want to start (1)", minimum=1, maximum=1000, default=1),
        "for_minutes": integer(
            "how long they will work: adds whether the pool lasts", minimum=1, maximum=4320
        ),
        "model": text("the model they will use, if another than yours: an id or a family", maxLength=100),
    },
    optional=True,
)

OUTPUT = object_of(
    {
        "allowed": truth("all of them may be started now"),
        "answer": text("the same in words"),  # Claude Code shows the model only this object, not the text
        "asked": integer("sub-agents asked for"),
        "startNow": integer("how many of them may be started now"),
        "headroom": integer("conversations that the pool has room for"),
        "moreInSec": nullable(integer("seconds until an account comes back; null: none is waited for")),
        "moreAt": nullable(text("the same as a time")),
        "verdict": text("green, yellow (tight) or red (no account would serve)"),
        "model": nullable(text("the model asked for")),
        "held": integer("requests that wait for an account now"),
        "waitingFor": list_of(text(), "accounts that can take no new work now, and why"),
        "lasts": nullable(text("yes, maybe, no or unknown: whether the pool lasts for_minutes")),
        "chanceLasts": nullable(number("that it does, 0 to 1")),
        "paidKeys": list_of(text(), "API keys that would serve where no account of the pool can, for money"),
    }
)


def _run(ask: Ask, arguments: Mapping[str, Any], session: Optional[str]) -> ToolResult:
    model: Optional[str] = arguments["model"] or None
    minutes: Optional[int] = arguments["for_minutes"]
    path = "/teamclaude/capacity" + (f"/{quote(model, safe='')}" if model else "")
    answer = ask(f"{path}?for={minutes}m" if minutes else path)
    view = from_json(CapacityView, answer)
    lasts = from_json(LastingView, answer.get("lasting") or {}) if minutes else None
    return capacity_result(view, arguments["sub_agents"], model, lasts)


def capacity_result(
    view: CapacityView, asked: int, model: Optional[str] = None, lasts: Optional[LastingView] = None
) -> ToolResult:
    """Answer from the capacity of the pool, which counts the caller's own conversation as running."""
    room = max(0, view.headroom or 0)
    start_now = min(asked, room)
    wait = view.soonest_reset_sec or None
    closed = [row for row in view.accounts if not row.live]
    paid = [row.name for row in view.last_resort.accounts if row.live] if view.last_resort else []
    now = epoch_seconds(view.at)
    waiting_for = [f"{clean(row.name)}: {_why(row.status, row.reason)}" for row in closed]
    lines = [_verdict(asked, start_now, room, view.verdict, model), *_when(view, start_now, asked, wait)]
    if lasts is not None:
        lines.append(lasting_text(lasts, now or 0.0))
    if view.verdict == "red" and paid:
        lines.append(f"Requests would be served by a paid API key ({', '.join(map(clean, paid))}).")
    structured = {
        "allowed": start_now == asked,
        "answer": " ".join(lines),
        "asked": asked,
        "startNow": start_now,
        "headroom": room,
        "moreInSec": wait,
        "moreAt": iso_time(now + wait) if wait and now is not None else None,
        "verdict": clean(view.verdict),
        "model": model,
        "held": view.held or 0,
        "waitingFor": waiting_for,
        "lasts": None if lasts is None else clean(lasts.answer),
        "chanceLasts": None if lasts is None or lasts.chance is None else round(lasts.chance, 2),
        "paidKeys": [clean(name) for name in paid],
    }
    return ToolResult("\n".join([*lines, *waiting_for]), structured)


def _verdict(asked: int, start_now: int, room: int, verdict: str, model: Optional[str]) -> str:
    wanted = plural(asked, "sub-agent") + (f" of {model}" if model else "")
    if start_now == asked:
        tight = "; it is tight" if verdict == "yellow" else ""
        return f"Yes: start {wanted} now. The pool has room for {room} more{tight}."
    if start_now:
        return f"No: not {wanted}, but {start_now} of them may be started now."
    return f"No: start none of the {wanted} now."


def _when(view: CapacityView, start_now: int, asked: int, wait: Optional[float]) -> list[str]:
    if start_now == asked:
        return []
    later = [f"an account comes back in {format_duration(wait)}"] if wait else []
    if view.live_accounts:
        later.append("conversations that run now end or pause for some minutes")
    if not later:
        return ["No time brings more: see teamclaude status."]
    return [f"More when {' or '.join(later)}."]


def _why(status: str, reason: Optional[str]) -> str:
    return clean(f"{status} ({reason})" if reason else status)


CAPACITY = Tool(
    "capacity",
    "Room for more sub-agents",
    "Say whether the pool of accounts behind this session can take so many more sub-agents (or other "
    "parallel sessions) now; if not, how many it can take, and when more. Ask before starting several.",
    "may I start more sub-agents in parallel",
    INPUT,
    OUTPUT,
    _run,
)
