"""An example of what the page shows: five accounts, thirty agents, a month of history.

Times are epoch milliseconds, as the page is told them.
"""

from __future__ import annotations

import math
from typing import Any

State = dict[str, dict[str, dict[str, Any]]]

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ACCOUNTS = ("alice@example.com", "bob@example.com", "carol@example.com", "dave@example.com", "paid key")
MODELS = ("claude-opus-4-8", "claude-sonnet-4-9", "claude-haiku-4-5")
PROJECTS = ("shop", "website", "billing", "mobile")
TITLES = (
    "Checkout v2: plan the move", "Cart totals are off by one cent", "Port the rounding tests",
    "Fix the login redirect loop", "Payment provider sandbox is down", "Dark mode for the settings page",
    "Search suggests deleted articles", "Upgrade the build to the new bundler", "漢字のタイトル 👨‍👩‍👧 家族",
    "Why is the nightly report empty", "Retry the webhook with a growing pause",
    "Sort the invoices by due date",
)  # fmt: skip


def band(now: int, until: int, used: float, end: float) -> list[dict[str, float]]:
    steps = [now + (until - now) * n // 4 for n in range(5)]
    grown = [used + (end - used) * n / 4 for n in range(5)]
    return [
        {"at": at, "p10": round(x - 0.05 * n * x, 4), "p50": round(x, 4), "p90": round(x + 0.07 * n * x, 4)}
        for n, (at, x) in enumerate(zip(steps, grown))
    ]  # fmt: skip


def window(now: int, used: float, left: int) -> dict[str, Any]:
    return {"utilization": used, "resetsAt": now + left, "status": "allowed", "seenAt": now - MINUTE}


def account(now: int, order: int, **fields: Any) -> dict[str, Any]:
    used5, used7 = (0.37, 0.93, 1.0, 0.08)[order % 4], (0.42, 0.78, 0.64, 0.71)[order % 4]
    left5, left7 = (141 * MINUTE, 25 * MINUTE, 42 * MINUTE, 290 * MINUTE)[order % 4], (order + 1) * DAY
    full = used5 > 0.8
    forecast = {
        "5h": {
            "p10": now + left5 // 3 if full else None, "p50": now + left5 // 2 if full else None,
            "p90": now + left5 - 5 * MINUTE if used5 > 0.95 else None, "until": now + left5,
            "chance": 0.62 if full else 0.02, "band": band(now, now + left5, used5, used5 + 0.25),
        },
        "7d": {"p10": now + DAY, "p50": now + 2 * DAY, "p90": now + 3 * DAY, "until": now + left7,
               "chance": 0.93, "band": band(now, now + left7, used7, 1.0)},
    }  # fmt: skip
    return {
        "name": ACCOUNTS[order], "order": order, "type": "oauth", "enabled": True, "lastResort": False,
        "status": "active", "statusReason": None, "usable": True, "live": True, "inflight": 2,
        "warmSessions": 4,
        "rateLimitedUntil": None, "forecast": forecast,
        "quota": {"axes": {"5h": window(now, used5, left5), "7d": window(now, used7, left7)}},
        **fields,
    }  # fmt: skip


def node(now: int, number: int, **fields: Any) -> dict[str, Any]:
    session = f"{number:04x}cafe-0000-4000-8000-00000000{number:04x}"
    state = ("inference", "tool", "idle", "live", "inference", "idle")[number % 6]
    return {
        "session": session, "agent": None, "parent": None, "account": ACCOUNTS[number % 3],
        "label": f"ENG-{number + 1}" if number % 3 else TITLES[number % 12], "title": TITLES[number % 12],
        "project": PROJECTS[number % 4], "branch": "main" if number % 2 else f"fix/issue-{number}",
        "role": "solo", "state": state, "waitingFor": "", "needsYou": False, "model": MODELS[number % 3],
        "tokens": 1_200_000 // (number + 1), "burn": 90_000 // (number + 1),
        "cost": round(14.2 / (number + 1), 2),
        "lastUsedAt": now - number * 40_000, "warm": number % 2 == 0, **fields,
    }  # fmt: skip


def nodes(now: int) -> dict[str, dict[str, Any]]:
    made = {}
    for number in range(18):
        one = node(now, number)
        made[one["session"]] = one
    keys = list(made)
    for lead, worker in ((0, 1), (0, 4), (1, 2)):
        made[keys[lead]]["role"], made[keys[worker]]["role"] = "lead", "worker"
        made[keys[worker]]["parent"] = keys[lead]
    made[keys[1]]["role"] = "lead"
    made[keys[4]].update(needsYou=True, state="idle")
    made[keys[7]].update(needsYou=True, state="live")
    made[keys[9]].update(state="held", waitingFor="held: all accounts are benched")
    for number in range(12):
        parent = keys[number % 3]
        kind = ("Explore: where is rounding done", "Review the diff", "Run the tests")[number % 3]
        one = node(now, number + 20, agent=f"a{number}", label=kind, title="", role="worker", parent=parent)
        one.update(
            session=parent, account=made[parent]["account"], state="idle" if number > 4 else "inference"
        )
        made[f"{parent}/a{number}"] = one
    made[keys[17]].update(
        tokens=None, burn=None, cost=None, account=None, lastUsedAt=None, project="", branch=""
    )
    return made


def request(now: int, number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"tc-{number:016x}", "at": now - number * 23_000, "method": "POST", "path": "/v1/messages",
        "model": MODELS[number % 3], "effort": "high", "session": node(now, number % 18)["session"],
        "agent": "",
        "client": "", "accounts": [ACCOUNTS[number % 3]], "status": 200, "ttfbSec": 1.4 + number % 5 * 0.3,
        "durationSec": 12.1 + number, "inputTokens": 1200, "outputTokens": 8400, "cacheReadTokens": 120_000,
        "cacheWriteTokens": 3000, "cost": 0.31, "costEstimated": False, "outcome": "served",
        "reason": "kept: warm", "unmeasured": False, "waitedSec": None, "waitReason": "", **fields,
    }  # fmt: skip


def example_state(now: int) -> State:
    """Return the whole page model at `now`."""
    agents = nodes(now)
    keys = list(agents)
    running = {
        "status": None, "outcome": "", "durationSec": None, "inputTokens": None, "outputTokens": None,
        "cacheReadTokens": None, "cacheWriteTokens": None, "cost": None, "waiting": None,
    }  # fmt: skip
    waiting = {
        "kind": "held", "at": now - 95_000, "sec": 95.0, "over": False, "reason": "no account",
        "detail": "every account is benched or full", "account": ACCOUNTS[2], "backAt": now + 42 * MINUTE,
    }  # fmt: skip
    inflight = [request(now, number, **running) for number in range(1, 5)]
    inflight.append(request(now, 6, **{**running, "waiting": waiting, "accounts": [], "session": keys[9]}))
    inflight[0]["ttfbSec"] = None
    done = [request(now, number) for number in range(7, 60)]
    done[2].update(accounts=[ACCOUNTS[0], ACCOUNTS[1]], reason="failover: 429")
    done[5].update(status=429, outcome="held out", reason="all accounts are benched", accounts=[], cost=None)
    done[9].update(status=None, outcome="client gone", ttfbSec=None)
    done[12].update(status=529, outcome="refused", reason="overloaded everywhere", cost=None)
    accounts = [account(now, order) for order in range(4)]
    accounts[2].update(status="benched", statusReason="429: 5h window is full", usable=False, live=False,
                       rateLimitedUntil=now + 42 * MINUTE, inflight=0)  # fmt: skip
    accounts[3].update(status="auth_failed", statusReason="re-login needed", usable=False, live=False,
                       forecast={}, quota={}, inflight=0, warmSessions=0)  # fmt: skip
    paid = account(now, 4, type="apikey", lastResort=True, forecast={}, inflight=0, warmSessions=0)
    paid["quota"] = {"axes": {}, "apiKeyLimits": {"tokens": window(now, 0.12, MINUTE)}}
    accounts.append(paid)
    needs = [
        {"session": keys[4], "agent": "", "label": agents[keys[4]]["label"], "project": "shop",
         "reason": "permission prompt", "since": now - 12 * MINUTE},
        {"session": keys[7], "agent": "", "label": agents[keys[7]]["label"], "project": "mobile",
         "reason": "in review", "since": now - 3 * MINUTE},
    ]  # fmt: skip
    about = {
        "version": "0.1.0", "at": now, "policy": "weekly", "role": "operator", "verdict": "yellow",
        "headroom": 3,
        "liveAccounts": 2, "soonestResetAt": now + 42 * MINUTE, "held": 1, "draining": False, "pins": [],
        "forecast": {"p10": now + 2 * HOUR, "p50": now + 3 * HOUR, "p90": now + 4 * HOUR, "until": now + DAY,
                     "chance": 0.97, "band": []},
    }  # fmt: skip
    return {
        "about": {"": about},
        "accounts": {f"key{one['order']}": one for one in accounts},
        "nodes": agents,
        "needsYou": {one["session"]: one for one in needs},
        "inflight": {one["id"]: one for one in inflight},
        "activity": {one["id"]: one for one in done},
    }


def usage_report(now: int, step: str, by: str) -> dict[str, Any]:
    """Return what GET /teamclaude/usage answers: a day of hours or a month of days."""
    size, count = (HOUR, 24) if step == "hour" else (DAY, 30)
    names = {"account": ACCOUNTS[:3], "model": MODELS, "project": PROJECTS}.get(by, ("one",))
    rows: list[dict[str, Any]] = []
    for n in range(count):
        begin = (now - (count - 1 - n) * size) // size * size
        for place, name in enumerate(names):
            busy = max(0.0, math.sin((n + place * 2) / 3.8)) * (1 - 0.25 * place)
            rows.append(
                {step: "", by: name, "begin": begin, "requests": int(40 * busy),
                 "inputTokens": int(30_000 * busy),
                 "outputTokens": int(210_000 * busy), "cacheReadTokens": int(6_000_000 * busy),
                 "cacheWriteTokens": int(160_000 * busy), "tokens": int(6_400_000 * busy),
                 "cost": round(9 * busy, 4),
                 "costEstimated": False, "windows": {"5h": {"used": round(0.2 * busy, 4), "estimated": True}}}
            )  # fmt: skip
    total = {key: sum(row[key] for row in rows) for key in ("requests", "tokens", "cost")}
    return {
        "schema": 1,
        "by": [step, by],
        "rows": rows,
        "more": 0,
        "total": {**total, "costEstimated": False},
    }


def quota_readings(now: int) -> dict[str, Any]:
    """Return what GET /teamclaude/history/quota answers: three accounts over a day."""
    series = []
    for place, name in enumerate(ACCOUNTS[:3]):
        times = [now - DAY + n * 15 * MINUTE for n in range(96)]
        short = [((n + place * 7) % 20) / 20 * (0.9 - 0.2 * place) for n in range(96)]
        long = [0.2 + 0.1 * place + n / 250 for n in range(96)]
        for axis, used in (("5h", short), ("7d", long)):
            points = [[at, round(share, 4), now + HOUR] for at, share in zip(times, used)]
            series.append({"account": name, "axis": axis, "points": points})
    return {"since": now - DAY, "until": None, "series": series}
