"""Names and entries of new and of known accounts; the format of API keys."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.config import AccountConfig
from teamclaude.accounts.importing.enroll import (
    check_api_key,
    enroll,
    enroll_key,
    enroll_token,
    is_full_login,
    numbered_name,
    recognized,
)
from teamclaude.errors import TeamClaudeError


def login(name: str = "a@x.org", person: Any = "p", org: Any = "o", **fields: Any) -> AccountConfig:
    known = {"access_token": "sk-ant-oat01-FAKE-new", "expires_at": 2000.0, **fields}
    return AccountConfig(name=name, account_uuid=person, org_uuid=org, **known)


def entry(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "oauth", "accessToken": "sk-ant-oat01-FAKE-old", **fields}


def put(raw: dict[str, Any], account: AccountConfig, wanted: Any = None, fresh: bool = True) -> Any:
    return enroll(raw, account, wanted, "login", fresh)


def names(raw: dict[str, Any]) -> list[str]:
    return [found["name"] for found in raw["accounts"]]


def test_the_email_is_the_name() -> None:
    raw: dict[str, Any] = {}
    assert put(raw, login()) == ("a@x.org", "added")
    assert raw["accounts"] == [
        {
            "name": "a@x.org",
            "type": "oauth",
            "accountUuid": "p",
            "orgUuid": "o",
            "accessToken": "sk-ant-oat01-FAKE-new",
            "expiresAt": 2000000,
        }
    ]


def test_one_person_in_two_organisations_is_two_accounts() -> None:
    raw: dict[str, Any] = {}
    put(raw, login(org="o1", org_name="Acme"))
    put(raw, login(org="o2", org_name="Bolt"))
    assert names(raw) == ["a@x.org", "a@x.org (Bolt)"]
    assert [found["orgUuid"] for found in raw["accounts"]] == ["o1", "o2"]


def test_a_wanted_name_wins() -> None:
    raw: dict[str, Any] = {}
    assert put(raw, login(), "work") == ("work", "added")


def test_logging_in_again_keeps_name_and_settings() -> None:
    raw = {"accounts": [entry("mine", accountUuid="p", orgUuid="o", priority=3, mood="good")]}
    assert put(raw, login()) == ("mine", "updated")
    (found,) = raw["accounts"]
    assert found["accessToken"] == "sk-ant-oat01-FAKE-new"
    assert (found["name"], found["priority"], found["mood"]) == ("mine", 3, "good")


def test_a_wanted_name_renames_the_account_one_has() -> None:
    raw = {"accounts": [entry("mine", accountUuid="p", orgUuid="o")]}
    assert put(raw, login(), "work") == ("work", "updated")
    assert names(raw) == ["work"]


def test_a_name_of_another_account_is_ignored() -> None:
    raw = {"accounts": [entry("work", accountUuid="q", orgUuid="o")]}
    assert put(raw, login(org_name="Acme"), "work") == ("work (Acme)", "added")
    raw["accounts"].append(entry("mine", accountUuid="r", orgUuid="o"))
    assert put(raw, login(person="r"), "work") == ("mine", "updated")
    assert raw["accounts"][0]["accessToken"] == "sk-ant-oat01-FAKE-old"


def test_an_unknown_person_gets_a_number_and_replaces_no_account() -> None:
    raw = {"accounts": [entry("login-1")]}
    assert put(raw, login("", None, None)) == ("login-2", "added")
    assert raw["accounts"][0]["accessToken"] == "sk-ant-oat01-FAKE-old"


def test_a_name_finds_the_account_of_an_unknown_person() -> None:
    raw = {"accounts": [entry("work")]}
    assert put(raw, login("", None, None), "work") == ("work", "updated")
    assert raw["accounts"][0]["accessToken"] == "sk-ant-oat01-FAKE-new"


def test_an_older_copy_replaces_nothing() -> None:
    raw = {"accounts": [entry("mine", accountUuid="p", orgUuid="o", expiresAt=3000000)]}
    assert put(raw, login(), fresh=False) == ("mine", "kept")
    assert raw["accounts"][0]["accessToken"] == "sk-ant-oat01-FAKE-old"
    assert put(raw, login(expires_at=3001.0), fresh=False) == ("mine", "updated")


def test_following_keeps_no_copy_of_the_tokens() -> None:
    raw = {"accounts": [entry("mine", accountUuid="p", orgUuid="o", refreshToken="r", expiresAt=3000000)]}
    account = login(access_token=None, expires_at=None, import_from="/c.json", source="import")
    assert put(raw, account) == ("mine", "updated")
    assert raw["accounts"] == [
        {
            "name": "mine",
            "type": "oauth",
            "accountUuid": "p",
            "orgUuid": "o",
            "importFrom": "/c.json",
            "source": "import",
        }
    ]


KNOWN = [
    login("ann", "p", "o", access_token="sk-ant-oat01-FAKE-1", refresh_token="sk-ant-ort01-FAKE-1"),
    login("ben", None, None, access_token="sk-ant-oat01-FAKE-2", refresh_token=None),
    login("cec", "q", None, access_token=None, import_from="/x.json"),
    AccountConfig(name="paid", type="apikey", api_key="sk-ant-api03-FAKE"),
]


@pytest.mark.parametrize(
    ("fields", "path", "name"),
    [
        ({"access_token": "sk-ant-oat01-FAKE-1"}, None, "ann"),
        ({"access_token": "sk-ant-oat01-FAKE-9", "refresh_token": "sk-ant-ort01-FAKE-1"}, "/y.json", "ann"),
        ({"access_token": "sk-ant-oat01-FAKE-2"}, None, "ben"),
        ({"access_token": "sk-ant-oat01-FAKE-9"}, "/x.json", "cec"),
        ({"access_token": "sk-ant-oat01-FAKE-9"}, "/y.json", ""),
        ({"access_token": None, "refresh_token": "sk-ant-ort01-FAKE-9"}, None, ""),
    ],
)
def test_a_login_that_is_here_is_recognized(fields: dict[str, Any], path: Any, name: str) -> None:
    found = recognized(KNOWN, login("", None, None, **fields), path)
    assert found.name == name
    known = next((account for account in KNOWN if account.name == name), None)
    assert found.account_uuid == (known.account_uuid if known else None)
    assert found.access_token == fields["access_token"]


def test_what_the_login_says_of_itself_stays() -> None:
    mine = login("me", "r", "s", access_token="sk-ant-oat01-FAKE-1")
    assert recognized(KNOWN, mine, None) == mine


def test_a_full_login_is_renewed() -> None:
    assert is_full_login(login(refresh_token="sk-ant-ort01-FAKE"), 0.0)
    assert is_full_login(login(access_token=None, import_from="/x.json"), 0.0)
    assert not is_full_login(login(), 0.0)
    ended = login(refresh_token="sk-ant-ort01-FAKE", refresh_token_expires_at=5.0)
    assert not is_full_login(ended, 6.0)


def test_a_setup_token_of_a_person_whose_login_has_ended_takes_its_place() -> None:
    ended = {
        "refreshToken": "sk-ant-ort01-FAKE",
        "refreshTokenExpiresAt": 5,
        "accountUuid": "p",
        "orgUuid": "o",
    }
    raw: dict[str, Any] = {"accounts": [entry("ann", **ended)]}
    now = 2e9
    assert enroll_token(raw, login(expires_at=None, source="token"), None, now) == ("ann", "updated")
    assert "refreshToken" not in raw["accounts"][0]


def test_keys_are_numbered() -> None:
    raw: dict[str, Any] = {"accounts": [entry("api-1")]}
    assert enroll_key(raw, "sk-ant-api03-FAKE-1", None) == ("api-2", "added")
    assert enroll_key(raw, "sk-ant-api03-FAKE-2", "paid") == ("paid", "added")
    assert raw["accounts"][1:] == [
        {"name": "api-2", "type": "apikey", "apiKey": "sk-ant-api03-FAKE-1", "source": "login"},
        {"name": "paid", "type": "apikey", "apiKey": "sk-ant-api03-FAKE-2", "source": "login"},
    ]
    assert enroll_key(raw, "sk-ant-api03-FAKE-3", "paid") == ("paid", "updated")


def test_a_key_can_be_added_once() -> None:
    raw: dict[str, Any] = {}
    enroll_key(raw, "sk-ant-api03-FAKE-1", "paid")
    with pytest.raises(TeamClaudeError) as caught:
        enroll_key(raw, "sk-ant-api03-FAKE-1", "again")
    assert str(caught.value) == 'this key is there already, as "paid"'


def test_numbered() -> None:
    assert numbered_name("api", {"api-1", "api-3"}) == "api-2"


@pytest.mark.parametrize("typed", ["sk-ant-api03-FAKE_key-1", "  sk-ant-api03-FAKE_key-1\r\n"])
def test_a_key(typed: str) -> None:
    assert check_api_key(typed) == "sk-ant-api03-FAKE_key-1"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "no key was given: type it"),
        (" \n", "no key was given"),
        ("sk-ant-api03-FAKE key", "a space or a line break in it"),
        ("sk-ant-api03-FAKE\tkey", "a space or a line break in it"),
        ("sk-ant-oat01-FAKE", "a token of a subscription, not an API key: use teamclaude login"),
        ("sk-ant-ort01-FAKE", "a refresh token of a subscription"),
        ("sk-ant-admin01-FAKE", "an admin key"),
        ("sk-FAKE", "begin with sk-ant-api"),
        ("sk-ant-api", "begin with sk-ant-api"),
        ('"sk-ant-api03-FAKE"', "no quotes around"),
        ("sk-ant-api03-FAKÉ", "begin with sk-ant-api"),
    ],
)
def test_none(typed: str, said: str) -> None:
    with pytest.raises(TeamClaudeError) as caught:
        check_api_key(typed)
    text = str(caught.value)
    assert said in text
    assert "FAK" not in text
    assert "\n" not in text
