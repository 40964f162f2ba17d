"""`teamclaude import` of a login whose access token has lapsed, is missing, or can't be renewed."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.fakeapi.fault import Fault
from tests.cli.support import accounts_in
from tests.fakeapi.authserver import PROFILE_PATH, TOKEN_PATH, AuthServer

NEWER = {"accountUuid": "p-1", "organizationUuid": "o-1", "subscriptionType": "max"}
LAPSED: dict[str, Any] = {"expiresAt": (time.time() - 3600) * 1000}
Theirs = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))


@pytest.fixture
def theirs(private_home: Path, auth: AuthServer) -> Theirs:
    """Write Claude Code's credentials file: `theirs(expiresAt=0, accessToken=None)`."""

    def write(name: str = ".credentials.json", **changes: Any) -> Path:
        entry = auth.log_in(auth.users[0])
        names = ("accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt")
        login = {**{key: entry[key] for key in names}, "scopes": ["user:inference"], **changes}
        path = private_home / ".claude" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"claudeAiOauth": login, "mcpOAuth": {"x": 1}}))
        return path

    return write


def login_in(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())["claudeAiOauth"]
    return found


@pytest.mark.parametrize("changes", [LAPSED, {"accessToken": None}, {"accessToken": "", **LAPSED}])
def test_a_lapsed_login_is_renewed_for_claude_code_too(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs, changes: dict[str, Any]
) -> None:
    path = theirs(**changes)
    old = login_in(path)
    ended = cli("import")
    assert ended.status == 0, ended.err
    assert "it is renewed, for Claude Code too" in ended.err
    assert ended.err.splitlines()[-1] == "ann@example.com (Max 20x) is added"
    assert "sk-ant" not in ended.err
    (entry,) = accounts_in(file).values()
    assert auth.accepts(entry["accessToken"])
    assert auth.can_refresh(entry["refreshToken"])
    assert entry["refreshToken"] != old["refreshToken"]
    assert (entry["accountUuid"], entry["orgName"], entry["source"]) == ("p-1", "Acme", "import")
    now = login_in(path)
    assert (now["accessToken"], now["refreshToken"]) == (entry["accessToken"], entry["refreshToken"])
    assert now["scopes"] == ["user:inference"]
    assert json.loads(path.read_text())["mcpOAuth"] == {"x": 1}
    assert sorted(found.name for found in path.parent.iterdir()) == [".credentials.json"]
    assert auth.granted == 1


@pytest.mark.parametrize("expires", [0, None, -1, "soon"])
def test_a_token_without_a_known_end_is_renewed_when_it_is_refused(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs, expires: object
) -> None:
    path = theirs(expiresAt=expires)
    ended = cli("import")
    assert ended.status == 0
    assert auth.granted == 0
    assert accounts_in(file)["ann@example.com"]["accessToken"] == login_in(path)["accessToken"]
    theirs(expiresAt=expires, accessToken="sk-ant-oat01-FAKE-old")
    ended = cli("import")
    assert ended.status == 0
    assert auth.granted == 1
    (entry,) = accounts_in(file).values()
    assert auth.accepts(entry["accessToken"])


def test_a_token_without_a_known_end_replaces_an_older_one(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs
) -> None:
    theirs(**NEWER)
    cli("import", "--name", "work")
    path = theirs(**NEWER, expiresAt=0)
    assert "has its new credentials" in cli("import").err
    (entry,) = accounts_in(file).values()
    assert entry["accessToken"] == login_in(path)["accessToken"]


def test_a_login_that_is_not_in_claude_codes_file_is_renewed_for_us_alone(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs
) -> None:
    path = theirs("copy.json", **LAPSED)
    before = path.read_bytes()
    ended = cli("import", "--from", str(path))
    assert ended.status == 0
    assert "the tokens that Claude Code has of this login are worthless now" in ended.err
    assert path.read_bytes() == before
    (entry,) = accounts_in(file).values()
    assert auth.can_refresh(entry["refreshToken"])
    assert sorted(found.name for found in path.parent.iterdir()) == ["copy.json"]


def test_json_is_renewed(cli: Any, auth: AuthServer, file: Path, theirs: Theirs) -> None:
    login = login_in(theirs("x.json", **LAPSED))
    ended = cli("import", "--json", json.dumps(login), "--name", "work")
    assert ended.status == 0
    assert auth.accepts(accounts_in(file)["work"]["accessToken"])


def test_a_known_account_is_updated(cli: Any, auth: AuthServer, file: Path, theirs: Theirs) -> None:
    theirs(**NEWER)
    cli("import", "--name", "work")
    theirs(**NEWER, **LAPSED)
    ended = cli("import")
    assert ended.err.splitlines()[-1].startswith("work")
    (entry,) = accounts_in(file).values()
    assert entry["name"] == "work"
    assert auth.accepts(entry["accessToken"])


@pytest.mark.parametrize("name", ["work", None])
def test_an_account_stored_before_its_owner_was_known_is_one_account(
    cli: Any,
    auth: AuthServer,
    file: Path,
    theirs: Theirs,
    name: Optional[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer to a refresh may say nothing of its owner; the profile does."""
    exchange = auth.issuer.refresh

    def anonymous(asked: Any, now: float) -> dict[str, Any]:
        answer = exchange(asked, now)
        return {key: value for key, value in answer.items() if key not in ("account", "organization")}

    monkeypatch.setattr(auth.issuer, "refresh", anonymous)
    theirs()
    cli("import")
    theirs(**LAPSED)
    ended = cli("import", *(["--name", name] if name else []))
    assert ended.status == 0, ended.err
    (entry,) = accounts_in(file).values()
    assert entry["name"] == (name or "ann@example.com")
    assert auth.accepts(entry["accessToken"])


# --- what can't be renewed ----------------------------------------------------------------------------


def test_a_refused_refresh_token_is_not_imported(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs
) -> None:
    path = theirs(refreshToken="sk-ant-ort01-FAKE-spent", **LAPSED)
    ended = cli("import")
    assert ended.status == 1
    line = ended.err.splitlines()[-1]
    assert line.startswith(f"teamclaude: {path}: the login is not valid any more")
    assert "teamclaude login" in line
    assert "FAKE" not in ended.err
    assert accounts_in(file) == {}


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.status(429), Fault.html()])
def test_an_authorization_server_that_is_down_leaves_it_to_the_proxy(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs, fault: Fault
) -> None:
    path = theirs(**LAPSED)
    before = path.read_bytes()
    auth.script.always(fault, path=TOKEN_PATH)
    ended = cli("import")
    assert ended.status == 0, ended.err
    assert "it can't be renewed now, the proxy tries it again" in ended.err
    (entry,) = accounts_in(file).values()
    assert entry["refreshToken"] == login_in(path)["refreshToken"]
    assert path.read_bytes() == before
    assert not any(asked.path == PROFILE_PATH for asked in auth.log)


def test_without_an_access_token_it_is_left_to_the_proxy_too(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs
) -> None:
    theirs(accessToken=None)
    auth.script.always(Fault.status(503), path=TOKEN_PATH)
    assert cli("import").status == 0
    (entry,) = accounts_in(file).values()
    assert "accessToken" not in entry
    (account,) = ConfigFile(file, print).load().accounts
    assert account.refresh_token == entry["refreshToken"]


def test_an_answer_that_was_lost_once_is_said(cli: Any, auth: AuthServer, file: Path, theirs: Theirs) -> None:
    theirs(**LAPSED)
    auth.script.once(Fault.no_head(), path=TOKEN_PATH)
    assert cli("import").status == 0
    ended = cli("import")
    assert ended.status == 1
    assert "that answer probably held the new tokens" in ended.err


def test_claude_code_that_is_renewing_is_waited_for(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from teamclaude.accounts.tokens import claude_credentials

    monkeypatch.setattr(claude_credentials, "LOCK_TIMEOUT_SEC", 0.0)
    path = theirs(**LAPSED)
    (path.parent / ".oauth_refresh.lock").mkdir()
    ended = cli("import")
    assert "Claude Code has held it" in ended.err
    assert ended.status == 0
    assert auth.calls == ()


# --- following, and no refresh token --------------------------------------------------------------------


def test_a_lapsed_login_can_be_followed(cli: Any, auth: AuthServer, file: Path, theirs: Theirs) -> None:
    path = theirs(**NEWER, **LAPSED)
    before = path.read_bytes()
    ended = cli("import", "--follow", "--name", "work")
    assert ended.status == 0
    assert "it serves once Claude Code has renewed it (run claude once)" in ended.err
    assert accounts_in(file)["work"]["importFrom"] == str(path)
    assert path.read_bytes() == before
    assert auth.arrived == 0


@pytest.mark.parametrize("refresh", [None, ""])
def test_without_a_refresh_token_it_says_when_it_ends(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs, refresh: Optional[str]
) -> None:
    theirs(refreshToken=refresh)
    ended = cli("import")
    assert ended.status == 0
    assert "it has no refresh token: it can't be renewed, and ends in 8h" in ended.err
    assert "shared" not in ended.err
    assert "refreshToken" not in accounts_in(file)["ann@example.com"]
    theirs(refreshToken=refresh, expiresAt=0)
    assert "and ends at a time that is not known" in cli("import").err


@pytest.mark.parametrize("first", [[], ["--follow"]])
@pytest.mark.parametrize("second", [[], ["--follow"]])
def test_one_login_is_one_account_also_when_nobody_says_whose(
    cli: Any, auth: AuthServer, file: Path, theirs: Theirs, first: list[str], second: list[str]
) -> None:
    """Two accounts with one refresh token would log each other out."""
    theirs(**LAPSED)
    auth.script.always(Fault.status(503))
    for words in (first, second, second):
        assert cli("import", *words).status == 0
    assert list(accounts_in(file)) == ["imported-1"]
    (entry,) = accounts_in(file).values()
    assert ("importFrom" in entry) is bool(second)
    assert cli("import", "--name", "work", *second).status == 0
    assert list(accounts_in(file)) == ["work"]
