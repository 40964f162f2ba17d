from __future__ import annotations

import json
import random
from typing import Any

import pytest

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.persistence import STATE_VERSION, dump_state, restore_state
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, Reason, RoutingRequest
from teamclaude.routing.view import snapshot_of
from teamclaude.snapshot import Snapshot
from teamclaude.typed_json import from_json, to_json
from tests.routing.conftest import DEFAULT

HOUR, DAY = 3600.0, 86400.0
OPUS = "claude-opus-4-8"
NUMBERS = (-1, 0, 1.5, 10**400, 1e308, float("nan"), float("inf"))
GARBAGE: tuple[Any, ...] = (
    *NUMBERS,
    None,
    True,
    "",
    "x",
    "5",
    [],
    [[]],
    [None],
    [1, 2, 3, 4],
    {},
    {"a": 1},
    [{"a": []}],
)
EVERY_POLICY = True


@pytest.fixture
def pool(make_pool, unified):
    """A fleet with something in every field."""
    pool = make_pool("a", "b", AccountSpec("key", "key", kind="apikey", last_resort=True))
    pool.bind("s", "b")
    pool.bind("s", "a", cache_life=3600.0, model=OPUS)
    for used in (0.1, 0.2, 0.3):
        lease = pool.lease("s", pin="a", model=OPUS)
        axes = {f"{axis}-utilization": used for axis in ("5h", "7d", "7d_opus")}
        resets = {
            "5h-reset": pool.now + 4 * HOUR,
            "7d-reset": pool.now + 5 * DAY,
            "7d_opus-reset": pool.now + 5 * DAY,
        }
        pool.answer(lease, 200, *unified(status="allowed", **axes, **resets))
        pool.settle(lease, Usage(100, 2000, 30_000, 400, 500), served=True)
    pool.settle(pool.lease("t", pin="b", agent="x", parent_agent="w"), Usage(7), "gpt-5", served=True)
    lease = pool.lease("u", pin="b", model=OPUS)
    pool.answer(lease, 429, *unified(**{"7d_xyz-status": "rejected", "7d_xyz-reset": pool.now + DAY}))
    pool.answer(
        lease, 429, *unified(status="rejected", **{"5h-status": "rejected", "5h-reset": pool.now + HOUR})
    )
    pool.settle(lease)
    pool.settle(pool.lease("s", pin="a"), Usage(1), "claude-opus-9", served=True)  # its price is an estimate
    pool.serve(None, Usage(1, 1, 0, 4000, 0), prefixes=("digest",))
    pool.fleet.record_account_refusal(pool.lease("v", pin="key"), "disabled", pool.now)
    pool["key"].refusals_in_row = 1
    pool.fleet.mark_account_auth_failed("key", "revoked")
    overage = {"representative-claim": "overage", "overage-in-use": "true"}
    asks_for_more = pool.lease(None, pin="a", model=OPUS, betas="x")
    pool.answer(asks_for_more, 429, *unified(**overage))
    pool.settle(asks_for_more)
    pool.fleet.owners.record("file_1", "a")
    pool.fleet.gate_queue.places.life_sec = HOUR
    pool.fleet.gate_queue.places.record("waits", pool.now - 60.0, pool.now)
    pool.fleet.pin("a")
    pool.fleet.pin("b", "s")
    pool.fleet.user_rules.pin("/work/acme", "b")
    pool.fleet.bindings["s"].paced_at = pool.now
    pool["key"].spent = {"2027-01-15": 1.5, "2027-01": 20.25}
    pool.fleet.spending.removed = {"2027-01": 3.5}
    return pool


def restored(pool, data, specs=None, later=0.0):
    fleet = Fleet(Rules(), type(pool.fleet.policy)())
    fleet.configure(pool.specs if specs is None else specs)
    return fleet, restore_state(fleet, data, pool.now + later)


def saved(pool):
    return json.loads(json.dumps(dump_state(pool.fleet, pool.now), allow_nan=False, default=list))


REQUESTS = {"a": 6, "b": 2, "key": 0}


# --- round trip -------------------------------------------------------------------------------


def test_a_restart_loses_nothing(pool):
    data = saved(pool)
    fleet, lost = restored(pool, data)
    assert lost == []
    assert json.loads(json.dumps(dump_state(fleet, pool.now), default=list)) == data
    assert data["version"] == STATE_VERSION


def test_after_a_restart_the_view_is_the_same_but_for_requests_in_flight(pool):
    for lease in [pool.lease("s", pin="a")]:
        pool.settle(lease)
    before = snapshot_of(pool.fleet, pool.now)
    after = snapshot_of(restored(pool, saved(pool))[0], pool.now)
    assert after.session_bindings != ()
    kept = [[b for b in seen.session_bindings if b.sid != "v"] for seen in (before, after)]
    assert kept[0] == kept[1]
    assert after.accounts[:2] == before.accounts[:2]
    assert after.pins == before.pins
    assert after.current_account == before.current_account
    assert [b.inflight for b in after.session_bindings] == [0] * 4


def test_decisions_after_a_restart_are_the_same(pool):
    pool.fleet.pin(None)
    pool.fleet.pin(None, "s")
    fleet = restored(pool, saved(pool))[0]
    for ask in (pool.ask("s"), pool.ask("t", agent="x"), pool.ask("new", model=OPUS), pool.ask()):
        again, before = fleet.choose(ask, pool.now), pool.fleet.choose(ask, pool.now)
        assert again[:2] == before[:2]
        assert again.previous == before.previous
    assert fleet.choose(pool.ask("s"), pool.now).reason == Reason.KEPT


def test_every_field_of_the_fixture_is_filled(pool):
    """Else the round trip would prove nothing about it."""
    data = saved(pool)
    empty = {
        name
        for account in data["accounts"].values()
        for name, value in account.items()
        if not any(other[name] for other in data["accounts"].values())
    }
    assert empty == set()
    never = {name for name in data["bindings"][0] if not any(row[name] for row in data["bindings"])}
    assert never == set()
    assert all(data[name] for name in data)


# --- what changed meanwhile ---------------------------------------------------------------------


def test_what_expired_meanwhile_is_gone(pool):
    fleet, lost = restored(pool, saved(pool), later=HOUR + 1)
    assert lost == []
    assert fleet.accounts["b"].status(pool.now + HOUR + 1) == "active"
    assert fleet.accounts["b"].windows.get("5h", pool.now + HOUR + 1).utilization is None
    assert "t/x" not in fleet.bindings  # idle for over half an hour


def test_accounts_that_are_gone_are_left_out_and_new_ones_start_fresh(pool):
    fleet, lost = restored(pool, saved(pool), [AccountSpec("c", "c"), AccountSpec("a", "a")])
    assert (lost, sorted(fleet.accounts), fleet.pins) == ([], ["a", "c"], {None: "a"})
    assert fleet.choose(pool.ask("u"), pool.now).reason in (Reason.PINNED, Reason.REMOVED)


def test_state_follows_an_account_that_has_learned_who_it_is(pool):
    specs = [AccountSpec("person/org", "a"), *pool.specs[1:]]
    fleet, lost = restored(pool, saved(pool), specs)
    assert lost == []
    assert fleet.accounts["person/org"].utilization("7d", pool.now) == 0.3
    assert (fleet.bindings["s"].account, fleet.pins[None]) == ("person/org", "person/org")


def test_a_pin_of_a_project_is_kept_and_that_of_the_configuration_is_not_saved(pool):
    pool.fleet.user_rules.use((), {"/work/site": "a"})
    data = saved(pool)
    assert data["projectPins"] == [{"project": "/work/acme", "account": "b"}]
    fleet, _ = restored(pool, data)
    assert fleet.user_rules.project_pins.rows() == [("/work/acme", "b", False)]
    assert fleet.user_rules.needs_facts
    without = restored(pool, data, [AccountSpec("a", "a")])[0]
    assert without.user_rules.project_pins.rows() == []


def test_a_key_does_not_inherit_from_a_login_of_the_same_name(pool):
    fleet, _ = restored(pool, saved(pool), [AccountSpec("b", "b", kind="apikey")])
    assert fleet.accounts["b"].status(pool.now) == "active"


def test_a_state_saved_by_a_clock_ahead_delays_no_request(pool):
    fleet, _ = restored(pool, saved(pool), later=-DAY)
    now = pool.now - DAY
    assert fleet.accounts["b"].bench_until <= now + HOUR
    assert max(binding.last_used for binding in fleet.bindings.values()) <= now


def test_older_files_and_unknown_fields_load(pool):
    data = saved(pool)
    data["future"] = {"x": 1}
    data["ledger"] = [{"account": "a", "requests": 5}]  # as versions before the history had it
    data["accounts"]["a"]["future"] = 1
    del data["pins"], data["accounts"]["a"]["cap5h"], data["accounts"]["a"]["kind"]
    del data["bindings"][0]["pacedAt"]
    fleet, lost = restored(pool, data)
    assert (lost, fleet.accounts["a"].requests, len(fleet.bindings)) == ([], 6, 4)


@pytest.mark.parametrize("data", [{}, [], None, 5, "x"])
def test_no_state_is_a_fresh_start(pool, data):
    fleet, _ = restored(pool, data)
    assert (fleet.bindings, fleet.pins) == ({}, {})


# --- garbage ------------------------------------------------------------------------------------


def places(value, path=()):
    """Every path into a JSON value; of a list the first five, since all are read alike."""
    yield path
    rows = enumerate(value[:5]) if isinstance(value, list) else ()
    items = value.items() if isinstance(value, dict) else rows
    for key, inner in items:
        yield from places(inner, (*path, key))


def put(data, path, value):
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


def replaced(text, path, value):
    data = json.loads(text)
    put(data, path, value)
    return data


def use(fleet, now):
    """Whatever was restored must be usable: nothing may raise later either."""
    shown = json.loads(json.dumps(to_json(snapshot_of(fleet, now)), allow_nan=False))
    from_json(Snapshot, shown)  # as the Deck and `status` read it
    json.dumps(dump_state(fleet, now), allow_nan=False, default=list)
    for session in ("s", "t", "new", None):
        for model in (OPUS, None):
            got = fleet.admit(RoutingRequest(session, model=model), now)
            if isinstance(got, Lease):
                fleet.settle_lease(got, now, Usage(1, 2), model, served=True)


def test_garbage_in_any_place_never_raises_and_keeps_the_rest(pool, request):
    text = json.dumps(saved(pool))
    rng = random.Random(request.node.name)  # other garbage under each policy
    found = [path for path in places(json.loads(text)) if path]
    if pool.policy != DEFAULT:  # most policies save nothing of their own
        found = rng.sample(found, len(found) // 10)
    for path in found:
        for value in rng.sample(GARBAGE, 1):
            fleet, _ = restored(pool, replaced(text, path, value))
            kept = {key: account.requests for key, account in fleet.accounts.items()}
            bound = set(fleet.bindings)
            use(fleet, pool.now)
            if path[0] != "accounts":
                assert kept == REQUESTS
            elif len(path) > 2 and path[2] != "kind":
                assert {**kept, path[1]: 0} == {**REQUESTS, path[1]: 0}
                assert path[2] == "requests" or kept == REQUESTS
            if path[0] != "bindings" or (len(path) > 2 and path[2] not in ("conversation", "lastUsed")):
                assert bound == {"s", "t/x", "u", "v"}


def numbers(value, path=()):
    """The path of every number in a JSON value."""
    for found in places(value):
        inner = value
        for key in found:
            inner = inner[key]
        if isinstance(inner, (int, float)) and not isinstance(inner, bool):
            yield found


# Of a damaged file, or of one that somebody has edited; 2**44 is still a count.
ODD_NUMBERS = (1e308, -1e308, 1e15, 2**44, 2**50, 2**63, 10**400, -1, 0, 0.5, 1e-308, float("nan"), "NaN")


def test_any_number_of_a_state_may_be_any_other(pool, request):
    text = json.dumps(saved(pool))
    rng = random.Random(request.node.name)
    found = list(numbers(json.loads(text)))
    if pool.policy != DEFAULT:
        found = rng.sample(found, len(found) // 10)
    for path in found:
        for value in rng.sample(ODD_NUMBERS, 2 if pool.policy == DEFAULT else 1):
            fleet, lost = restored(pool, replaced(text, path, value))
            use(fleet, pool.now)
            times = [binding.first_seen for binding in fleet.bindings.values()]
            times += [binding.bound_at for binding in fleet.bindings.values()]
            assert max(times, default=0.0) <= pool.now
            if value in (1e308, 10**400) and path[-1] not in ("version", "savedAt", "benchUntil"):
                assert lost, path


def test_all_numbers_of_a_state_may_be_damaged(pool):
    for value in ODD_NUMBERS:
        data = saved(pool)
        for path in list(numbers(data)):
            put(data, path, value)
        fleet, _ = restored(pool, json.loads(json.dumps(data)))
        use(fleet, pool.now)


def test_unreadable_values_are_reported_with_their_path(pool):
    data = saved(pool)
    data["accounts"]["a"]["streak"] = "many"
    data["bindings"][1]["usage"] = {"input": 5}
    data["bindings"].append({"session": "nobody"})
    data["accounts"]["b"]["windows"]["5h"] = [1.0, 1e300, "rejected", 0.0]
    fleet, lost = restored(pool, data)
    assert lost == [
        "saved state: accounts: a: streak: not a number",
        "saved state: accounts: b: windows: 5h: resets too far away",
        "saved state: bindings[1]: usage: not a list",
        "saved state: bindings[4]: no conversation",
    ]
    assert fleet.accounts["a"].requests == 6


def test_a_saved_bench_has_an_upper_limit(pool):
    data = saved(pool)
    data["accounts"]["b"]["benchUntil"] = 1e300
    fleet, _ = restored(pool, data)
    assert fleet.accounts["b"].bench_until == pool.now + 7 * DAY
    assert fleet.accounts["b"].general_block(pool.now) is None  # one request tries it


def test_what_changes_later_is_not_in_a_dump_of_before(pool):
    taken = dump_state(pool.fleet, pool.now)
    before = saved(pool)
    pool.wait(60)
    pool.fleet.bindings["s"].requests += 1
    assert json.loads(json.dumps(taken, default=list)) == before != saved(pool)
