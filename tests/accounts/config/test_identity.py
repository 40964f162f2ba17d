"""Which entries are one account, what a merge keeps, and which account a name means."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from teamclaude.accounts.config.config import AccountConfig
from teamclaude.accounts.config.identity import (
    find_account,
    find_name,
    group_entries,
    index_of,
    merge_duplicates,
)
from teamclaude.errors import UsageError


def login(name: str, uuid: str | None = None, org: str | None = None, **fields: Any) -> AccountConfig:
    return AccountConfig(
        name, account_uuid=uuid, org_uuid=org, **{"access_token": f"sk-FAKE-{name}", **fields}
    )


def key(name: str, **fields: Any) -> AccountConfig:
    return AccountConfig(name, type="apikey", api_key="sk-FAKE", **fields)


@pytest.mark.parametrize(
    ("accounts", "groups"),
    [
        ([login("a", "u", "o"), login("b", "u", "o")], [[0, 1]]),
        ([login("a", "u", "o1"), login("a", "u", "o2")], [[0], [1]]),
        ([login("a", "u1"), login("a", "u2")], [[0], [1]]),
        ([login("a", "u"), login("b", "u")], [[0, 1]]),
        # an unknown organisation is the person's only one, in whatever order they stand
        ([login("a", "u"), login("b", "u", "o")], [[0, 1]]),
        ([login("b", "u", "o"), login("a", "u")], [[0, 1]]),
        # with two it can't be told
        ([login("a", "u"), login("b", "u", "o1"), login("c", "u", "o2")], [[0], [1], [2]]),
        ([login("b", "u", "o1"), login("a", "u"), login("c", "u", "o2")], [[0], [1], [2]]),
        # without a uuid, the name
        ([login("a"), login("a")], [[0, 1]]),
        ([login("a"), login("b")], [[0], [1]]),
        ([login("a"), login("a", "u", "o")], [[0, 1]]),
        ([login("a"), login("a", "u1"), login("a", "u2")], [[0], [1], [2]]),
        ([login("a"), login("a", "u", "o"), login("b", "u")], [[0, 1, 2]]),
        # an API key is never a login
        ([login("a"), key("a")], [[0], [1]]),
        ([login("a", "u"), key("a", account_uuid="u")], [[0], [1]]),
        ([key("a"), key("a")], [[0, 1]]),
        ([key("a", account_uuid="u"), key("b", account_uuid="u")], [[0], [1]]),
        ([], []),
    ],
)
def test_what_is_the_same_account(accounts: list[AccountConfig], groups: list[list[int]]) -> None:
    assert group_entries(accounts) == groups


def test_grouping_does_not_depend_on_order() -> None:
    accounts = [login("a", "u"), login("b", "u", "o"), login("c", "v"), login("c"), key("c")]
    want = {frozenset({"a", "b"}), frozenset({"c"})}
    for order in itertools.permutations(accounts):
        found = [frozenset(order[n].name for n in places) for places in group_entries(order)]
        assert set(found) == want
        assert len(found) == 3


def test_newer_credentials_win_and_the_rest_stays() -> None:
    older = login("mine", "u", "o", expires_at=100.0, priority=2, disabled=True, subscription_type="pro")
    newer = login(
        "theirs", "u", "o", expires_at=200.0, refresh_token="sk-FAKE-new", subscription_type="max", priority=9
    )
    for entries in ([older, newer], [older, login("old", "u", "o", expires_at=50.0), newer]):
        merged, notes = merge_duplicates(entries)
        assert len(merged) == 1
        assert len(notes) == 1
        (account,) = merged
        assert (account.access_token, account.refresh_token, account.expires_at) == (
            "sk-FAKE-theirs",
            "sk-FAKE-new",
            200.0,
        )
        assert (account.name, account.priority, account.disabled) == ("mine", 2, True)
        assert account.subscription_type == "max"


def test_an_older_later_entry_only_fills_unknown_fields() -> None:
    first = login("a", "u", expires_at=200.0, refresh_token=None)
    second = login("b", "u", "o", expires_at=100.0, refresh_token="sk-FAKE-old", org_name="Org")
    merged, notes = merge_duplicates([first, second])
    assert merged == (login("a", "u", "o", expires_at=200.0, org_name="Org"),)
    assert notes == ('accounts[0] and accounts[1] are the same account: "a" uses the newest credentials',)


def test_without_expiry_the_later_entry_is_the_newer() -> None:
    merged, _ = merge_duplicates([login("a", "u"), login("b", "u")])
    assert merged[0].access_token == "sk-FAKE-b"


def test_an_entry_that_only_follows_a_file_does_not_take_the_token_away() -> None:
    follower = login("b", "u", access_token=None, import_from="/x", expires_at=900.0)
    merged, _ = merge_duplicates([login("a", "u", expires_at=100.0), follower])
    assert (merged[0].access_token, merged[0].import_from) == ("sk-FAKE-a", None)


def test_one_person_in_two_organisations_is_two_accounts_with_two_names() -> None:
    accounts = [login("p@x", "u", "o1", org_name="One"), login("p@x", "u", "o2", org_name="Two")]
    merged, notes = merge_duplicates(accounts)
    assert [account.name for account in merged] == ["p@x", "p@x (Two)"]
    assert [account.access_token for account in merged] == ["sk-FAKE-p@x", "sk-FAKE-p@x"]
    assert notes == ('two different accounts are named "p@x": the second is now "p@x (Two)"',)


def test_new_names_take_no_existing_one() -> None:
    accounts = [login("a", "1"), login("a", "2"), login("a", "3"), login("a (2)", "4"), key("a")]
    merged, notes = merge_duplicates(accounts)
    assert [account.name for account in merged] == ["a", "a (3)", "a (4)", "a (2)", "a (5)"]
    assert len(notes) == 3
    assert len({account.key for account in merged}) == 5


def test_merging_again_changes_nothing() -> None:
    accounts = [login("a", "u"), login("a", "u", "o"), login("a", "v"), key("a"), login("b")]
    merged, _ = merge_duplicates(accounts)
    assert merge_duplicates(merged) == (merged, ())


NAMES = ["alice@example.com", "bob@example.com", "bob@work.org", "Carol", "carol2", "api-1"]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("api-1", "api-1"),
        ("ALICE@example.com", "alice@example.com"),
        ("carol", "Carol"),
        ("ali", "alice@example.com"),
        ("work", "bob@work.org"),
        ("api", "api-1"),
    ],
)
def test_a_name_is_found_exactly_in_any_case_or_by_a_part(wanted: str, name: str) -> None:
    assert find_name(NAMES, wanted) == name


def test_an_exact_name_beats_longer_ones() -> None:
    assert find_name(["bob2", "bob"], "bob") == "bob"
    assert find_name(["Bob", "bob"], "bob") == "bob"


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("bob", '"bob" could be any of: bob@example.com, bob@work.org'),
        ("example", '"example" could be any of: alice@example.com, bob@example.com'),
        ("dave", 'no account is called "dave"; there are: alice@example.com, bob'),
        ("", 'no account is called ""; there are: alice@example.com, bob'),
    ],
)
def test_an_ambiguous_name_lists_the_candidates(wanted: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_name(NAMES, wanted)
    assert str(caught.value).startswith(text)


def test_without_accounts_the_error_says_how_to_add_one() -> None:
    with pytest.raises(UsageError, match="teamclaude login"):
        find_name([], "x")


def test_an_account_is_found_by_what_a_person_types() -> None:
    accounts = [login("alice"), login("bob")]
    assert find_account(accounts, "BO") is accounts[1]


def test_a_key_or_an_exact_name_has_a_position_and_nothing_else() -> None:
    accounts = [login("bobby"), login("a", "u", "o"), login("c", "v", "o1"), login("d", "v", "o2")]
    assert index_of(accounts, "bobby") == 0
    assert index_of(accounts, "bob") is None
    assert index_of(accounts, "u/o") == 1
    assert index_of(accounts, "a") == 1
    assert index_of(accounts, "u") == 1  # a key from before the organisation was known
    assert index_of(accounts, "v") is None
