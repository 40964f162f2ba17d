"""What two servers learned since they had the same state, as one: the rules as a table, and in a fleet."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.persistence import adopt_changes, dump_state, restore_state
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.decision import Lease
from teamclaude.routing.state_merge import LateChanges, late_changes, merge_states, plain_state

WINDOW_OLD, WINDOW_MINE, WINDOW_LATE = ([0.1, 9e9, None, 10], [0.2, 9e9, None, 20], [0.3, 9e9, None, 30])


@pytest.mark.parametrize(
    ("field", "base", "mine", "late", "merged"),
    [
        # Rule 1: what one of them changed.
        ("authFailed", "", "", "revoked", "revoked"),
        ("authFailed", "revoked", "", "revoked", ""),
        ("proven", False, True, False, True),
        ("unheardOf", 1, 1, 2, 2),
        # Rule 2: counts grow by what each has added.
        ("requests", 10, 13, 12, 15),
        ("requests", 10, 10, 12, 12),
        ("requests", None, 3, 2, 5),
        ("cost", 1.0, 1.5, 1.25, 1.75),
        ("usage", [1, 1], [2, 1], [4, 3], [5, 3]),
        ("usage", [], [2], [4, 3], [6, 3]),
        ("burn", [[1, 5]], [[1, 5], [2, 7]], [[1, 6], [3, 1]], [[1, 6], [2, 7], [3, 1]]),
        ("costEstimated", False, True, False, True),
        # Rule 3: who saw it last.
        ("windows", {}, {"5h": WINDOW_MINE}, {"5h": WINDOW_LATE}, {"5h": WINDOW_LATE}),
        ("windows", {}, {"5h": WINDOW_LATE}, {"5h": WINDOW_MINE}, {"5h": WINDOW_LATE}),
        ("windows", {}, {"5h": WINDOW_MINE}, {"7d": WINDOW_OLD}, {"5h": WINDOW_MINE, "7d": WINDOW_OLD}),
        ("windows", {"5h": WINDOW_OLD}, {}, {"5h": WINDOW_OLD}, {}),
        ("resets", {"5h": 1}, {"5h": 3}, {"5h": 2, "7d": 9}, {"5h": 3, "7d": 9}),
        ("scopes", {}, {"x": ["a"]}, {"x": ["b"], "y": ["c"]}, {"x": ["a", "b"], "y": ["c"]}),
        ("lastPicked", 1.0, 5.0, 3.0, 5.0),
        # Rule 5: everything else that both changed.
        ("authFailed", "", "revoked", "expired", "revoked"),
        ("scoped", [], [["m", "", 1]], [["n", "", 2]], [["m", "", 1]]),
    ],
)
def test_the_fields_of_an_account(field: str, base: Any, mine: Any, late: Any, merged: Any) -> None:
    states = [{"accounts": {"a": {field: value}}} for value in (base, mine, late)]
    before = copy.deepcopy(states)
    assert merge_states(*states)["accounts"]["a"][field] == merged
    assert states == before, "nothing that was given is changed"


def bench(until: float, reason: str = "", streak: int = 0) -> dict[str, Any]:
    return {"benchUntil": until, "benchBegan": until - 1, "benchReason": reason, "streak": streak}


@pytest.mark.parametrize(
    ("base", "mine", "late", "merged"),
    [
        (bench(0), bench(0), bench(50, "429", 2), bench(50, "429", 2)),
        (bench(50, "429", 2), bench(50, "429", 2), bench(0), bench(0)),  # it has served there
        (bench(0), bench(90, "b", 3), bench(50, "c", 1), bench(90, "b", 3)),
        (bench(0), bench(50, "c", 1), bench(90, "b", 3), bench(90, "b", 3)),
        (bench(50, "429", 2), bench(0), bench(50, "429", 2), bench(0)),
    ],
)
def test_the_longer_bench_comes_with_its_reason(base: Any, mine: Any, late: Any, merged: Any) -> None:
    states = ({"accounts": {"a": each}} for each in (base, mine, late))
    assert merge_states(*states)["accounts"]["a"] == merged


def row(account: str, requests: int = 1, last: float = 1.0, bound: float = 1.0) -> dict[str, Any]:
    return {
        "conversation": "s",
        "account": account,
        "boundAt": bound,
        "requests": requests,
        "lastUsed": last,
    }


@pytest.mark.parametrize(
    ("base", "mine", "late", "merged"),
    [
        ([], [], [row("a")], [row("a")]),  # it began there
        ([row("a")], [], [row("a")], []),  # dropped here, not used there
        ([row("a")], [], [row("a", 2, 5.0)], [row("a", 2, 5.0)]),  # dropped here, used there
        ([row("a", 2)], [row("a", 3, 4.0)], [row("a", 4, 6.0)], [row("a", 5, 6.0)]),
        # A conversation that runs here stays where it is; one that moved there only has moved.
        ([row("a")], [row("b", 2, 4.0, 3.0)], [row("c", 2, 6.0, 5.0)], [row("b", 3, 6.0, 3.0)]),
        ([row("a")], [row("a")], [row("c", 2, 6.0, 5.0)], [row("c", 2, 6.0, 5.0)]),
        ([], [row("b", 1, 4.0)], [row("a", 1, 3.0)], [row("b", 2, 4.0)]),
    ],
)
def test_conversations(base: Any, mine: Any, late: Any, merged: Any) -> None:
    states = [{"bindings": each} for each in (base, mine, late)]
    assert merge_states(*states)["bindings"] == merged


def pin(session: Any, account: str) -> dict[str, Any]:
    return {"session": session, "account": account}


@pytest.mark.parametrize(
    ("base", "mine", "late", "merged"),
    [
        ([], [], [pin(None, "a")], [pin(None, "a")]),
        ([pin("s", "a")], [pin("s", "a")], [], []),
        ([pin("s", "a")], [pin("s", "b")], [], [pin("s", "b")]),
        ([pin("s", "a")], [], [pin("s", "a")], []),
        ([pin("s", "a")], [pin("s", "a")], [pin("s", "b")], [pin("s", "b")]),
    ],
)
def test_pins(base: Any, mine: Any, late: Any, merged: Any) -> None:
    assert merge_states({"pins": base}, {"pins": mine}, {"pins": late})["pins"] == merged


def test_a_pin_of_a_project_that_was_set_or_removed_meanwhile(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    pool.fleet.user_rules.pin("/work/old", "a")
    base, fleet = plain(pool), twin_of(pool)
    pool.fleet.user_rules.pin("/work/old", None)
    pool.fleet.user_rules.pin("/work/new", "b")
    adopt_changes(fleet, learned(pool, base), pool.now)
    assert fleet.user_rules.project_pins.rows() == [("/work/new", "b", False)]


def test_an_account_that_is_gone_does_not_come_back() -> None:
    state = {"accounts": {"a": {"requests": 1}}}
    assert merge_states(state, {"accounts": {}}, {"accounts": {"a": {"requests": 2}}})["accounts"] == {}
    assert merge_states({}, {"accounts": {}}, state)["accounts"] == state["accounts"]


# --- in a fleet ---------------------------------------------------------------------------------


def plain(pool: Any) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(
        json.dumps(plain_state(dump_state(pool.fleet, pool.now)), default=list)
    )
    return state


def twin_of(pool: Any) -> Fleet:
    fleet = Fleet(Rules(), type(pool.fleet.policy)())
    fleet.configure(pool.specs)
    assert restore_state(fleet, plain(pool), pool.now) == []
    return fleet


def learned(pool: Any, base: dict[str, Any]) -> LateChanges:
    return LateChanges(*json.loads(json.dumps(late_changes(base, plain(pool)), default=list)))


def test_nothing_new_is_nothing_to_tell(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    pool.serve("s", Usage(5))
    assert late_changes(plain(pool), plain(pool)).is_empty
    base = plain(pool)
    pool.wait(5)
    pool.serve("t", Usage(7))
    changes = late_changes(base, plain(pool))
    assert not changes.is_empty
    assert [each["conversation"] for each in changes.late["bindings"]] == ["t"]
    assert len(changes.late["accounts"]) == 1


def test_a_running_server_adopts_what_the_other_one_learned(make_pool: Any, unified: Any) -> None:
    pool = make_pool("a", "b")
    pool.bind("s", "a")
    running = pool.lease("s", pin="a")
    base, fleet = plain(pool), twin_of(pool)
    here = fleet.admit(pool.ask("s", pin="a"), pool.now)
    assert isinstance(here, Lease)
    pool.wait(1)
    pool.settle(running, Usage(100), served=True)
    pool.settle(pool.lease("new", pin="b"), Usage(7), served=True)
    lease = pool.lease("new", pin="b")
    pool.answer(
        lease, 429, *unified(status="rejected", **{"5h-status": "rejected", "5h-reset": pool.now + 99})
    )
    pool.settle(lease)
    before = fleet.accounts["a"].requests

    assert adopt_changes(fleet, learned(pool, base), pool.now) == []

    assert fleet.accounts["a"].requests == before + 1
    assert fleet.accounts["a"].burn.to_json() == pool["a"].burn.to_json()
    assert fleet.accounts["b"].is_benched(pool.now) == pool["b"].is_benched(pool.now)
    assert fleet.bindings["new"].account == "b"
    assert (fleet.bindings["s"].inflight, fleet.accounts["a"].inflight) == (1, 1)
    fleet.settle_lease(here, pool.now, Usage(1), served=True)
    assert (fleet.bindings["s"].inflight, fleet.accounts["a"].inflight) == (0, 0)
    assert fleet.bindings["s"].requests == pool.fleet.bindings["s"].requests + 1


def test_adopting_in_two_steps_counts_nothing_twice(make_pool: Any) -> None:
    pool = make_pool("a")
    base, fleet = plain(pool), twin_of(pool)
    for _ in range(2):
        pool.wait(1)
        pool.serve("s", Usage(10))
        changes, base = learned(pool, base), plain(pool)
        adopt_changes(fleet, changes, pool.now)
    assert fleet.accounts["a"].usage == pool["a"].usage == Usage(20)
    assert fleet.bindings["s"].requests == 2


def test_what_is_odd_changes_nothing_and_the_fleet_goes_on(make_pool: Any) -> None:
    pool = make_pool("a")
    before = plain(pool)
    odd = LateChanges({}, {"accounts": {"a": {"benchUntil": "soon"}}, "bindings": [{}]})
    with pytest.raises(TypeError):
        adopt_changes(pool.fleet, odd, pool.now)
    assert plain(pool) == before
    lost = adopt_changes(pool.fleet, LateChanges({}, {"bindings": [{}]}), pool.now)
    assert lost == ["late state: bindings[0]: no conversation"]
    assert plain(pool) == before


# --- what client keys have used -------------------------------------------------------------------


def test_clients_grow_by_what_was_added_to_each() -> None:
    row = {"requests": 5, "usage": [10, 1], "tokensToday": 11, "day": 7.0, "lastAt": 1.0, "refused": {}}
    base = {"clients": {"ci": row, "idle": row}}
    mine = {"clients": {**base["clients"], "ci": {**row, "requests": 7, "tokensToday": 20, "lastAt": 3.0}}}
    late = {"clients": {**base["clients"], "ci": {**row, "requests": 6, "tokensToday": 12}, "new": row}}
    changes = late_changes(base, late)
    assert set(changes.late["clients"]) == {"ci", "new"}
    for before, after in ((base, late), changes):
        merged = merge_states(before, mine, after)["clients"]
        assert merged["ci"] == {**row, "requests": 8, "tokensToday": 21, "lastAt": 3.0}
        assert (merged["idle"], merged["new"]) == (row, row)
    assert late_changes(base, base).is_empty
    assert merge_states({}, mine, {})["clients"] == mine["clients"], "of an older version"
