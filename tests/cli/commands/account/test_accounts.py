"""`teamclaude accounts`: the list, its details, and its JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import ALICE, BOB, Ended, Stub


def test_the_list_has_the_status_of_the_running_proxy(stub: Stub, cli: Callable[..., Ended]) -> None:
    live = [
        {"name": "alice@example.com", "status": "benched", "statusReason": "429, retry-after"},
        {"name": "bob", "status": "auth_failed"},
    ]
    stub.answers["GET /teamclaude/status"] = (200, {"accounts": live})
    ended = cli("accounts")
    assert (ended.status, ended.err) == (0, "")
    heading, alice, bob, paid = ended.out.splitlines()
    assert heading.split() == ["NAME", "TIER", "STATUS", "PRIORITY", "SOURCE", "TOKEN", "LOGIN"]
    assert "benched, 429, retry-after" in alice
    assert "auth_failed" in bob
    assert "re-login needed" in bob
    assert "API key" in paid
    assert "last resort" in paid


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("7d at 61%, maxUsage 60%", "at its maxUsage"),
        ("7d at 72%, 30% reserved for Mon-Fri 9-17", "at its reserve"),
        ("refuses opus (7d_opus at 31%, maxUsage 30%)", "active"),
    ],
)
def test_an_account_at_the_limit_of_its_owner_is_not_called_active(
    stub: Stub, cli: Callable[..., Ended], reason: str, word: str
) -> None:
    live = [{"name": "bob", "status": "active", "statusReason": reason}]
    stub.answers["GET /teamclaude/status"] = (200, {"accounts": live})
    text = " ".join(cli("accounts").out.split())
    assert (word in text, reason in text, "active" in text) == (True, True, word == "active")


def test_a_reason_that_says_what_to_do_is_never_cut(stub: Stub, cli: Callable[..., Ended]) -> None:
    reason = "the API refused its token; make a new one: claude setup-token, then teamclaude login --token"
    live = [{"name": "bob", "status": "auth_failed", "statusReason": f"{reason}\x1b[31m"}]
    stub.answers["GET /teamclaude/status"] = (200, {"accounts": live})
    heading, _alice, bob, below, _paid = cli("accounts").out.splitlines()
    assert len(heading) < len(reason)
    assert "auth_failed" in bob
    assert reason not in bob
    assert below.startswith(f"    {reason}")
    assert "\x1b" not in below


def test_without_a_proxy_the_status_is_not_known(down: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("accounts")
    assert ended.status == 0
    assert "—" in ended.out
    assert "no proxy is running" in ended.err


def test_details_on_request(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config({**ALICE, "orgName": "Acme", "orgUuid": "org-1", "accountUuid": "u-1", "expiresAt": 4102444800000})
    assert "org-1" not in cli("accounts").out
    out = cli("accounts", "-v").out
    assert "organisation:   Acme org-1" in out
    assert "account:        u-1" in out
    assert "token expires:  2" in out


def test_what_all_accounts_may_spend_is_a_detail(
    stub: Stub, config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    config(ALICE, port=stub.port)
    stub.answers["GET /teamclaude/status"] = (200, {"spending": "~$0.11 of $5 today"})
    assert cli("accounts", "-v").out.splitlines()[-1] == "maxSpend: ~$0.11 of $5 today"
    assert "maxSpend" not in cli("accounts").out


DAY_MS = 86400 * 1000


@pytest.mark.parametrize(
    ("days", "left", "warned"), [(2.5, "2d12h", True), (27, "27d", False), (-1, "0s", False)]
)
def test_the_end_of_a_login_is_counted_down(
    config: Callable[..., Path], cli: Callable[..., Ended], days: float, left: str, warned: bool
) -> None:
    ends = int((time.time() + 30) * 1000 + days * DAY_MS)
    config(
        {**ALICE, "expiresAt": ends, "refreshToken": "sk-ant-ort01-FAKE", "refreshTokenExpiresAt": ends}, BOB
    )
    ended = cli("accounts")
    alice, bob = ended.out.splitlines()[1:]
    assert alice.split()[-1] == left
    assert bob.split()[-1] == "—"
    warning = f"the login of alice@example.com ends in {left}: teamclaude login renews it"
    assert (warning in ended.err) is warned
    assert "login of bob" not in ended.err
    assert ("re-login needed" in alice) is (days < 0)


def test_the_end_of_a_setup_token_is_counted_down(
    config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    ends = int((time.time() + 30) * 1000 + 2 * DAY_MS)
    config({**BOB, "source": "token", "expiresAt": ends})
    ended = cli("accounts")
    assert ended.out.splitlines()[1].split()[-1] == "2d"
    assert "the login of bob ends in 2d: make a new one: claude setup-token, then teamclaude" in ended.err


def test_the_proxys_token_times_win(
    stub: Stub, config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    config({"name": "c", "importFrom": "/x/.credentials.json"}, BOB, ALICE, port=stub.port)
    now_ms = round(time.time() * 1000)
    token = {"state": "valid", "expiresAt": now_ms + 3_630_000, "loginEndsAt": now_ms + 27 * DAY_MS + 30_000}
    refused = {"state": "re-login needed", "expiresAt": None, "reason": "the login is not valid any more"}
    live = [{"name": "c", "token": token}, {"name": "bob", "token": refused}, {"name": ALICE["name"]}]
    stub.answers["GET /teamclaude/status"] = (200, {"accounts": live})
    ended = cli("accounts", "-v")
    (c,) = (line for line in ended.out.splitlines() if line.startswith("c "))
    (bob,) = (line for line in ended.out.splitlines() if line.startswith("bob "))
    assert "follows Claude Code, valid 1h" in c
    assert c.split()[-1] == "27d"
    assert "re-login needed" in bob
    assert "    token:          the login is not valid any more" in ended.out


def test_details_name_the_file_that_is_followed(
    config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    config({"name": "c", "importFrom": "/x/.credentials.json"})
    out = cli("accounts", "-v").out
    assert "follows Claude Code" in out
    assert "follows:        /x/.credentials.json" in out


def test_json_has_everything_but_secrets(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config(
        {
            **ALICE,
            "refreshToken": "sk-ant-ort01-FAKE",
            "expiresAt": 4102444800000,
            "priority": 3,
            "disabled": True,
        }
    )
    (row,) = json.loads(cli("accounts", "--json").out)["accounts"]
    assert row["name"] == "alice@example.com"
    assert row["priority"] == 3
    assert row["status"] == "disabled"
    assert row["expiresAt"] == 4102444800000
    assert row["tier"] is None


@pytest.mark.parametrize("words", [("accounts",), ("accounts", "-v"), ("accounts", "--json")])
def test_no_secret_is_ever_shown(stub: Stub, cli: Callable[..., Ended], words: tuple[str, ...]) -> None:
    ended = cli(*words)
    assert "alice@example.com" in ended.out
    assert "FAKE" not in ended.out + ended.err


def test_no_accounts(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config()
    ended = cli("accounts")
    assert (ended.status, ended.out) == (0, "")
    assert "has no accounts yet" in ended.err
    assert json.loads(cli("accounts", "--json").out) == {"schema": 1, "accounts": []}


def test_a_credential_from_a_program(
    stub: Stub, config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    entry = {"name": "vault", "type": "apikey", "credentialCommand": ["/opt/bin/vault", "sk-SECRET"]}
    config(entry, port=stub.port)
    token = {"state": "refresh due", "reason": "credentialCommand vault failed (exit status 1)"}
    live = [{"name": "vault", "status": "active", "token": token}]
    stub.answers["GET /teamclaude/status"] = (200, {"accounts": live})
    _, row, why = cli("accounts").out.splitlines()
    assert "program" in row.split()
    assert why == "    credentialCommand vault failed (exit status 1)"
    ended = cli("accounts", "-v")
    assert "    runs:           /opt/bin/vault" in ended.out.splitlines()
    (found,) = json.loads(cli("accounts", "--json").out)["accounts"]
    assert found["credentialCommand"] == "/opt/bin/vault"
    assert "SECRET" not in ended.out + str(found)
