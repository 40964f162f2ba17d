"""What the line is made of: Claude Code's JSON on stdin, and the proxy's answer.  Pure.

Both are read leniently: a value of the wrong type counts as unknown.  Claude Code's keys as of 2.1.332; older
versions leave some out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...values import NamedTuple

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import Any, Optional

__all__ = ["Facts", "Input", "Window", "facts_of", "input_of", "is_session_id"]

MAX_SESSION_CHARS = 64
LARGEST = 1e15  # of a number: beyond it none means anything


class Input(NamedTuple):
    """What Claude Code says of its session."""

    session: str = ""
    model: str = ""
    cost: Optional[float] = None  # dollars, as the client counts them
    context: Optional[float] = None  # used share of the context window, 0 to 1
    cache_warm: Optional[bool] = None  # the prompt cache, as the client believes
    cache_ends_at: Optional[float] = None  # epoch seconds
    recache_tokens: Optional[float] = None  # that the next request writes anew with a cold cache


class Window(NamedTuple):
    """One quota window of the account."""

    used: Optional[float] = None  # 0 to 1, beyond when exceeded
    resets_at: Optional[float] = None  # epoch seconds


class Facts(NamedTuple):
    """The proxy's answer; times are epoch seconds."""

    at: float = 0.0
    account: str = ""  # name; empty before the session's first request
    account_status: str = ""
    bench_sec: float = 0.0
    pinned: bool = False
    cost: Optional[float] = None  # dollars at list prices
    windows: Mapping[str, Window] = {}
    verdict: str = ""
    headroom: Optional[float] = None
    live: Optional[float] = None
    total: Optional[float] = None
    room_in_sec: Optional[float] = None  # until an account is usable again
    forecast_known: bool = False
    dry_from: Optional[float] = None  # the range in which no account serves any more; None: not foreseen
    dry_until: Optional[float] = None
    held_sec: Optional[float] = None  # None: no request of the session is held
    held_reason: str = ""
    held_account: str = ""
    held_until: Optional[float] = None
    refused_by: str = ""  # a request of the session fails over from this account
    failover_to: str = ""
    draining: bool = False


def is_session_id(text: str) -> bool:
    """Return whether this can be a session's id: it becomes part of a path and of a file name."""
    return 0 < len(text) <= MAX_SESSION_CHARS and text.isascii() and text.replace("-", "").isalnum()


def input_of(data: bytes, env: Mapping[str, str]) -> Input:
    """Return what `data` says; the session's id also from the environment, if `data` is no JSON object."""
    try:
        raw = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError):
        raw = {}
    said = _object(raw)
    session = _text(said, "session_id")
    if not is_session_id(session):
        session = env.get("CLAUDE_CODE_SESSION_ID", "")
    percent = _number(_object(said.get("context_window")), "used_percentage")
    cache = _object(said.get("prompt_cache"))
    warm = cache.get("warm")
    return Input(
        session if is_session_id(session) else "",
        _text(_object(said.get("model")), "display_name") or _text(_object(said.get("model")), "id"),
        _number(_object(said.get("cost")), "total_cost_usd"),
        None if percent is None else percent / 100.0,
        warm if isinstance(warm, bool) else None,
        _number(cache, "expires_at"),
        _number(cache, "recache_tokens_if_cold"),
    )


def facts_of(answer: Mapping[str, Any]) -> Facts:
    """Return what the proxy's JSON answer says; its times are milliseconds."""
    session, account = _object(answer.get("session")), _object(answer.get("account"))
    pool, held = _object(answer.get("pool")), _object(answer.get("held"))
    failover = _object(answer.get("failover"))
    windows = {axis: _object(window) for axis, window in _object(account.get("windows")).items()}
    return Facts(
        _moment(answer, "at") or 0.0,
        _text(account, "name") or _text(session, "account"),
        _text(account, "status"),
        _number(account, "benchSec") or 0.0,
        session.get("pinned") is True,
        _number(session, "cost"),
        {a: Window(_number(w, "utilization"), _moment(w, "resetsAt")) for a, w in windows.items()},
        _text(pool, "verdict"),
        _number(pool, "headroom"),
        _number(pool, "live"),
        _number(pool, "total"),
        _number(pool, "soonestResetSec"),
        pool.get("forecastKnown") is True,
        _moment(pool, "dryFrom"),
        _moment(pool, "dryUntil"),
        (_number(held, "sec") or 0.0) if held else None,
        _text(held, "reason"),
        _text(held, "account"),
        _moment(held, "backAt"),
        _text(failover, "refusedBy"),
        _text(failover, "account"),
        answer.get("draining") is True,
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(owner: Mapping[str, Any], key: str) -> str:
    value = owner.get(key)
    return value if isinstance(value, str) else ""


def _number(owner: Mapping[str, Any], key: str) -> Optional[float]:
    value = owner.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        return None
    return value


def _moment(owner: Mapping[str, Any], key: str) -> Optional[float]:
    value = _number(owner, key)
    return None if value is None else value / 1000.0
