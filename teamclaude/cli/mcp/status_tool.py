"""The tool `status`: the accounts, their quota windows and resets, and the requests that are held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ...deck.text.cells import clean
from ...deck.text.format import UNKNOWN, format_duration, format_percent
from ...proxy.records.wait_texts import outage_text
from ...snapshot import AccountView, HeldView, Snapshot, Window
from .tool import (
    Ask,
    Json,
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

__all__ = ["STATUS"]

MAX_HELD = 50

_WINDOW = object_of(
    {
        "window": text("5h, 7d, or a model's like 7d_opus"),
        "utilization": nullable(number("used share, 0 to 1; null: not known yet")),
        "resetsInSec": nullable(integer()),
        "resetsAt": nullable(text()),
        "rejected": truth("the API refuses by this window"),
    }
)
_ACCOUNT = object_of(
    {
        "name": text(),
        "type": text("oauth (a subscription) or apikey"),
        "status": text("active, benched, auth_failed (needs a login) or disabled"),
        "reason": nullable(text()),
        "usable": truth("it would be given a request now"),
        "usableInSec": nullable(integer("null: it is usable, or no time brings it back")),
        "lastResort": truth("a paid key that serves only what nothing else can"),
        "inflight": integer("requests under way"),
        "windows": list_of(_WINDOW),
    }
)
_HELD = object_of(
    {
        "request": text("its id, for explain"),
        "session": text(),
        "model": text(),
        "heldSec": integer(),
        "reason": text(),
        "account": nullable(text("the account that is expected to serve it")),
        "backInSec": nullable(integer("until that account is back")),
    }
)
_PIN = object_of({"session": nullable(text("null: all work")), "account": text()})
OUTPUT = object_of(
    {
        "verdict": text("green, yellow (tight) or red (no account would serve)"),
        "headroom": nullable(integer("conversations that the pool has room for")),
        "policy": text("of routing"),
        "draining": truth("the proxy is stopping"),
        "outages": list_of(text(), "APIs that can't be reached, of the accounts named there"),
        "sessions": integer("sessions it knows"),
        "inflight": integer("requests under way"),
        "heldRequests": integer("requests that wait for an account; the longest are in `held`"),
        "accounts": list_of(_ACCOUNT),
        "held": list_of(_HELD),
        "pins": list_of(_PIN, "work that is pinned to an account"),
    }
)


def _run(ask: Ask, arguments: Mapping[str, Any], session: Optional[str]) -> ToolResult:
    return status_result(Snapshot.from_json(ask("/teamclaude/status")))


def status_result(seen: Snapshot) -> ToolResult:
    """Return what an agent may know: no credential, no title, no text of a conversation."""
    capacity, now = seen.capacity, seen.at
    structured = {
        "verdict": clean(capacity.verdict),
        "headroom": capacity.headroom,
        "policy": clean(seen.policy),
        "draining": seen.system.draining,
        "outages": [clean(f"{', '.join(each.accounts)}: {outage_text(each, now)}") for each in seen.outages],
        "sessions": seen.session_aggregate.sessions,
        "inflight": seen.session_aggregate.inflight,
        "heldRequests": len(seen.held),
        "accounts": [_account(account, now) for account in seen.accounts],
        "held": [_held(held, now) for held in seen.held[:MAX_HELD]],
        "pins": [
            {"session": pin.session and clean(pin.session), "account": clean(pin.account)}
            for pin in seen.pins
        ],
    }
    return ToolResult("\n".join(_lines(structured)), structured)


def _account(account: AccountView, now: float) -> Json:
    return {
        "name": clean(account.name),
        "type": clean(account.type),
        "status": clean(account.status),
        "reason": clean(account.status_reason) if account.status_reason else None,
        "usable": account.usable,
        "usableInSec": _whole(account.usable_in_sec),
        "lastResort": account.last_resort,
        "inflight": account.inflight,
        "windows": [_window(axis, window, now) for axis, window in sorted(account.quota.axes.items())],
    }


def _window(axis: str, window: Window, now: float) -> Json:
    left = None if window.resets_at is None else max(0.0, window.resets_at - now)
    return {
        "window": clean(axis),
        "utilization": window.utilization,
        "resetsInSec": _whole(left),
        "resetsAt": iso_time(window.resets_at),
        "rejected": window.rejected,
    }


def _held(held: HeldView, now: float) -> Json:
    return {
        "request": clean(held.request),
        "session": clean(held.session),
        "model": clean(held.model),
        "heldSec": int(held.held_sec),
        "reason": clean(f"{held.reason} ({held.detail})" if held.detail else held.reason),
        "account": clean(held.account) if held.account else None,
        "backInSec": _whole(None if held.back_at is None else max(0.0, held.back_at - now)),
    }


def _whole(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else round(seconds)


def _lines(told: Json) -> list[str]:
    room = UNKNOWN if told["headroom"] is None else told["headroom"]
    lines = [f"{told['verdict'] or 'unknown'}: room for {room} more conversations"]
    if told["draining"]:
        lines.append("the proxy is stopping")
    lines += told["outages"]
    for account in told["accounts"]:
        lines.append(f"{account['name']}: {_state(account)}{_windows(account['windows'])}")
    for pin in told["pins"]:
        lines.append(f"{pin['session'] or 'all work'} is pinned to {pin['account']}")
    if told["heldRequests"]:
        lines.append(f"held: {told['heldRequests']}")
    for held in told["held"]:
        who = f"{held['account']} back in {format_duration(held['backInSec'])}" if held["account"] else ""
        waits = f"{held['session'] or held['request']} waits {format_duration(held['heldSec'])}"
        lines.append(f"  {waits}: {held['reason']}{f'; {who}' if who else ''}")
    return lines


def _state(account: Json) -> str:
    words = account["status"]
    if account["reason"]:
        words += f" ({account['reason']})"
    if account["usableInSec"]:
        words += f", usable in {format_duration(account['usableInSec'])}"
    if account["lastResort"]:
        words += ", paid last resort"
    return str(words)


def _windows(windows: list[Json]) -> str:
    shown = [
        f"{each['window']} {format_percent(each['utilization'])}"
        + ("" if each["resetsInSec"] is None else f" (resets in {format_duration(each['resetsInSec'])})")
        for each in windows
    ]
    return f"; {', '.join(shown)}" if shown else ""


STATUS = Tool(
    "status",
    "Accounts, windows and held requests",
    "Show the accounts of the TeamClaude pool: which are usable, how much of each quota window is used and "
    "when it resets, which requests are held and for what.",
    "quota windows, resets and accounts of the pool; why is everything waiting",
    object_of({}, optional=True),
    OUTPUT,
    _run,
)
