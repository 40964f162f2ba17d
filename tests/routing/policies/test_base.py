from __future__ import annotations

import pytest

from teamclaude.routing.choice import Choice
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.state.decision import RoutingRequest


def test_a_choice_is_a_pool_that_gathers_its_accounts_once(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "a")
    choice = Choice(pool.fleet, RoutingRequest("new", tried=("a",)), pool.now, 0.0)
    assert (choice.now, choice.rules) == (pool.now, pool.fleet.rules)
    assert choice.accounts == [pool["b"]]
    assert choice.accounts is choice.accounts


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_has_the_name_it_is_registered_by(name):
    assert POLICIES[name]().name == name


def test_a_kept_conversation_gathers_no_accounts(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "a")
    for account in pool.fleet.accounts.values():
        if account.key != "a":
            account.block = account.is_unrestricted = None  # calling it would fail
    assert pool.choose("s").account == "a"
    with pytest.raises(TypeError):
        pool.choose("new")
