"""The verdict of several servers together is that of one pool with all their accounts."""

from __future__ import annotations

import itertools
import random
from typing import Optional

import pytest

from teamclaude.deck.pool.capacity import Part, shared_names, union_lasting, union_of
from teamclaude.outlook_views import LastingView
from teamclaude.routing.pool.capacity import capacity_of
from teamclaude.routing.quota.rules import Rules
from teamclaude.snapshot import AccountView, CapacityView, QuotaView
from teamclaude.values import replace

RULES = Rules()
NOW = 1_795_960_800.0


def capacity(*accounts: AccountView) -> CapacityView:
    return capacity_of(accounts, (), RULES, NOW)


def account(name: str, state: str, used: Optional[float] = None, inflight: int = 0) -> AccountView:
    """An account that is `ready`, `benched`, `disabled` or `login` (needs one)."""
    status = {"ready": "active", "login": "auth_failed"}.get(state, state)
    return AccountView(
        name=name,
        status=status,
        enabled=state != "disabled",
        usable=state == "ready",
        usable_in_sec=240.0 if state == "benched" else None,
        bench_sec=240.0 if state == "benched" else 0.0,
        streak=1 if state == "benched" else 0,
        proven=True,
        inflight=inflight,
        quota=QuotaView(unified_5h=used),
    )


def test_the_sums_are_those_of_one_pool() -> None:
    """Hundreds of pools, each divided among servers in some way: the union says what the whole would say."""
    dice = random.Random(1)
    for _ in range(400):
        made = [
            account(
                f"acc-{n}",
                dice.choice(["ready", "ready", "ready", "benched", "disabled", "login"]),
                dice.choice([None, 0.1, 0.5, 0.97]),
                dice.choice([0, 0, 1]),
            )
            for n in range(dice.randint(1, 6))
        ]
        servers: dict[int, list[AccountView]] = {}
        for each in made:
            servers.setdefault(dice.randint(0, 2), []).append(each)
        parts = [capacity(*rows) for rows in servers.values()]
        union = union_of([Part(str(n), part) for n, part in enumerate(parts)])
        whole = capacity(*made)
        # A server whose own work exceeds its slots has no room to give back: the only sum that may differ.
        if sum(part.headroom or 0 for part in parts) == whole.headroom:
            assert union.verdict == whole.verdict, (made, parts)
        for name in ("live_accounts", "benched", "total", "soonest_reset_sec"):
            assert getattr(union, name) == getattr(whole, name), name
        assert sorted(row.name for row in union.accounts) == sorted(row.name for row in whole.accounts)


def test_two_servers_with_little_room_each_are_green_together() -> None:
    small = capacity(account("a", "ready", inflight=2))
    assert (small.verdict, small.headroom) == ("yellow", 1)
    union = union_of([Part("a", small), Part("b", small)])
    assert (union.verdict, union.headroom) == ("green", 2)


def test_a_red_server_leaves_the_others_as_they_are() -> None:
    red, green = capacity(account("a", "login")), capacity(account("b", "ready"))
    assert (red.verdict, green.verdict) == ("red", "green")
    assert union_of([Part("a", red), Part("b", green)]).verdict == "green"
    assert union_of([Part("a", red), Part("b", red)]).verdict == "red"


def test_an_account_that_was_refused_twice_makes_it_yellow() -> None:
    refused = replace(account("a", "ready"), streak=2)
    rows = replace(capacity(refused), verdict="")  # of a version that tells no verdict
    assert union_of([Part("a", rows), Part("b", capacity(account("b", "ready")))]).verdict == "yellow"


def test_a_server_without_an_answer_is_yellow_at_best() -> None:
    green, gone = capacity(account("b", "ready")), Part("a", None, "it is down")
    assert union_of([gone, Part("b", green)]).verdict == "yellow"
    assert union_of([gone, gone]).verdict == "red"
    assert union_of([gone]).headroom == 0


def test_what_is_waited_for_is_the_soonest_of_those_that_wait() -> None:
    waits, none = capacity(account("a", "benched")), capacity(account("b", "ready"))
    assert union_of([Part("a", waits), Part("b", none)]).soonest_reset_sec == 240.0
    assert union_of([Part("a", none), Part("b", none)]).soonest_reset_sec == 0.0


def test_old_servers_that_leave_things_out() -> None:
    union = union_of([Part("a", CapacityView(verdict="green")), Part("b", CapacityView())])
    assert (union.verdict, union.headroom, union.total, union.held) == ("red", 0, None, None)


def test_names_that_several_servers_have() -> None:
    one, two = capacity(account("a", "ready"), account("b", "ready")), capacity(account("a", "ready"))
    assert shared_names([Part("x", one), Part("y", two), Part("z", None)]) == ["a"]


@pytest.mark.parametrize(
    ("answers", "together"),
    [
        (["yes", "yes"], "yes"),
        (["no", "no"], "no"),
        (["yes", "no"], "maybe"),
        (["yes", "maybe"], "maybe"),
        (["yes", "unknown"], "unknown"),
        (["yes", None], "unknown"),
        (["yes", ""], "unknown"),
        (["", ""], "unknown"),
        ([], "unknown"),
    ],
)
def test_it_lasts_if_each_server_says_so(answers: list[Optional[str]], together: str) -> None:
    said = [None if answer is None else LastingView(7200, answer, 0.95) for answer in answers]
    found = union_lasting(said, 7200)
    assert (found.answer, found.chance, found.sec) == (together, None, 7200)


def test_the_order_of_the_servers_does_not_matter() -> None:
    parts = [
        Part("a", capacity(account("a", "benched"))),
        Part("b", None, "down"),
        Part("c", capacity(account("c", "ready"))),
    ]
    found = {
        (each.verdict, each.headroom, each.soonest_reset_sec)
        for each in (union_of(order) for order in itertools.permutations(parts))
    }
    assert len(found) == 1
