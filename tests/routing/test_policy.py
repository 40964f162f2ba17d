from __future__ import annotations

import pytest

from teamclaude.routing.policies import POLICIES
from teamclaude.routing.policy import Pool as Candidates
from teamclaude.routing.rules import Rules


def test_a_pool_gathers_its_accounts_once_and_only_when_asked():
    gathered = []

    def gather():
        gathered.append(1)
        return ["a"]

    candidates = Candidates(gather, Rules(), 5.0)
    assert (gathered, candidates.now) == ([], 5.0)
    assert (candidates.accounts, candidates.accounts, gathered) == (["a"], ["a"], [1])


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_goes_by_the_name_it_is_configured_by(name):
    assert POLICIES[name]().name == name


def test_a_kept_conversation_gathers_no_accounts(Pool):
    pool = Pool("a", "b")
    pool.bind("s", "a")
    for account in pool.fleet.accounts.values():
        if account.key != "a":
            account.block = account.serves_all = None  # calling it would fail
    assert pool.choose("s").account == "a"
    with pytest.raises(TypeError):
        pool.choose("new")
