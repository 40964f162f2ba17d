"""The snapshot: its JSON is what scripts have always read, and comes back whole from any version."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from teamclaude.accounts.config.config import ClientKey
from teamclaude.errors import SnapshotError
from teamclaude.history.issue_totals import IssueTotals
from teamclaude.history.rows import UsageTotals
from teamclaude.proxy.clients.usage import ClientUsage
from teamclaude.proxy.http.path_kinds import PathKind
from teamclaude.proxy.records.request_wait import RequestWait
from teamclaude.routing.quota.usage import NO_USAGE, UNMEASURED, Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Decision, Wait
from teamclaude.routing.user_rules.routes import RouteMatch, RouteSpec
from teamclaude.routing.view import snapshot_of
from teamclaude.snapshot import (
    Activity,
    HeldView,
    HistoryView,
    InflightView,
    OutageView,
    Snapshot,
    SystemView,
    TokenView,
)
from teamclaude.values import replace
from tests.routing.conftest import Pool

OPUS = "claude-opus-4-8"
GOLDEN = Path(__file__).parent / "snapshot_schema_1.json"
"""What `/teamclaude/deck` answered for `rich` before there was a typed snapshot, without `schema`."""


def busy_pool() -> Pool:
    """Five accounts: one at work, one benched, one disabled, one without a login, one paid key."""
    pool = Pool(
        AccountSpec("u1", "alice", priority=2),
        AccountSpec("u2", "bob"),
        AccountSpec("u3", "carol", enabled=False),
        AccountSpec("u4", "dave"),
        AccountSpec("k", "paid", kind="apikey", last_resort=True),
    )
    for axis, used, left, status in (
        ("5h", 0.5234, 9000.4, "allowed"),
        ("7d", 0.31, 273_600.0, "allowed_warning"),
        ("7d_opus", 0.9, 273_600.0, None),
    ):
        pool.quota("u1", axis, used, left, status)
    pool.quota("k", "tokens", 0.25, 61.5)
    pool.quota("k", "requests", None, None)
    lease = pool.lease("s1", pin="u1", model=OPUS)
    pool.settle(lease, Usage(1200, 8400, 50_000, 2000, 300), OPUS, served=True)
    lease = pool.lease("s1", agent="a1", pin="u1", model=OPUS)
    pool.settle(lease, Usage(10, 20, 30), "claude-opus-9", served=True)
    pool.wait(100.5)
    pool.settle(pool.lease("s2", pin="u1"), Usage(5, 5), "gpt-5", served=True)
    pool.settle(pool.lease("s3", pin="u1"), UNMEASURED, OPUS, served=True)
    refused = pool.lease("s4", pin="u2")
    pool.answer(refused, 429, ("retry-after", "240"))
    pool.settle(refused)
    pool.fleet.mark_account_auth_failed("u4", "401: revoked")
    pool.fleet.pin("u1", "s1")
    pool.fleet.pin("u2")
    opus, agents = RouteMatch("claude-opus-*", ("/work",)), RouteMatch(agent="true")
    routes = [
        RouteSpec("routes[0]", opus, ("alice", "bob")),
        RouteSpec("routes[1]", agents, block="no agents"),
    ]
    pool.fleet.user_rules.use(routes, {"/work/acme": "alice"})
    pool.fleet.user_rules.pin("/work/site", "u2")
    pool.lease("s5", pin="u1", model=OPUS)
    pool["u1"].cap_5h.ceiling = 34_000.6
    pool.wait(12.345)
    return pool


def rich() -> Snapshot:
    """Everything that can be known, of a busy pool."""
    pool = busy_pool()
    now = pool.now
    tokens = {
        "u1": TokenView("valid", now + 3600.5, now + 86400.0),
        "u4": TokenView("re-login needed", reason="revoked"),
    }
    held = (
        HeldView("tc-9", "s9", "", OPUS, 71.9, "no account usable", "two of two", "bob", now + 227.6551),
        HeldView("tc-8", held_sec=3.2, reason="waits for room"),
    )
    clients = ClientUsage(clock=lambda: now)
    clients.configure([ClientKey("ci", "key", 3, 1_000_000, 0.5)])
    for usage, cost in ((Usage(1, 2, 3), 0.0123456789), (UNMEASURED, None)):
        route = SimpleNamespace(kind=PathKind.INFERENCE)
        exchange: Any = SimpleNamespace(route=route, usage=usage, cost=cost, cost_estimated=True, attempts=[])
        with clients.count_request("ci", exchange):
            pass
    system = SystemView(
        version="1.2.3", pid=4711, port=3456, proxy_rss_mb=41.26, proxy_uptime_sec=90.4, threads=7,
        connections=3, waiting=2, upstream="https://api.example", held=2,
    )  # fmt: skip
    finished = Activity(
        "tc-1", now - 50.25, "POST", "/v1/messages", OPUS, "high", "s1", "a1", "ci", ("alice", "bob"), 200,
        1.4, 12.1, 1200, 8400, 50_000, 0, 0.25, True, "served", "own account", False, 12.5,
        "no account usable", "10.0.0.7",
    )  # fmt: skip
    running = Activity("tc-2", now - 3.2, "GET", "/v1/models")
    wait = RequestWait(Wait(Decision("u2", "kept warm", "detail"), account="u2"), now - 2.34, lambda: now, 1)
    found = snapshot_of(pool.fleet, now, tokens)
    return replace(
        found,
        capacity=replace(found.capacity, held=2, held_sec=71.9),
        system=system,
        outages=(OutageView("api.example", ("alice", "bob"), now - 240.25, now - 3.5, 12, "refused"),),
        history=HistoryView(True, 52_428_800, 1234, now - 86_400.5, "the disk is full"),
        usage_by_issue=issue_totals(pool).view(),
        held=held,
        clients=clients.view(),
        activity=(finished,),
        inflight=(InflightView(running), InflightView(running, wait.view({"u2": "bob"}))),
    )


def issue_totals(pool: Pool) -> IssueTotals:
    """What the conversations of a busy pool used: s1 works on an issue."""
    totals = IssueTotals(86_400.0)
    for binding in pool.fleet.bindings.values():
        if binding.usage != NO_USAGE:
            used = UsageTotals(
                binding.requests,
                binding.usage,
                binding.cost,
                binding.cost_estimated,
                binding.unpriced_tokens,
                last_at=binding.last_used,
            )
            totals.add_totals("ENG-1" if binding.session == "s1" else "", binding.conversation, used)
    return totals


# --- the keys of scripts ------------------------------------------------------------------------


def test_the_json_is_what_it_was_before_and_the_schema() -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    shown = rich().to_json()
    assert json.dumps(shown, indent=1) == json.dumps({"schema": 1, **golden}, indent=1), "the order too"


def test_the_status_lists_no_requests() -> None:
    shown = rich().to_json()
    status = rich().to_json(requests=False)
    assert {"activity", "inflight"} == shown.keys() - status.keys()
    assert status == {key: shown[key] for key in status}


# --- there and back -----------------------------------------------------------------------------


def test_a_rich_snapshot_comes_back_as_it_was_written() -> None:
    shown = json.loads(json.dumps(rich().to_json()))
    again = Snapshot.from_json(shown)
    assert again.to_json() == shown
    assert Snapshot.from_json(again.to_json()) == again


def made(hint: Any, some: random.Random, depth: int = 0) -> Any:
    """A value of a field's type, on the grid that JSON keeps."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union:
        return None if some.random() < 0.3 else made(arguments[0], some, depth)
    if hasattr(hint, "__metadata__"):
        return float(some.randrange(10**6)) if arguments[0] is float else made(arguments[0], some, depth)
    if origin is tuple:
        return tuple(made(arguments[0], some, depth) for _ in range(some.randrange(4)))
    if origin is not None:
        return {f"k{n}": made(arguments[1], some, depth) for n in range(some.randrange(4))}
    if hint in PLAIN:
        return PLAIN[hint](some)
    hints = get_type_hints(hint, include_extras=True)
    return hint(**{name: made(of, some, depth + 1) for name, of in hints.items()})


PLAIN: dict[Any, Callable[[random.Random], Any]] = {
    str: lambda some: "".join(some.choice('aé漢\x1b\u202e"\\ ') for _ in range(some.randrange(6))),
    int: lambda some: some.randrange(-(10**9), 10**15),
    float: lambda some: some.choice((0.0, -1.5, 0.1, 1e-9, 1e14, some.random())),
    bool: lambda some: some.random() < 0.5,
}


@pytest.mark.parametrize("seed", range(25))
def test_any_snapshot_comes_back_from_its_json(seed: int) -> None:
    snapshot = made(Snapshot, random.Random(seed))
    assert Snapshot.from_json(json.loads(json.dumps(snapshot.to_json(), allow_nan=False))) == snapshot


# --- other versions and strangers ---------------------------------------------------------------


def test_what_another_version_does_not_know_has_its_default() -> None:
    assert Snapshot.from_json({}) == Snapshot()
    newer = {"schema": 7, "novelty": [1], "accounts": [{"name": "alice", "mood": {}, "quota": None}]}
    (account,) = Snapshot.from_json(newer).accounts
    assert (account.name, account.quota.axes, account.usage.usage.tokens) == ("alice", {}, None)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "it is not an object"),
        ([], "it is not an object"),
        ({"accounts": {}}, "accounts is not a list"),
        ({"accounts": [None]}, "accounts[0] is not an object"),
        ({"accounts": [{}, {"enabled": 1}]}, "accounts[1].enabled is not true or false"),
        (
            {"accounts": [{"quota": {"axes": {"5h": {"resetsAt": "x"}}}}]},
            "quota.axes.5h.resetsAt is not a number",
        ),
        ({"sessionBindings": [{"tokens": 1.5}]}, "sessionBindings[0].tokens is not a whole number"),
        ({"at": True}, "at is not a number"),
        ({"at": float("nan")}, "at is not a number"),
        ({"at": 10**400}, "at is not a number"),
        ({"policy": 5}, "policy is not a text"),
        ({"capacity": {"at": 5}}, "capacity.at is not a text"),
    ],
)
def test_a_value_of_the_wrong_type_is_one_error_that_names_its_place(value: Any, words: str) -> None:
    with pytest.raises(SnapshotError) as raised:
        Snapshot.from_json(value)
    assert str(raised.value).endswith(words)


JUNK: list[Any] = [
    None,
    0,
    -1,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    10**400,
    True,
    "",
    "x",
    [],
    [[]],
    {},
    {"a": 1},
    "\ud800",
]


def spoilt(value: Any, some: random.Random) -> Any:
    """The same JSON with one part replaced, taken out or doubled."""
    if isinstance(value, dict) and value and some.random() < 0.9:
        key = some.choice(list(value))
        if some.random() < 0.1:
            return {other: held for other, held in value.items() if other != key}
        return {**value, key: spoilt(value[key], some)}
    if isinstance(value, list) and value and some.random() < 0.9:
        place = some.randrange(len(value))
        return [*value[:place], spoilt(value[place], some), *value[place + some.randrange(2) :]]
    return some.choice(JUNK)


@pytest.mark.parametrize("seed", range(6))
def test_hostile_json_is_read_or_refused_with_one_error(seed: int) -> None:
    some, shown = random.Random(seed), rich().to_json()
    words: list[str] = []
    for _ in range(50):
        try:
            found = Snapshot.from_json(spoilt(shown, some))
        except SnapshotError as error:
            words.append(str(error))
        else:
            assert Snapshot.from_json(found.to_json()).to_json() == found.to_json()
    assert 5 < len(words) < 50
    assert max(map(len, words)) < 200
    assert all(error.isprintable() for error in words)
