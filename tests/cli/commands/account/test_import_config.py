"""`teamclaude import --from FILE` of a whole config file."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import ALICE, BOB, KEY, PAID, Stub, accounts_in, free_port

DAY_MS = 86_400_000
SOON = round(time.time() * 1000) + DAY_MS
ANN: dict[str, Any] = {
    "name": "ann@example.com",
    "accountUuid": "p-1",
    "orgUuid": "o-1",
    "accessToken": "sk-ant-oat01-FAKE-ann",
    "refreshToken": "sk-ant-ort01-FAKE-ann",
    "expiresAt": SOON,
    "priority": 2,
}


@pytest.fixture
def old(tmp_path: Path) -> Any:
    """Write the other program's file: `old(ANN, holdSeconds=5)`."""

    def write(*accounts: Any, **keys: Any) -> Path:
        path = tmp_path / "old.json"
        path.write_text(json.dumps({"proxy": {"apiKey": "tc-FAKEold"}, **keys, "accounts": list(accounts)}))
        return path

    return write


def run(cli: Any, path: Path, *words: str) -> Any:
    ended = cli("import", "--from", str(path), *words)
    assert "FAKE" not in ended.out + ended.err
    assert "Traceback" not in ended.err
    return ended


def test_accounts_are_taken_over(cli: Any, config: Any, old: Any) -> None:
    file = config(BOB, port=free_port())
    ended = run(cli, old(ANN, {"name": "k", "apiKey": "sk-ant-api03-FAKE"}, holdSeconds=5))
    assert ended.status == 0
    assert "holdSeconds: mapped to allThrottledHoldBudgetSec: the same seconds" in ended.out.splitlines()
    assert ended.err.splitlines()[:3] == [
        "ann@example.com is added",
        "k (API key) is added",
        "its settings are not taken over; --settings does that",
    ]
    assert ended.err.splitlines()[-1].startswith("Stop the program that used ")
    assert accounts_in(file) == {
        "bob": BOB,
        "ann@example.com": {**ANN, "type": "oauth"},
        "k": {"name": "k", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"},
    }
    assert "allThrottledHoldBudgetSec" not in json.loads(file.read_text())


def test_a_file_that_does_not_exist_yet_is_made(cli: Any, private_home: Path, old: Any) -> None:
    assert run(cli, old(ANN)).status == 0
    assert list(accounts_in(private_home / ".config" / "teamclaude.json")) == ["ann@example.com"]


def test_a_dry_run_changes_nothing_and_makes_no_file(
    cli: Any, private_home: Path, old: Any, config: Any
) -> None:
    path = old(ANN, holdSeconds=5)
    ended = run(cli, path, "--dry-run", "--settings")
    assert ended.status == 0
    assert "ann@example.com is added" in ended.err
    assert "this was a dry run: nothing has changed" in ended.err
    assert "Stop the program" not in ended.err
    assert not (private_home / ".config" / "teamclaude.json").exists()
    file = config(BOB, port=free_port())
    before = file.read_text()
    assert run(cli, path, "--dry-run", "--settings").status == 0
    assert file.read_text() == before


def test_settings_are_taken_over_if_asked(cli: Any, config: Any, old: Any) -> None:
    file = config(BOB, port=free_port(), host="::1")
    path = old(proxy={"host": "0.0.0.0", "clientKeys": {"ci": "tc-FAKEci"}}, upstreamProxy=False, drainSec=3)
    ended = run(cli, path, "--settings")
    assert ended.status == 0
    assert "set here already, and left so: proxy.host" in ended.err.splitlines()
    assert "there is no account in it that can be taken over" in ended.err
    raw = json.loads(file.read_text())
    assert (raw["upstreamProxy"], raw["drainSec"], raw["proxy"]["host"]) == ("direct", 3, "::1")
    assert raw["proxy"]["clients"] == [{"name": "ci", "key": "tc-FAKEci"}]
    assert raw["proxy"]["apiKey"] == KEY


def test_what_protects_stops_the_import_until_it_is_given_up(cli: Any, config: Any, old: Any) -> None:
    file = config(BOB, port=free_port())
    before = file.read_text()
    path = old({**ANN, "modelMap": {"a": "b"}}, modelMap={"c": "d"})
    ended = run(cli, path)
    assert ended.status == 1
    assert "modelMap: refused: it sent other models" in ended.out
    assert ended.err.splitlines() == [
        f"teamclaude: {path}: nothing is imported: what modelMap, accounts[0].modelMap did is not done here; "
        "to import without it: --drop modelMap --drop 'accounts[0].modelMap'"
    ]
    assert file.read_text() == before
    assert run(cli, path, "--drop", "accounts[].modelMap").status == 1
    assert run(cli, path, "--drop", "modelMap").status == 0
    assert "modelMap" not in accounts_in(file)["ann@example.com"]


@pytest.mark.parametrize(("ends", "outcome"), [(DAY_MS, "has its new"), (-DAY_MS, "has newer")])
def test_an_account_that_is_here_keeps_the_login_that_ends_later(
    cli: Any, config: Any, old: Any, ends: int, outcome: str
) -> None:
    mine = {**ANN, "name": "me", "accessToken": "sk-ant-oat01-FAKE-mine", "priority": 7}
    file = config(mine, port=free_port())
    ended = run(cli, old({**ANN, "expiresAt": SOON + ends}))
    assert f"me {outcome} credentials" in ended.err
    (entry,) = accounts_in(file).values()
    assert (entry["name"], entry["priority"]) == ("me", 7)
    assert (entry["accessToken"] == ANN["accessToken"]) == (ends > 0)


@pytest.mark.parametrize(
    "secret",
    [
        {"type": "apikey", "apiKey": "sk-ant-api03-FAKE-2"},
        {"accessToken": "sk-ant-oat01-FAKE-2", "source": "token"},
    ],
)
def test_another_key_of_the_same_name_is_another_account(
    cli: Any, config: Any, old: Any, secret: Any
) -> None:
    file = config(PAID, port=free_port())
    path = old({"name": "paid", **secret})
    assert "paid (2)" in run(cli, path).err
    assert accounts_in(file)["paid"] == PAID
    assert "paid (2) has newer credentials already: nothing has changed" in run(cli, path).err.replace(
        " (API key)", ""
    )
    assert len(accounts_in(file)) == 2


def test_logins_that_have_ended_are_said(cli: Any, config: Any, old: Any) -> None:
    config(port=free_port())
    past = SOON - 10 * DAY_MS
    ended = run(
        cli,
        old(
            {**ANN, "expiresAt": past},
            {"name": "b", "accessToken": "sk-ant-oat01-FAKE-b", "expiresAt": past},
            {"name": "c", "importFrom": "/nowhere/x.json"},
        ),
    )
    assert ended.status == 0
    said = "\n".join(ended.err.splitlines())
    assert "ann@example.com: its access token has lapsed: it is renewed at its next use" in said
    assert "b: its accessToken has expired, and there is no refreshToken" in said
    assert "c: it follows /nowhere/x.json, which is not on this machine" in said


def test_a_refresh_token_that_was_refused_here_is_said(cli: Any, config: Any, old: Any) -> None:
    from teamclaude.accounts.tokens.refresh_journal import RefreshJournal, token_side_path

    file = config(port=free_port())
    directory = Path(token_side_path(file, "p-1")).parent
    directory.mkdir(mode=0o700)
    RefreshJournal(str(directory), ANN["refreshToken"]).write_refusal(time.time())
    assert "its refresh token was refused here before" in run(cli, old(ANN)).err


def test_a_running_proxy_reads_the_file_again(cli: Any, stub: Stub, old: Any) -> None:
    stub.answers["POST /teamclaude/accounts/reload"] = (200, {"reloaded": True})
    assert "the running proxy uses them from now on" in run(cli, old(ANN)).err


def test_stdin(cli: Any, config: Any, old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = config(ALICE, port=free_port())
    data = old(ANN).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert cli("import", "--from", "-").status == 0
    assert list(accounts_in(file)) == ["alice@example.com", "ann@example.com"]


def test_a_name_is_for_one_account(cli: Any, config: Any, old: Any) -> None:
    file = config(port=free_port())
    assert run(cli, old(ANN, BOB), "--name", "x").status == 2
    assert run(cli, old(ANN), "--follow").status == 2
    assert run(cli, old(ANN), "--name", "x").status == 0
    assert list(accounts_in(file)) == ["x"]


@pytest.mark.parametrize("option", ["--dry-run", "--settings", "--drop=x"])
def test_options_of_config_files_go_with_those_alone(
    cli: Any, config: Any, tmp_path: Path, option: str
) -> None:
    config(port=free_port())
    path = tmp_path / "login.json"
    path.write_text(json.dumps({"accessToken": "sk-ant-oat01-FAKE"}))
    ended = run(cli, path, option)
    assert ended.status == 2
    assert "go with a config file" in ended.err


def test_the_present_file_is_only_reported_on(cli: Any, config: Any) -> None:
    file = config(ANN, port=free_port(), clientKeys=["tc-FAKEci"])
    before = file.read_text()
    ended = run(cli, file)
    assert ended.status == 0
    assert "proxy.clientKeys: mapped to proxy.clients" in ended.out
    assert (
        ended.err == f"{file} is the config file in use: it is read where it is, and nothing is taken over\n"
    )
    assert file.read_text() == before


def test_a_config_as_json_on_the_command_line(cli: Any, config: Any) -> None:
    file = config(port=free_port())
    assert cli("import", "--json", json.dumps({"accounts": [ANN, ANN]})).status == 0
    assert list(accounts_in(file)) == ["ann@example.com"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
@pytest.mark.parametrize(
    ("account", "keys"),
    [
        ({"name": "k", "type": "apikey", "credentialCommand": ["pass"]}, {}),
        (ANN, {"alerts": [{"when": "hold", "run": ["x"]}]}),
    ],
)
def test_no_program_comes_from_a_file_that_others_could_write(
    cli: Any, config: Any, old: Any, account: Any, keys: Any
) -> None:
    file = config(BOB, port=free_port())
    before = file.read_text()
    path = old(account, **keys)
    path.chmod(0o666)
    for words in (("--settings",), ("--settings", "--dry-run")):
        ended = run(cli, path, *words)
        assert ended.status == 1
        assert f"{path}: nothing is imported: it names a program, which would be run, but other" in ended.err
        assert f"run: chmod 600 {path}" in ended.err
    assert file.read_text() == before
    path.chmod(0o600)
    assert run(cli, path, "--settings").status == 0


def test_a_file_that_is_no_config_is_said_so(cli: Any, config: Any, tmp_path: Path) -> None:
    config(port=free_port())
    path = tmp_path / "login.json"
    path.write_text("[]")
    assert f"go with a config file ({path} is none)" in run(cli, path, "--dry-run").err


def test_a_record_of_a_hand_over_stays_until_its_login_is_here(cli: Any, config: Any, tmp_path: Path) -> None:
    file = config(BOB, port=free_port())
    path = tmp_path / "x.moving"
    for accounts in ([{**ANN, "priority": "of a later version"}], []):
        path.write_text(json.dumps({"exported": {"moved": True}, "accounts": accounts}))
        ended = run(cli, path)
        assert ended.status == 0
        assert f"not all of {path} is taken over: keep it" in ended.err
        assert path.exists()
    path.write_text(json.dumps({"exported": {"moved": True}, "accounts": [ANN]}))
    assert run(cli, path).status == 0
    assert not path.exists()
    assert "ann@example.com" in accounts_in(file)
