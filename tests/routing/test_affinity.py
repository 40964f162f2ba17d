"""What ties requests without a session to an account, and ids to the account that made them."""

from __future__ import annotations

from teamclaude.routing.affinity import MOST_IDS, MOST_PREFIXES, Owners, Prefixes
from teamclaude.routing.saved import LenientObject

NOW = 1000.0


def test_the_longest_known_prefix_is_found_while_its_cache_lives():
    prefixes = Prefixes()
    prefixes.note(["dialogue", "shared"], "a", 5000, NOW + 300, NOW)
    prefixes.note(["other", "shared"], "b", 7000, NOW + 300, NOW)
    assert prefixes.find(["dialogue", "shared"], NOW).account == "a"
    assert prefixes.find(["new", "shared"], NOW).account == "b"
    assert prefixes.find(["new", "unknown"], NOW) is None
    assert prefixes.find(["dialogue"], NOW + 300) is None


def test_an_answer_without_a_cache_ties_nothing():
    prefixes = Prefixes()
    prefixes.note(["d"], "a", 0, NOW + 300, NOW)
    assert prefixes.find(["d"], NOW) is None


def test_prefixes_are_bounded_and_those_that_have_ended_are_dropped():
    prefixes = Prefixes()
    for n in range(MOST_PREFIXES + 5):
        prefixes.note([f"d{n}"], "a", 1, NOW + 300, NOW)
    assert len(prefixes.stored()) == MOST_PREFIXES
    assert prefixes.find(["d4"], NOW) is None
    prefixes.forget(NOW + 299)
    assert len(prefixes.stored()) == MOST_PREFIXES
    prefixes.forget(NOW + 300)
    assert prefixes.stored() == []


def test_ids_are_bounded_and_the_one_asked_for_longest_ago_is_forgotten_first():
    owners = Owners()
    for n in range(MOST_IDS):
        owners.note(f"file_{n}", "a")
    assert owners.find("file_0") == "a"
    owners.note("file_new", "b")
    assert (len(owners), owners.find("file_0"), owners.find("file_1")) == (MOST_IDS, "a", None)


def test_a_restart_keeps_both_under_the_keys_of_now_and_drops_what_is_gone():
    owners, prefixes = Owners(), Prefixes()
    owners.note("file_1", "old")
    owners.note("file_2", "gone")
    prefixes.note(["d"], "old", 5000, NOW + 300, NOW)
    saved = LenientObject({"owners": owners.stored(), "prefixes": prefixes.stored()}, "state", [])
    again, prefixes_again = Owners(), Prefixes()
    again.restore(saved.rows("owners"), {"old": "new"})
    prefixes_again.restore(saved.rows("prefixes"), {"old": "new"})
    assert (again.find("file_1"), again.find("file_2")) == ("new", None)
    assert prefixes_again.find(["d"], NOW) == ("new", 5000, NOW + 300)
