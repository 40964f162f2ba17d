"""The themes of schedules: one function per theme, which decides what mainly goes wrong."""

from __future__ import annotations

import random
from collections.abc import Callable

from teamclaude.fakeapi.fault import Fault
from teamclaude.values import replace
from tests.faults.schedules import random_faults
from tests.faults.schedules.builder import NAMES, ScheduleBuilder, ordinary
from tests.faults.schedules.plan import SPEED, Leave, PlannedAccount, Request, Trouble

__all__ = ["THEMES", "Theme"]

Theme = tuple[str, int, Callable[[ScheduleBuilder], None]]  # name, weight, function

_MALFORMED = ("length and chunks", "two lengths", "space", "fold", "bare lf", "big")
_SESSIONS = ("s-one", "s-two", "s-three")


def _calm(builder: ScheduleBuilder) -> None:
    builder.add_accounts()
    for _ in range(builder.rng.randint(1, 4)):
        builder.add_client(pipelined=builder.chance(0.2))
    if builder.chance(0.5):
        builder.add_trouble(random_faults.framings)
    if builder.chance(0.3):
        builder.add_trouble(random_faults.requests)


def _one_fault(builder: ScheduleBuilder) -> None:
    """One fault meets one or two clients, once or always."""
    builder.add_accounts()
    families = [
        random_faults.refusals,
        random_faults.logins,
        random_faults.overloads,
        random_faults.requests,
        random_faults.breaks,
        random_faults.framings,
    ]
    builder.add_trouble(builder.rng.choice([*families, random_faults.never_read_connects]))
    for _ in range(builder.rng.choice([1, 1, 2])):
        builder.add_client()


def _throttled(builder: ScheduleBuilder) -> None:
    """Most accounts refuse for a while; clients are held, served later, held out, or leave."""
    rng = builder.rng
    builder.add_accounts()
    for account in list(builder.accounts):
        if builder.chance(0.8):
            builder.add_trouble(random_faults.refusals, account.name, count=rng.choice([1, 1, 2]), nth=1)
    if builder.chance(0.35):
        builder.accounts.append(PlannedAccount("payer", "apikey", last_resort=builder.chance(0.8)))
    builder.config["proxy"] = {"maxHeld": rng.choice([1, 2, 256, 256])}
    for _ in range(rng.randint(1, 4)):
        leaving = _leaves(rng, held=True) if builder.chance(0.25) else None
        builder.add_client(
            replace(ordinary(rng), kind="messages", leave=leaving, stream=builder.chance(0.85))
        )
    if builder.chance(0.25):
        builder.add_event("jump", rng.choice([-500.0, 5.0, 4000.0]))


def _login(builder: ScheduleBuilder) -> None:
    """Credentials are refused, for good or until they are renewed."""
    builder.add_accounts()
    for account in list(builder.accounts):
        if builder.chance(0.7):
            builder.add_trouble(
                random_faults.logins, account.name, count=builder.rng.choice([1, 2, None]), nth=1
            )
    if builder.chance(0.4):
        builder.add_event("renew", builder.any_account())
    if builder.chance(0.2):
        builder.accounts.append(PlannedAccount("payer", "apikey"))
    for _ in range(builder.rng.randint(1, 3)):
        builder.add_client()


def _ageing(builder: ScheduleBuilder) -> None:
    """Tokens end soon or have ended; the token endpoint renews them, or fails in its own ways."""
    rng = builder.rng
    for name in NAMES[: rng.randint(1, 3)]:
        refresh = rng.choice(["works", "works", "slow", "refused", "busy", "lost", ""])
        builder.accounts.append(
            PlannedAccount(name, expires=rng.choice(["", "soon", "past"]), refresh=refresh)
        )
    if builder.chance(0.4):
        builder.add_trouble(random_faults.logins, count=1)
    if builder.chance(0.2):
        builder.add_event("jump", rng.choice([200.0, -200.0]))
    for _ in range(rng.randint(1, 4)):
        leaving = _leaves(rng, held=True) if builder.chance(0.2) else None
        builder.add_client(replace(ordinary(rng), leave=leaving), ordinary(rng), at=rng.choice([0.0, 0.01]))


def _departures(builder: ScheduleBuilder) -> None:
    """Clients leave in every phase while the API is slow or silent; no timeout ends it for them."""
    rng = builder.rng
    builder.add_accounts(1, 2)
    builder.config.update({"headTimeoutSec": 8.0, "bodyIdleTimeoutSec": 8.0, "connectTimeoutSec": 8.0})
    silence = [
        lambda r: Fault.never_answered(),
        lambda r: Fault.cut_after_event(r.randrange(random_faults.EVENTS), "hang"),
        lambda r: Fault.cut_head(r.randrange(1, 100), "hang"),
        lambda r: Fault.slow(before_head=0.05 * SPEED, between_events=0.01 * SPEED),
        lambda r: Fault.never_read(),
        random_faults.refusals,
        random_faults.overloads,
    ]
    everyone_leaves = builder.chance(0.6)
    for _ in range(rng.randint(1, 2)):
        maker = rng.choice(silence if everyone_leaves else silence[3:4])
        builder.add_trouble(maker, None, count=rng.choice([1, 2, None]), nth=1)
    for _ in range(rng.randint(1, 4)):
        leaving = _leaves(rng) if everyone_leaves or builder.chance(0.5) else None
        builder.add_client(replace(ordinary(rng), leave=leaving, expects=False), tries=1)


def _overload(builder: ScheduleBuilder) -> None:
    builder.add_accounts()
    for _ in range(builder.rng.randint(1, 2)):
        builder.add_trouble(random_faults.overloads, nth=1)
    for _ in range(builder.rng.randint(1, 3)):
        builder.add_client()


def _broken(builder: ScheduleBuilder) -> None:
    """Answers break off at every point."""
    builder.add_accounts(1, 2)
    for _ in range(builder.rng.randint(1, 2)):
        builder.add_trouble(random_faults.breaks, None, nth=builder.rng.choice([1, 1, 2]))
    for _ in range(builder.rng.choice([1, 1, 2])):
        builder.add_client()


def _limits(builder: ScheduleBuilder) -> None:
    """Bodies and heads that are too large, malformed requests, busy keys, stuck readers, full lines."""
    rng = builder.rng
    builder.add_accounts(1, 2)
    builder.config["proxy"] = {
        "maxHeld": rng.choice([1, 2]),
        "clients": [{"name": "desk", "key": "tc-desk-FAKE-key-00000000000000000000", "maxInflight": 1}],
    }
    if builder.chance(0.5):
        for account in builder.accounts:
            builder.add_trouble(lambda r: Fault.quota("5h", reset_in=8.0), account.name, count=1, nth=1)
    elif builder.chance(0.25):
        builder.troubles.append(Trouble(Fault.status(200, body=random_faults.BIG), count=1))
        builder.add_client(Request(reads="stuck", stream=False), tries=1)
    elif builder.chance(0.5):
        builder.add_trouble(lambda r: Fault.slow(before_head=0.03 * SPEED), None, count=None, nth=1)
    odd = [
        *3 * [Request(kind="huge"), Request(kind="huge", chunked=True)],
        *(Request(malformed=way) for way in _MALFORMED),
        Request(version="1.0", malformed="chunks in 1.0"),
    ]
    for _ in range(rng.randint(1, 5)):
        request = rng.choice(odd) if builder.chance(0.4) else ordinary(rng)
        builder.add_client(request, key=rng.choice(["", "desk"]), at=0.0, tries=1)


def _crowd(builder: ScheduleBuilder) -> None:
    """More clients than may be held wait for the one account, which recovers before their timeouts."""
    rng = builder.rng
    builder.add_accounts(1, 1)
    builder.config["proxy"] = {"maxHeld": rng.choice([1, 2])}
    builder.config.update(allThrottledHoldBudgetSec=20, maxInflightPerAccount=rng.choice([1, 5]))
    builder.add_trouble(lambda r: Fault.quota("5h", reset_in=r.choice([6.0, 18.0])), "alice", count=1, nth=1)
    builder.add_client(Request(), at=0.0, tries=1)
    for _ in range(rng.randint(3, 5)):
        leaving = _leaves(rng, held=True) if builder.chance(0.3) else None
        builder.add_client(Request(leave=leaving), at=0.02, tries=rng.choice([1, 2]))
    if builder.chance(0.3):
        builder.add_event("stop", 0.05, at=0.05)


def _operator(builder: ScheduleBuilder) -> None:
    """The operator or the clock changes the proxy during requests."""
    rng = builder.rng
    builder.add_accounts(2, 3)
    if builder.chance(0.6):
        builder.add_trouble(
            lambda r: Fault.slow(before_head=0.03 * SPEED, between_events=0.003 * SPEED), count=None
        )
    if builder.chance(0.5):
        builder.add_trouble(
            rng.choice([random_faults.refusals, random_faults.logins, random_faults.overloads])
        )
    for _ in range(rng.randint(1, 4)):
        _happening(builder)
    if builder.chance(0.45):
        builder.add_event("stop", rng.choice([0.0, 0.02, 0.15]))
    for _ in range(rng.randint(2, 4)):
        builder.add_client()


def _agents(builder: ScheduleBuilder) -> None:
    """One session and its sub-agents, all at once, on few slots."""
    builder.add_accounts(1, 3)
    builder.config["maxInflightPerAccount"] = builder.rng.choice([1, 2])
    if builder.chance(0.6):
        builder.add_trouble(lambda r: Fault.slow(before_head=0.01 * SPEED), count=None, nth=1)
    if builder.chance(0.7):
        builder.add_trouble(
            builder.rng.choice([random_faults.refusals, random_faults.overloads, random_faults.breaks])
        )
    for number in range(builder.rng.randint(2, 6)):
        builder.add_client(agent=f"agent-{number}" if number else "", session=_SESSIONS[0], at=0.0)


def _outage(builder: ScheduleBuilder) -> None:
    """Some accounts have an upstream of their own, which may be unreachable; or the API stops listening."""
    rng = builder.rng
    builder.add_accounts(1, 2)
    where = rng.choice(["own", "own", "closed", "not http", "nowhere"])
    builder.accounts.append(PlannedAccount("olga", upstream=where))
    if builder.chance(0.4):
        builder.add_trouble(random_faults.never_read_connects)
    if builder.chance(0.3):
        builder.add_event("stop_listening")
        if builder.chance(0.6):
            builder.add_event("listen", at=0.07)
    if builder.chance(0.3):
        builder.add_event("close_connections")
    if builder.chance(0.4):
        builder.add_trouble(rng.choice([random_faults.refusals, random_faults.logins]))
    for _ in range(rng.randint(1, 4)):
        builder.add_client()


def _chaos(builder: ScheduleBuilder) -> None:
    rng = builder.rng
    builder.add_accounts(1, 4)
    if builder.chance(0.3):
        builder.accounts.append(PlannedAccount("payer", "apikey", last_resort=builder.chance(0.7)))
    if builder.chance(0.2):
        builder.accounts.append(PlannedAccount("olga", upstream="own"))
    everything = [
        random_faults.refusals,
        random_faults.logins,
        random_faults.overloads,
        random_faults.requests,
        random_faults.breaks,
        random_faults.framings,
    ]
    for _ in range(rng.randint(1, 4)):
        builder.add_trouble(rng.choice([*everything, random_faults.never_read_connects]))
    for _ in range(rng.choice([0, 0, 1, 2])):
        _happening(builder)
    for _ in range(rng.randint(2, 5)):
        request = replace(ordinary(rng), leave=_leaves(rng) if builder.chance(0.15) else None)
        pin = builder.any_account() if builder.chance(0.1) else None
        builder.add_client(replace(request, pin=pin), ordinary(rng))


def _happening(builder: ScheduleBuilder) -> None:
    rng, name = builder.rng, builder.any_account()
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
            "close_connections",
        ]
    )
    if what == "remove":
        builder.add_event("remove", name)
        if builder.chance(0.5):
            builder.add_event("add", name, at=0.07)
    elif what == "unswitch":
        builder.add_event("switch", None)
    elif what == "jump":
        builder.add_event("jump", rng.choice([-4000.0, -3.0, 3.0, 400.0, 700_000.0]))
    elif what == "fill":
        builder.add_event(
            "fill", name, rng.choice(["5h", "7d"]), rng.choice([0.8, 0.99, 1.2]), rng.choice([5, 3000])
        )
    else:
        builder.add_event(what, *([name] if what in ("disable", "enable", "renew", "switch") else []))


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


THEMES: tuple[Theme, ...] = (
    ("calm", 6, _calm),
    ("one fault", 20, _one_fault),
    ("throttled", 14, _throttled),
    ("login", 8, _login),
    ("ageing", 7, _ageing),
    ("departures", 12, _departures),
    ("overload", 7, _overload),
    ("broken", 12, _broken),
    ("limits", 8, _limits),
    ("crowd", 4, _crowd),
    ("operator", 9, _operator),
    ("agents", 5, _agents),
    ("outage", 5, _outage),
    ("chaos", 10, _chaos),
)
