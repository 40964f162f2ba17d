"""What ties requests without a session to an account, and ids to the account that made them."""

from __future__ import annotations

from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.state.affinity import (
    MAX_IDS,
    MAX_PREFIXES,
    CachedPrefix,
    PrefixCaches,
    ResourceOwners,
)

NOW = 1000.0


def test_the_longest_known_prefix_is_found_while_its_cache_lives():
    prefixes = PrefixCaches()
    prefixes.record(["dialogue", "shared"], "a", 5000, NOW + 300, NOW)
    prefixes.record(["other", "shared"], "b", 7000, NOW + 300, NOW)
    assert prefixes.find(["dialogue", "shared"], NOW) == CachedPrefix("a", 5000, NOW + 300)
    assert prefixes.find(["new", "shared"], NOW) == CachedPrefix("b", 7000, NOW + 300)
    assert prefixes.find(["new", "unknown"], NOW) is None
    assert prefixes.find(["dialogue"], NOW + 300) is None


def test_an_answer_without_a_cache_ties_nothing():
    prefixes = PrefixCaches()
    prefixes.record(["d"], "a", 0, NOW + 300, NOW)
    assert prefixes.find(["d"], NOW) is None


def test_prefixes_are_bounded_and_those_that_have_ended_are_dropped():
    prefixes = PrefixCaches()
    for n in range(MAX_PREFIXES + 5):
        prefixes.record([f"d{n}"], "a", 1, NOW + 300, NOW)
    assert len(prefixes.to_json()) == MAX_PREFIXES
    assert prefixes.find(["d4"], NOW) is None
    prefixes.record(["none"], "a", 0, NOW + 900, NOW + 299)
    assert len(prefixes.to_json()) == MAX_PREFIXES
    prefixes.record(["none"], "a", 0, NOW + 900, NOW + 300)
    assert prefixes.to_json() == []


def test_ids_are_bounded_and_the_one_asked_for_longest_ago_is_forgotten_first():
    owners = ResourceOwners()
    for n in range(MAX_IDS):
        owners.record(f"file_{n}", "a")
    assert owners.owner_of("file_0") == "a"
    owners.record("file_new", "b")
    assert len(owners.accounts) == MAX_IDS
    assert (owners.owner_of("file_0"), owners.owner_of("file_1")) == ("a", None)


def test_a_restart_keeps_both_under_the_keys_of_now_and_drops_what_is_gone():
    owners, prefixes = ResourceOwners(), PrefixCaches()
    owners.record("file_1", "old")
    owners.record("file_2", "gone")
    prefixes.record(["d"], "old", 5000, NOW + 300, NOW)
    saved = LenientObject({"owners": owners.to_json(), "prefixes": prefixes.to_json()}, "state", [])
    again, prefixes_again = ResourceOwners(), PrefixCaches()
    again.restore(saved.rows("owners"), {"old": "new"})
    prefixes_again.restore(saved.rows("prefixes"), {"old": "new"})
    assert (again.owner_of("file_1"), again.owner_of("file_2")) == ("new", None)
    assert prefixes_again.find(["d"], NOW) == ("new", 5000, NOW + 300)
