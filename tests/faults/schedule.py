"""From a seed to a schedule. PURE: the same seed is the same schedule, on every machine and version.

Each seed has a theme, which decides what goes wrong mostly; `chaos` mixes everything.  What happens by
itself (order of threads) is not part of it: a failing seed is run again a few times.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from teamclaude.demo.fault import Fault
from tests.faults import menu
from tests.faults.plan import MODELS, SPEED, Event, Guest, Leave, Member, Request, Schedule, Trouble

__all__ = ["THEMES", "make"]

_NAMES = ("alice", "bob", "carol", "dave")
_SESSIONS = ("s-one", "s-two", "s-three")


def make(seed: int) -> Schedule:
    """The schedule of a seed."""
    draft = _Draft(random.Random(f"faults/{seed}"))
    theme = draft.rng.choices([name for name, _, _ in _THEMES], [weight for _, weight, _ in _THEMES])[0]
    next(act for name, _, act in _THEMES if name == theme)(draft)
    return Schedule(
        seed,
        theme,
        tuple(draft.members),
        tuple(draft.guests),
        tuple(draft.troubles),
        tuple(sorted(draft.events, key=lambda event: event.at)),
        draft.config,
    )


_Maker = Callable[[random.Random], Fault]


@dataclass
class _Draft:
    rng: random.Random
    members: list[Member] = field(default_factory=list)
    guests: list[Guest] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config.update(_times(self.rng))

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pool(self, low: int = 1, high: int = 3) -> None:
        """Accounts of the main API."""
        self.members += [Member(name) for name in _NAMES[: self.rng.randint(low, high)]]

    def someone(self) -> str:
        return self.rng.choice(self.members).name

    def guest(self, *requests: Request, **changes: Any) -> None:
        """A client with these requests, or with some plain ones."""
        rng = self.rng
        if not requests:
            requests = tuple(ordinary(rng) for _ in range(rng.choice([1, 1, 2, 3])))
        values: dict[str, Any] = {
            "session": rng.choice(_SESSIONS),
            "at": rng.choice([0.0, 0.0, 0.005, 0.02]),
            "subscription": self.chance(0.3),
            "tries": rng.choice([1, 1, 2, 3]),
        }
        self.guests.append(Guest(requests=tuple(requests), **{**values, **changes}))

    def trouble(self, make: _Maker, account: Optional[str] = None, **more: Any) -> None:
        fault = make(self.rng)
        if fault.on_accept:
            self.troubles.append(Trouble(fault, count=self.rng.choice([1, 1, 2, 4])))
            return
        values: dict[str, Any] = {
            "account": account if account is not None or self.chance(0.5) else self.someone(),
            "count": self.rng.choice([1, 1, 1, 2, 3, None]),
            "nth": self.rng.choice([1, 1, 1, 2]),
            "path": "/v1/messages" if self.chance(0.9) else None,
        }
        self.troubles.append(Trouble(fault, **{**values, **more}))

    def event(self, what: str, *args: Any, at: Optional[float] = None) -> None:
        self.events.append(Event(round(self.rng.uniform(0.0, 0.06), 4) if at is None else at, what, args))


def ordinary(rng: random.Random) -> Request:
    """A request as clients send it, in some variety."""
    kind = rng.choices(["messages", "count", "models", "profile"], [20, 2, 1, 1])[0]
    return Request(
        kind=kind,
        stream=rng.random() < 0.75,
        model=rng.choices(MODELS, [4, 1])[0],
        chunked=rng.random() < 0.08,
        expects=rng.random() < 0.04,
        version="1.0" if rng.random() < 0.08 else "1.1",
        reads="slow" if rng.random() < 0.06 else "all",
        bad_json=rng.random() < 0.03,
        pause=rng.choice([0.0, 0.0, 0.01]),
        fresh=rng.random() < 0.2,
    )


def _times(rng: random.Random) -> dict[str, Any]:
    """Real seconds for what happens on the wire; hold, bench and slot times in seconds of the fast clock."""
    return {
        "connectTimeoutSec": 0.2,
        "headTimeoutSec": 0.12,
        "bodyIdleTimeoutSec": 0.12,
        "headerReadSec": 0.3,
        "bodyReadIdleSec": 0.15,
        "writeIdleSec": 0.25,
        "drainSec": 0.15,
        "upstreamRetryBudgetSec": rng.choice([0.0, 0.05, 0.1]),
        "allThrottledHoldBudgetSec": rng.choice([0, 8, 20]),
        "holdCommitSec": rng.choice([0.02, 0.05, 30.0]),
        "apikeyFallbackDeadlineSec": rng.choice([3, 290]),
        "maxInflightPerAccount": rng.choice([1, 2, 5]),
        "slotWaitSec": 1.0,
        "backoffSec": 2.0,
        "backoffCapSec": 8.0,
        "logRequests": rng.random() < 0.2,
    }


# --- themes ---------------------------------------------------------------------------------------


def _calm(draft: _Draft) -> None:
    draft.pool()
    for _ in range(draft.rng.randint(1, 4)):
        draft.guest(pipelined=draft.chance(0.2))
    if draft.chance(0.5):
        draft.trouble(menu.framings)
    if draft.chance(0.3):
        draft.trouble(menu.requests)


def _one_fault(draft: _Draft) -> None:
    """One thing goes wrong for one client, once or always."""
    draft.pool()
    families = [menu.refusals, menu.logins, menu.overloads, menu.requests, menu.breaks, menu.framings]
    draft.trouble(draft.rng.choice([*families, menu.deaf_connects]))
    for _ in range(draft.rng.choice([1, 1, 2])):
        draft.guest()


def _throttled(draft: _Draft) -> None:
    """Most accounts refuse for a while; clients are held, served later, held out, or leave."""
    rng = draft.rng
    draft.pool()
    for member in list(draft.members):
        if draft.chance(0.8):
            draft.trouble(menu.refusals, member.name, count=rng.choice([1, 1, 2]), nth=1)
    if draft.chance(0.35):
        draft.members.append(Member("payer", "apikey", last_resort=draft.chance(0.8)))
    draft.config["proxy"] = {"maxHeld": rng.choice([1, 2, 256, 256])}
    for _ in range(rng.randint(1, 4)):
        leaving = _leaves(rng, held=True) if draft.chance(0.25) else None
        draft.guest(replace(ordinary(rng), kind="messages", leave=leaving, stream=draft.chance(0.85)))
    if draft.chance(0.25):
        draft.event("jump", rng.choice([-500.0, 5.0, 4000.0]))


def _login(draft: _Draft) -> None:
    """Credentials are refused, for good or until they are renewed."""
    draft.pool()
    for member in list(draft.members):
        if draft.chance(0.7):
            draft.trouble(menu.logins, member.name, count=draft.rng.choice([1, 2, None]), nth=1)
    if draft.chance(0.4):
        draft.event("renew", draft.someone())
    if draft.chance(0.2):
        draft.members.append(Member("payer", "apikey"))
    for _ in range(draft.rng.randint(1, 3)):
        draft.guest()


def _ageing(draft: _Draft) -> None:
    """Tokens end soon or have ended; the token endpoint renews them, or fails in its own ways."""
    rng = draft.rng
    for name in _NAMES[: rng.randint(1, 3)]:
        refresh = rng.choice(["works", "works", "slow", "refused", "busy", "lost", ""])
        draft.members.append(Member(name, expires=rng.choice(["", "soon", "past"]), refresh=refresh))
    if draft.chance(0.4):
        draft.trouble(menu.logins, count=1)
    if draft.chance(0.2):
        draft.event("jump", rng.choice([200.0, -200.0]))
    for _ in range(rng.randint(1, 4)):
        leaving = _leaves(rng, held=True) if draft.chance(0.2) else None
        draft.guest(replace(ordinary(rng), leave=leaving), ordinary(rng), at=rng.choice([0.0, 0.01]))


def _departures(draft: _Draft) -> None:
    """Clients leave in every phase while the API is slow or silent; no timeout ends it for them."""
    rng = draft.rng
    draft.pool(1, 2)
    draft.config.update({"headTimeoutSec": 8.0, "bodyIdleTimeoutSec": 8.0, "connectTimeoutSec": 8.0})
    silence = [
        lambda r: Fault.silent(),
        lambda r: Fault.cut_after_event(r.randrange(menu.EVENTS), "hang"),
        lambda r: Fault.cut_head(r.randrange(1, 100), "hang"),
        lambda r: Fault.slow(before_head=0.05 * SPEED, between_events=0.01 * SPEED),
        lambda r: Fault.deaf(),
        menu.refusals,
        menu.overloads,
    ]
    everyone_leaves = draft.chance(0.6)
    for _ in range(rng.randint(1, 2)):
        maker = rng.choice(silence if everyone_leaves else silence[3:4])
        draft.trouble(maker, None, count=rng.choice([1, 2, None]), nth=1)
    for _ in range(rng.randint(1, 4)):
        leaving = _leaves(rng) if everyone_leaves or draft.chance(0.5) else None
        draft.guest(replace(ordinary(rng), leave=leaving, expects=False), tries=1)


def _overload(draft: _Draft) -> None:
    draft.pool()
    for _ in range(draft.rng.randint(1, 2)):
        draft.trouble(menu.overloads, nth=1)
    for _ in range(draft.rng.randint(1, 3)):
        draft.guest()


def _broken(draft: _Draft) -> None:
    """Answers break off at every point."""
    draft.pool(1, 2)
    for _ in range(draft.rng.randint(1, 2)):
        draft.trouble(menu.breaks, None, nth=draft.rng.choice([1, 1, 2]))
    for _ in range(draft.rng.choice([1, 1, 2])):
        draft.guest()


def _limits(draft: _Draft) -> None:
    """Bodies and heads that are too large, malformed requests, busy keys, stuck readers, full lines."""
    rng = draft.rng
    draft.pool(1, 2)
    draft.config["proxy"] = {
        "maxHeld": rng.choice([1, 2]),
        "clients": [{"name": "desk", "key": "tc-desk-FAKE-key-00000000000000000000", "maxInflight": 1}],
    }
    if draft.chance(0.5):
        for member in draft.members:
            draft.trouble(lambda r: Fault.quota("5h", reset_in=8.0), member.name, count=1, nth=1)
    elif draft.chance(0.25):
        draft.troubles.append(Trouble(Fault.status(200, body=menu.BIG), count=1))
        draft.guest(Request(reads="stuck", stream=False), tries=1)
    elif draft.chance(0.5):
        draft.trouble(lambda r: Fault.slow(before_head=0.03 * SPEED), None, count=None, nth=1)
    odd = [
        Request(kind="huge"),
        Request(kind="huge", chunked=True),
        *(
            Request(malformed=way)
            for way in ("length and chunks", "two lengths", "space", "fold", "bare lf", "big")
        ),
        Request(version="1.0", malformed="chunks in 1.0"),
    ]
    for _ in range(rng.randint(1, 5)):
        request = rng.choice(odd) if draft.chance(0.4) else ordinary(rng)
        draft.guest(request, key=rng.choice(["", "desk"]), at=0.0, tries=1)


def _operator(draft: _Draft) -> None:
    """Things happen to the proxy itself while requests are under way."""
    rng = draft.rng
    draft.pool(2, 3)
    if draft.chance(0.6):
        draft.trouble(
            lambda r: Fault.slow(before_head=0.03 * SPEED, between_events=0.003 * SPEED), count=None
        )
    if draft.chance(0.5):
        draft.trouble(rng.choice([menu.refusals, menu.logins, menu.overloads]))
    for _ in range(rng.randint(1, 4)):
        _happening(draft)
    if draft.chance(0.45):
        draft.event("stop", rng.choice([0.0, 0.02, 0.15]))
    for _ in range(rng.randint(2, 4)):
        draft.guest()


def _agents(draft: _Draft) -> None:
    """One session and its sub-agents, all at once, on few slots."""
    draft.pool(1, 3)
    draft.config["maxInflightPerAccount"] = draft.rng.choice([1, 2])
    if draft.chance(0.6):
        draft.trouble(lambda r: Fault.slow(before_head=0.01 * SPEED), count=None, nth=1)
    if draft.chance(0.7):
        draft.trouble(draft.rng.choice([menu.refusals, menu.overloads, menu.breaks]))
    for number in range(draft.rng.randint(2, 6)):
        draft.guest(agent=f"agent-{number}" if number else "", session=_SESSIONS[0], at=0.0)


def _outage(draft: _Draft) -> None:
    """Some accounts have an upstream of their own, which may not be there; or the API goes away."""
    rng = draft.rng
    draft.pool(1, 2)
    where = rng.choice(["own", "own", "closed", "babble", "nowhere"])
    draft.members.append(Member("olga", upstream=where))
    if draft.chance(0.4):
        draft.trouble(menu.deaf_connects)
    if draft.chance(0.3):
        draft.event("refuse")
        if draft.chance(0.6):
            draft.event("listen", at=0.07)
    if draft.chance(0.3):
        draft.event("hang_up")
    if draft.chance(0.4):
        draft.trouble(rng.choice([menu.refusals, menu.logins]))
    for _ in range(rng.randint(1, 4)):
        draft.guest()


def _chaos(draft: _Draft) -> None:
    rng = draft.rng
    draft.pool(1, 4)
    if draft.chance(0.3):
        draft.members.append(Member("payer", "apikey", last_resort=draft.chance(0.7)))
    if draft.chance(0.2):
        draft.members.append(Member("olga", upstream="own"))
    everything = [menu.refusals, menu.logins, menu.overloads, menu.requests, menu.breaks, menu.framings]
    for _ in range(rng.randint(1, 4)):
        draft.trouble(rng.choice([*everything, menu.deaf_connects]))
    for _ in range(rng.choice([0, 0, 1, 2])):
        _happening(draft)
    for _ in range(rng.randint(2, 5)):
        request = replace(ordinary(rng), leave=_leaves(rng) if draft.chance(0.15) else None)
        pin = draft.someone() if draft.chance(0.1) else None
        draft.guest(replace(request, pin=pin), ordinary(rng))


def _happening(draft: _Draft) -> None:
    rng, name = draft.rng, draft.someone()
    what = rng.choice(
        [
            "reload",
            "watched",
            "remove",
            "disable",
            "enable",
            "renew",
            "switch",
            "unswitch",
            "jump",
            "fill",
            "hang_up",
        ]
    )
    if what == "remove":
        draft.event("remove", name)
        if draft.chance(0.5):
            draft.event("add", name, at=0.07)
    elif what == "unswitch":
        draft.event("switch", None)
    elif what == "jump":
        draft.event("jump", rng.choice([-4000.0, -3.0, 3.0, 400.0, 700_000.0]))
    elif what == "fill":
        draft.event(
            "fill", name, rng.choice(["5h", "7d"]), rng.choice([0.8, 0.99, 1.2]), rng.choice([5, 3000])
        )
    else:
        draft.event(what, *([name] if what in ("disable", "enable", "renew", "switch") else []))


def _leaves(rng: random.Random, held: bool = False) -> Leave:
    how = rng.choice(["fin", "rst"])
    if held:
        return Leave("time", rng.uniform(0.005, 0.08), how)
    return rng.choice(
        [
            Leave("request", rng.randrange(0, 700), how),
            Leave("time", rng.uniform(0.0, 0.05), how),
            Leave("time", rng.uniform(0.0, 0.05), how),
            Leave("bytes", rng.randrange(1, 2500), how),
        ]
    )


_THEMES: tuple[tuple[str, int, Callable[[_Draft], None]], ...] = (
    ("calm", 6, _calm),
    ("one fault", 20, _one_fault),
    ("throttled", 14, _throttled),
    ("login", 8, _login),
    ("ageing", 7, _ageing),
    ("departures", 12, _departures),
    ("overload", 7, _overload),
    ("broken", 12, _broken),
    ("limits", 8, _limits),
    ("operator", 9, _operator),
    ("agents", 5, _agents),
    ("outage", 5, _outage),
    ("chaos", 10, _chaos),
)
THEMES = tuple(name for name, _, _ in _THEMES)
