"""The proxy's JSON for a Deck, cut down to what a test is about: `deck(binding(SID, tokens=5), ...)`."""

from __future__ import annotations

from typing import Any

from teamclaude.snapshot import Snapshot
from tests.deck.claude_home import session_id

__all__ = ["NOW", "account", "binding", "deck", "request", "sid"]

NOW = 1_795_428_000.0
sid = session_id


def binding(session: str, agent: str | None = None, *, idle: float = 10.0, **fields: Any) -> dict[str, Any]:
    """A row of `sessionBindings` whose last request ended `idle` seconds ago."""
    tokens = fields.get("tokens", 1000)
    return {
        "sid": session,
        "sid8": session[:8],
        "agent": agent,
        "parent": session if agent else None,
        "account": "alice",
        "pinned": False,
        "warm": True,
        "inflight": 0,
        "idleSec": idle,
        "firstSeen": round((NOW - 900) * 1000),
        "lastUsed": round((NOW - idle) * 1000),
        "requests": 10,
        "tokens": tokens,
        "cost": 0.5,
        "unpricedTokens": 0,
        "model": "claude-opus-4-8",
        **fields,
    }


def account(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "oauth",
        "status": "active",
        "statusReason": None,
        "inflight": 0,
        "streak": 0,
        "benchSec": 0,
        "quota": {"unified5h": None, "unified7d": None, "unified5hReset": None, "unified7dReset": None},
        "usage": {"requests": 100, "tokens": 50_000, "cost": 3.0, "unpricedTokens": 0},
        **fields,
    }


def request(session: str = "", **fields: Any) -> dict[str, Any]:
    """Return a record of `inflight` or `activity`."""
    return {
        "id": "tc-1",
        "at": round(NOW * 1000),
        "method": "POST",
        "path": "/v1/messages",
        "session": session,
        "agent": "",
        "accounts": ["alice"],
        "status": None,
        "durationSec": 2.5,
        "outcome": "",
        **fields,
    }


def deck(*bindings: dict[str, Any], **fields: Any) -> Snapshot:
    """Return the snapshot in an answer of GET /teamclaude/deck."""
    shown = {
        "at": round(NOW * 1000),
        "currentAccount": "alice",
        "system": {"version": "0.1.0", "port": 3456, "proxyRssMB": 41.2, "proxyUptimeSec": 90},
        "capacity": {"verdict": "green", "headroom": 9, "liveAccounts": 1, "total": 1, "benched": 0},
        "pins": [],
        "accounts": [account("alice")],
        "sessionBindings": list(bindings),
        "usageByIssue": [],
        "activity": [],
        "inflight": [],
        **fields,
    }
    return Snapshot.from_json(shown)
