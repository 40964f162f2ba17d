"""Changes to the raw file: one account's entry and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from teamclaude.accounts.config.config import AccountConfig, parse_config
from teamclaude.accounts.config.edits import (
    Placement,
    account_json,
    add_or_replace_account,
    edit_account,
    remove_account,
)
from teamclaude.errors import ConfigError, UsageError


def entry(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "oauth", "accessToken": f"sk-FAKE-{name.replace(' ', '-')}", **fields}


def file() -> dict[str, Any]:
    return {
        "theme": "dark",
        "accounts": [
            entry("alice", accountUuid="u1", orgUuid="o1", email="kept", expiresAt=1774384968427),
            entry("bob", refreshToken=None),
            {"name": "paid", "type": "apikey", "apiKey": "sk-FAKE-key"},
        ],
        "proxy": {"port": 1},
    }


def test_an_edit_touches_one_entry_and_keeps_the_order_of_keys() -> None:
    raw, before = file(), file()
    edit_account(raw, "u1/o1", access_token="sk-FAKE-new", expires_at=1774390000.5, priority=3)
    assert raw["accounts"][1:] == before["accounts"][1:]
    assert list(raw) == ["theme", "accounts", "proxy"]
    alice = raw["accounts"][0]
    assert alice == {
        **before["accounts"][0],
        "accessToken": "sk-FAKE-new",
        "expiresAt": 1774390000500,
        "priority": 3,
    }
    assert list(alice)[:-1] == list(before["accounts"][0])
    assert list(alice)[-1] == "priority"


def test_an_edit_that_changes_nothing_leaves_the_entry_as_it_was() -> None:
    raw = file()
    before = edit_account(raw, "alice", priority=0, disabled=False, expires_at=1774384968.427)
    edit_account(raw, "bob", disabled=False)
    assert raw == file()
    assert before.name == "alice"


def test_none_removes_a_key() -> None:
    raw = file()
    edit_account(raw, "alice", expires_at=None, org_name=None)
    assert "expiresAt" not in raw["accounts"][0]


def test_enable_disable_and_priority() -> None:
    raw = file()
    edit_account(raw, "bob", disabled=True)
    edit_account(raw, "bob", priority=-1)
    bob = parse_config(raw, "f").accounts[1]
    assert (bob.disabled, bob.priority) == (True, -1)
    edit_account(raw, "bob", disabled=False)
    assert parse_config(raw, "f").accounts[1].disabled is False


def test_removal_takes_the_account_whatever_its_place_and_its_duplicates_with_it() -> None:
    raw = file()
    raw["accounts"].append(entry("alice again", accountUuid="u1"))
    assert remove_account(raw, "u1/o1").name == "alice"
    assert [account["name"] for account in raw["accounts"]] == ["bob", "paid"]
    assert raw["theme"] == "dark"


@pytest.mark.parametrize("who", ["ali", "ALICE", "", "u1/o2", "carol"])
def test_a_partial_name_does_not_match(who: str) -> None:
    for change in (remove_account, lambda raw, who: edit_account(raw, who, priority=1)):
        raw = file()
        with pytest.raises(UsageError, match="has no account"):
            change(raw, who)
        assert raw == file()


def test_an_unknown_attribute_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        edit_account(file(), "bob", colour="red")


def test_an_account_that_was_renamed_in_memory_is_edited_in_its_own_entry() -> None:
    raw = {"accounts": [entry("a", accountUuid="1"), {"name": "a", "type": "apikey", "apiKey": "sk-FAKE"}]}
    edit_account(raw, "a (2)", priority=7)
    assert "priority" not in raw["accounts"][0]
    assert raw["accounts"][1]["priority"] == 7
    assert raw["accounts"][1]["name"] == "a"


def test_editing_an_account_merges_its_duplicates() -> None:
    first = entry(
        "a", accountUuid="u", expiresAt=1000000000000, refreshToken="sk-FAKE-r1", mine=1, priority=4
    )
    second = entry("b", accountUuid="u", orgUuid="o", expiresAt=2000000000000, yours=2, priority=9)
    raw = {"accounts": [first, entry("other"), second]}
    edit_account(raw, "u/o", disabled=True)
    assert raw["accounts"] == [
        {
            "name": "a",
            "type": "oauth",
            "accessToken": "sk-FAKE-b",
            "accountUuid": "u",
            "orgUuid": "o",
            "expiresAt": 2000000000000,
            "mine": 1,
            "yours": 2,
            "priority": 4,
            "disabled": True,
        },
        entry("other"),
    ]


def test_an_older_duplicate_adds_no_credential_to_newer_ones() -> None:
    newer = entry("a", accountUuid="u", expiresAt=2000000000000)
    older = entry("b", accountUuid="u", expiresAt=1000000000000, refreshToken="sk-FAKE-spent", email="e")
    raw = {"accounts": [newer, older]}
    edit_account(raw, "u", priority=1)
    assert raw["accounts"] == [
        {**entry("a", accountUuid="u", expiresAt=2000000000000), "email": "e", "priority": 1}
    ]


def test_a_new_account_is_added_last_with_its_unknown_keys() -> None:
    raw = file()
    new = entry("carol", accountUuid="u9", email="c@x")
    assert add_or_replace_account(raw, new) == Placement("carol", "added")
    assert raw["accounts"][:-1] == file()["accounts"]
    assert raw["accounts"][-1] == new


def test_the_first_account_of_an_empty_file() -> None:
    files: list[dict[str, Any]] = [{}, {"accounts": None}, {"accounts": []}]
    for raw in files:
        assert add_or_replace_account(raw, entry("a")) == Placement("a", "added")
        assert raw["accounts"] == [entry("a")]


def test_a_known_account_gets_the_new_credentials_and_keeps_the_rest() -> None:
    raw = file()
    raw["accounts"][0].update(priority=2, disabled=True, refreshToken="sk-FAKE-old", importFrom="/old")
    new = entry(
        "A. Lice", accountUuid="u1", orgUuid="o1", expiresAt=1774999999000, orgName="Org", source="login"
    )
    assert add_or_replace_account(raw, new) == Placement("alice", "updated")
    assert raw["accounts"][0] == {
        "name": "alice",
        "type": "oauth",
        "accessToken": "sk-FAKE-A.-Lice",
        "accountUuid": "u1",
        "orgUuid": "o1",
        "email": "kept",
        "expiresAt": 1774999999000,
        "priority": 2,
        "disabled": True,
        "orgName": "Org",
        "source": "login",
    }
    assert raw["accounts"][1:] == file()["accounts"][1:]


def test_a_login_wins_even_with_an_earlier_expiry_an_import_does_not() -> None:
    stale = entry("alice", accountUuid="u1", expiresAt=1700000000000)
    raw = file()
    assert add_or_replace_account(raw, stale, fresh=False) == Placement("alice", "kept")
    assert raw == file()
    assert add_or_replace_account(raw, {**stale, "accessToken": "sk-FAKE-2"}) == Placement("alice", "updated")
    assert (raw["accounts"][0]["accessToken"], raw["accounts"][0]["expiresAt"]) == (
        "sk-FAKE-2",
        1700000000000,
    )
    assert raw["accounts"][0]["orgUuid"] == "o1"


def test_a_second_organisation_of_the_same_person_is_added_beside_the_first() -> None:
    raw = file()
    new = entry("alice", accountUuid="u1", orgUuid="o2", orgName="Two")
    assert add_or_replace_account(raw, new) == Placement("alice (Two)", "added")
    assert add_or_replace_account(raw, entry("alice", accountUuid="u2")) == Placement("alice (2)", "added")
    assert raw["accounts"][:3] == file()["accounts"]
    again = add_or_replace_account(raw, {**new, "accessToken": "sk-FAKE-3"})
    assert again == Placement("alice (Two)", "updated")
    assert [account["name"] for account in raw["accounts"]] == [
        "alice",
        "bob",
        "paid",
        "alice (Two)",
        "alice (2)",
    ]


def test_an_unusable_account_is_refused_before_anything_changes() -> None:
    raw = file()
    with pytest.raises(ConfigError, match=r'^account: account "x" has neither'):
        add_or_replace_account(raw, {"name": "x"})
    assert raw == file()


def test_the_json_of_an_account_reads_back_as_the_same() -> None:
    account = AccountConfig(
        "a", account_uuid="u", access_token="sk-FAKE", expires_at=1774384968.427, priority=2
    )
    stored = account_json(account)
    assert stored == {
        "name": "a",
        "type": "oauth",
        "accountUuid": "u",
        "accessToken": "sk-FAKE",
        "expiresAt": 1774384968427,
        "priority": 2,
    }
    assert parse_config({"accounts": [copy.deepcopy(stored)]}, "f").accounts == (account,)


@pytest.mark.parametrize("value", ["60%", {"session": 0.5}, {"5h": {"opus": 0.5}}])
def test_a_login_is_stored_where_an_account_has_a_key_of_another_program(value: Any) -> None:
    raw = file()
    raw["accounts"][0]["maxUsage"] = value
    edit_account(raw, "u1/o1", access_token="sk-FAKE-new")
    assert raw["accounts"][0]["accessToken"] == "sk-FAKE-new"
    assert raw["accounts"][0]["maxUsage"] == value
    placed = add_or_replace_account(raw, entry("alice", accountUuid="u1", orgUuid="o1"))
    assert placed == Placement("alice", "updated")
