"""`teamclaude login --token`: a token of `claude setup-token` on stdin, in a variable, or as an argument."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.cli.support import Stub, accounts_in, failed
from tests.fakeapi.authserver import PROFILE_PATH, AuthServer

TOKEN = "sk-ant-oat01-" + ("FAKEfake0123456789-_" * 5)[:86] + "-FAKEAA"
SCREEN = f""" \u2714 Long-lived authentication token created

 Your OAuth token (valid for 1 year):

 {TOKEN[:79]}
 {TOKEN[79:]}

 Store this token securely. You won't be able to see it again.

 Use this token by setting: export CLAUDE_CODE_OAUTH_TOKEN=<token>
"""
Keyboard = Callable[..., None]
CANT_SEE = "a token of claude setup-token can't see whose it is: its account is known by its name"


@pytest.fixture(autouse=True)
def no_profile(auth: AuthServer) -> None:
    """Its scope is user:inference alone."""
    auth.script.always(
        Fault.status(403),
        path=PROFILE_PATH,
        when=lambda request: "FAKEfake" in (request.header("authorization") or ""),
    )


def test_a_token_on_stdin(cli: Any, auth: AuthServer, file: Path, keyboard: Keyboard) -> None:
    keyboard(TOKEN, end=True)
    ended = cli("login", "--token")
    assert ended.status == 0
    assert ended.out == ""
    assert ended.err.splitlines() == [
        "asking whose token this is ...",
        CANT_SEE,
        "token-1 is added",
        "when it ends is not known here: claude setup-token said it, mostly a year after it was made",
    ]
    assert accounts_in(file) == {
        "token-1": {"name": "token-1", "type": "oauth", "accessToken": TOKEN, "source": "token"}
    }
    assert auth.calls == ()


def test_the_whole_screen_says_when_it_ends(cli: Any, file: Path, keyboard: Keyboard) -> None:
    keyboard(SCREEN, end=True)
    ended = cli("login", "--token", "--name", "ci")
    assert ended.status == 0
    entry = accounts_in(file)["ci"]
    assert entry["accessToken"] == TOKEN
    assert abs(entry["expiresAt"] / 1000 - time.time() - 365 * 86400) < 60
    day = time.strftime("%Y-%m-%d", time.localtime(entry["expiresAt"] / 1000))
    assert ended.err.splitlines()[-1] == f"it ends about {day}, if it was made just now"
    assert "FAKE" not in ended.err
    (line,) = [line for line in cli("accounts").out.splitlines() if line.startswith("ci")]
    assert "valid 36" in line
    assert "token" in line.split()


@pytest.mark.parametrize("given", ["CLAUDE_CODE_OAUTH_TOKEN", "$CLAUDE_CODE_OAUTH_TOKEN", "MINE"])
def test_a_token_in_a_variable(cli: Any, file: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(given.lstrip("$"), f" {TOKEN}\n")
    assert cli("login", "--token", given).status == 0
    assert accounts_in(file)["token-1"]["accessToken"] == TOKEN


def test_a_token_on_the_command_line_is_taken_and_warned_of(cli: Any, file: Path) -> None:
    ended = cli("login", "--token", TOKEN)
    assert ended.status == 0
    assert "the token is in the history of your shell now" in ended.err
    assert "FAKE" not in ended.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("NO_SUCH_VARIABLE", "there is no such environment variable, or it is empty"),
        ("what is this", "--token takes the name of an environment variable, or nothing"),
    ],
)
def test_a_variable_that_can_not_be_read(cli: Any, file: Path, given: str, said: str) -> None:
    ended = cli("login", "--token", given)
    assert ended.status == 2
    assert said in ended.err
    assert accounts_in(file) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sk-ant-api03-FAKE", "use teamclaude login --api"),
        ("sk-ant-ort01-FAKE", "a refresh token"),
        ('{"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "FAKE"}', "teamclaude import --json -"),
        ("hello", "they begin with sk-ant-oat"),
        ("", "no token was given"),
    ],
)
def test_input_that_is_not_a_token(cli: Any, file: Path, keyboard: Keyboard, line: str, said: str) -> None:
    keyboard(line, end=True)
    ended = cli("login", "--token")
    assert said in failed(ended, file)
    assert ended.err.count("\n") == 1
    assert "FAKE" not in ended.err


def test_no_stdin_but_a_variable(cli: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "no token was given" in failed(cli("login", "--token"), file)
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", TOKEN)
    assert "--token CLAUDE_CODE_OAUTH_TOKEN" in failed(cli("login", "--token"), file)


def test_one_way_at_a_time(cli: Any, file: Path) -> None:
    assert "not allowed with" in cli("login", "--token", "--api").err


# --- whose it is --------------------------------------------------------------------------------------


def test_the_same_token_comes_once(cli: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", TOKEN)
    assert cli("login", "--token", "T", "--name", "ci").status == 0
    before = file.read_text()
    ended = cli("login", "--token", "T")
    assert ended.status == 1
    assert ended.err.splitlines()[-1] == 'teamclaude: this token is there already, as "ci"'
    assert file.read_text() == before


def test_a_new_token_of_that_name_replaces_the_old_one(
    cli: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T", TOKEN)
    cli("login", "--token", "T", "--name", "ci")
    monkeypatch.setenv("T", TOKEN + "B")
    ended = cli("login", "--token", "T", "--name", "ci")
    assert "ci has its new credentials" in ended.err
    (entry,) = accounts_in(file).values()
    assert entry["accessToken"] == TOKEN + "B"


def put_login(auth: AuthServer, file: Path, **more: Any) -> dict[str, Any]:
    entry = {**auth.log_in(auth.users[0]), "name": "ann", **more}
    file.write_text(json.dumps({**json.loads(file.read_text()), "accounts": [entry]}))
    return entry


def test_a_full_login_is_replaced_by_its_name_alone(
    cli: Any, auth: AuthServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_login(auth, file, priority=3)
    monkeypatch.setenv("T", TOKEN)
    ended = cli("login", "--token", "T", "--name", "ann")
    assert ended.status == 0
    assert "its login is replaced by the token, which can't be renewed" in ended.err
    (entry,) = accounts_in(file).values()
    assert entry["accessToken"] == TOKEN
    assert entry["accountUuid"] == "p-1"
    assert entry["priority"] == 3
    assert not {"refreshToken", "expiresAt", "refreshTokenExpiresAt"} & entry.keys()


def test_a_name_of_a_key_is_refused(cli: Any, file: Path, keyboard: Keyboard) -> None:
    keyboard("sk-ant-api03-FAKE-1")
    assert cli("login", "--api", "--name", "paid").status == 0
    ended = cli("login", "--token", TOKEN, "--name", "paid")
    assert ended.status == 1
    assert '"paid" is an API key: give the token another --name' in ended.err


def test_a_token_of_a_full_login_is_named_by_its_owner(
    cli: Any, auth: AuthServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T", auth.log_in(auth.users[0])["accessToken"])
    ended = cli("login", "--token", "T")
    assert ended.status == 0
    assert "it is a token of a full login, not of claude setup-token" in ended.err
    assert list(accounts_in(file)) == ["ann@example.com"]


def test_a_person_with_a_full_login_keeps_it_unless_it_is_named(
    cli: Any, auth: AuthServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = put_login(auth, file)
    monkeypatch.setenv("T", auth.log_in(auth.users[0])["accessToken"])
    for words in ([], ["--name", "other"]):
        ended = cli("login", "--token", "T", *words)
        assert ended.status == 1
        assert '"ann" is the same person and has a login that is renewed' in ended.err
        assert accounts_in(file)["ann"] == before
    assert cli("login", "--token", "T", "--name", "ann").status == 0
    assert "refreshToken" not in accounts_in(file)["ann"]


# --- what the API says --------------------------------------------------------------------------------


def test_a_token_that_is_cut_and_refused_is_not_added(
    cli: Any, auth: AuthServer, file: Path, keyboard: Keyboard
) -> None:
    auth.script.once(Fault.status(401), path=PROFILE_PATH)
    keyboard(TOKEN[:79], end=True)
    line = failed(cli("login", "--token"), file)
    assert "does not accept the token; it has 79 characters, others about 108" in line
    assert "FAKE" not in line


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.status(401), "the API does not accept the token (401): is it complete, and not revoked?"),
        (Fault.status(403), CANT_SEE),
        (Fault.status(500), "that is not known: the profile endpoint failed (500"),
        (Fault.no_head(), "that is not known: the answer of the profile endpoint was lost"),
    ],
)
def test_a_whole_token_is_added_whatever_the_api_says(
    cli: Any, auth: AuthServer, file: Path, keyboard: Keyboard, fault: Fault, said: str
) -> None:
    auth.script.once(fault, path=PROFILE_PATH)
    keyboard(TOKEN, end=True)
    ended = cli("login", "--token")
    assert ended.status == 0
    assert said in ended.err
    assert list(accounts_in(file)) == ["token-1"]


def test_a_short_token_is_warned_of(cli: Any, file: Path, keyboard: Keyboard) -> None:
    keyboard(TOKEN[:79], end=True)
    ended = cli("login", "--token")
    assert ended.status == 0
    assert "it has 79 characters, others about 108: was it cut at a line break?" in ended.err


def test_a_running_proxy_takes_it_over(cli: Any, file: Path, keyboard: Keyboard) -> None:
    stub = Stub()
    stub.answers["POST /teamclaude/accounts/reload"] = (200, {"reloaded": True})
    keyboard(TOKEN, end=True)
    ended = cli("login", "--token", "--port", str(stub.port))
    stub.stop()
    assert "the running proxy uses it from now on" in ended.err
