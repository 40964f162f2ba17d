"""The accounts' logins."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.tokens.refresh_journal import RefreshJournal, token_side_path
from teamclaude.accounts.tokens.token_pair import TokenPair
from teamclaude.cli.doctor.facts.login_facts import LoginFacts, login_facts
from teamclaude.cli.doctor.subject import Subject
from teamclaude.snapshot import AccountView, Snapshot, TokenView

NOW = time.time()
ALICE = {
    "name": "alice",
    "accessToken": "sk-ant-oat01-FAKE",
    "refreshToken": "sk-ant-ort01-FAKE",
    "expiresAt": (NOW + 3600) * 1000,
}


def look(tmp_path: Path, status: Snapshot | None = None, **changed: object) -> LoginFacts:
    config = parse_config({"accounts": [{**ALICE, **changed}]}, "")
    subject = Subject(dict(os.environ), tmp_path, NOW, tmp_path / "c.json", config)
    (found,) = login_facts(subject, config, status)
    assert "FAKE" not in str(found)
    return found


def test_a_good_login(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert (found.name, found.is_lost, found.ends_soon, found.journal) == ("alice", False, False, "")


def test_ends(tmp_path: Path) -> None:
    assert look(tmp_path, refreshTokenExpiresAt=(NOW + 3600) * 1000).ends_soon
    assert look(tmp_path, refreshTokenExpiresAt=(NOW - 1) * 1000).is_lost
    assert look(tmp_path, refreshToken=None, expiresAt=(NOW - 1) * 1000).is_lost


def test_the_server_knows_better(tmp_path: Path) -> None:
    token = TokenView(state="re-login needed", reason="its refresh token was refused")
    found = look(tmp_path, Snapshot(accounts=(AccountView(name="alice", status="auth_failed", token=token),)))
    assert (found.is_lost, found.reason) == (True, "its refresh token was refused")


def journal(tmp_path: Path) -> RefreshJournal:
    side = token_side_path(tmp_path / "c.json", "alice")
    return RefreshJournal(os.path.dirname(side), str(ALICE["refreshToken"]))


def test_what_renewals_leave(tmp_path: Path) -> None:
    journal(tmp_path).write_start(NOW)
    assert look(tmp_path).journal == "unanswered"
    journal(tmp_path).write_answer(TokenPair("sk-ant-oat01-FAKE2", "sk-ant-ort01-FAKE2"))
    assert look(tmp_path).journal == "unsaved"
    journal(tmp_path).write_refusal(NOW)
    assert look(tmp_path).journal == "refused"


def claude_file(private_home: Path, refresh: str) -> Path:
    file = private_home / ".claude" / ".credentials.json"
    file.parent.mkdir(exist_ok=True)
    login = {"accessToken": "sk-ant-oat01-FAKE3", "refreshToken": refresh, "scopes": ["user:inference"]}
    file.write_text(json.dumps({"claudeAiOauth": login}))
    return file


def test_a_login_that_claude_code_has_too(tmp_path: Path, private_home: Path) -> None:
    claude_file(private_home, "sk-ant-ort01-other")
    assert not look(tmp_path).is_shared
    claude_file(private_home, str(ALICE["refreshToken"]))
    assert look(tmp_path).is_shared


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "{" * 9999])
def test_a_followed_file(tmp_path: Path, private_home: Path, content: str | None) -> None:
    file = claude_file(private_home, str(ALICE["refreshToken"]))
    good = look(tmp_path, importFrom=str(file), accessToken=None, refreshToken=None, expiresAt=None)
    assert (good.follow_problem, good.is_shared) == ("", False)
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert look(tmp_path, importFrom=str(file), accessToken=None, refreshToken=None).follow_problem


def test_a_program_that_prints_the_credential(tmp_path: Path) -> None:
    nothing = {"accessToken": None, "refreshToken": None, "expiresAt": None}
    found = look(tmp_path, type="apikey", credentialCommand=["no-such-program-here", "x"], **nothing)
    assert found.command_problem == "no-such-program-here is not on the PATH"
    assert "credentialCommand" in found.remedy
    assert look(tmp_path, type="apikey", credentialCommand=["/bin/sh"], **nothing).command_problem == ""
    assert look(tmp_path, type="apikey", apiKey="sk-FAKE", **nothing).remedy == "teamclaude login --api"


def test_what_is_told_of_a_login(tmp_path: Path, private_home: Path) -> None:
    assert (look(tmp_path).left, look(tmp_path).followed) == ("", "")
    assert look(tmp_path, refreshTokenExpiresAt=(NOW + 7200) * 1000).left == "2h"
    file = claude_file(private_home, "sk-ant-ort01-other")
    assert look(tmp_path, importFrom=str(file)).followed == str(file)
