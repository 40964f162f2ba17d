"""`teamclaude import`: every source of a login, and the account made of it."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.commands.account import import_
from teamclaude.fakeapi.fault import Fault
from tests.cli.support import Ended, Stub, accounts_in
from tests.fakeapi.authserver import PROFILE_PATH, AuthServer


def login_of(auth: AuthServer, **more: Any) -> dict[str, Any]:
    """What Claude Code would have of a login of ann."""
    entry = auth.log_in(auth.users[0])
    names = ("accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt")
    return {**{name: entry[name] for name in names}, "scopes": ["user:inference"], **more}


NEWER = {
    "accountUuid": "p-1",
    "organizationUuid": "o-1",
    "subscriptionType": "max",
    "rateLimitTier": "default_claude_max_5x",
}


@pytest.fixture
def theirs(private_home: Path) -> Callable[..., Path]:
    """Write Claude Code's credentials file: `theirs({...})`."""

    def write(login: Any, directory: str = ".claude", nested: bool = True) -> Path:
        path = private_home / directory / ".credentials.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"claudeAiOauth": login} if nested else login))
        return path

    return write


@pytest.fixture(autouse=True)
def no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A person at a terminal, who types: `person("y\\n")`."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def types(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(text))
        monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True, raising=False)

    return types


def profiles(auth: AuthServer) -> int:
    return sum(asked.path == PROFILE_PATH for asked in [*auth.log, *auth.live])


def same_tokens(entry: dict[str, Any], login: dict[str, Any]) -> bool:
    names = ("accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt")
    return all(entry.get(name) == login[name] for name in names)


# --- from where -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [True, False])
def test_claude_codes_own_file(cli: Any, auth: AuthServer, file: Path, theirs: Any, nested: bool) -> None:
    login = login_of(auth)
    theirs(login, nested=nested)
    ended = cli("import")
    assert ended.status == 0
    assert ended.out == ""
    assert ended.err.splitlines()[-1] == "ann@example.com (Max 20x) is added"
    entry = accounts_in(file)["ann@example.com"]
    assert same_tokens(entry, login)
    assert entry["source"] == "import"
    assert (entry["accountUuid"], entry["orgUuid"], entry["orgName"]) == ("p-1", "o-1", "Acme")
    assert "sk-ant" not in ended.err


def test_nothing_is_spent(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    login = login_of(auth)
    path = theirs(login)
    before = path.read_bytes()
    cli("import")
    assert auth.calls == ()
    assert auth.can_refresh(login["refreshToken"])
    assert path.read_bytes() == before


def test_another_configuration_directory(
    cli: Any, auth: AuthServer, file: Path, theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = login_of(auth)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(theirs(login, "elsewhere").parent))
    assert cli("import").status == 0
    assert same_tokens(accounts_in(file)["ann@example.com"], login)


def test_a_named_file(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    login = login_of(auth)
    theirs(login_of(auth))
    path = theirs(login, "other")
    assert cli("import", "--from", str(path)).status == 0
    assert same_tokens(accounts_in(file)["ann@example.com"], login)


@pytest.mark.parametrize("way", ["argument", "stdin"])
def test_json(cli: Any, auth: AuthServer, file: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    login = login_of(auth)
    text = json.dumps({"claudeAiOauth": login})
    if way == "stdin":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    ended = cli("import", "--json", text if way == "argument" else "-", "--name", "work")
    assert ended.status == 0
    assert "sk-ant" not in ended.err
    assert same_tokens(accounts_in(file)["work"], login)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_the_keychain(
    cli: Any, auth: AuthServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = login_of(auth)
    (tmp_path / "item").write_text(json.dumps({"claudeAiOauth": login}))
    command = tmp_path / "security"
    command.write_text(f'#!/bin/sh\n[ "$5" = "Claude Code-credentials" ] && cat "{tmp_path}/item"\n')
    command.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(import_, "PLATFORM", "darwin")
    ended = cli("import")
    assert ended.status == 0, ended.err
    assert same_tokens(accounts_in(file)["ann@example.com"], login)
    assert "now shared with Claude Code" in ended.err
    assert "sk-ant" not in ended.err
    ended = cli("import", "--follow")
    assert ended.status == 2
    assert "the Keychain item of Claude Code is none" in ended.err


# --- who it is ------------------------------------------------------------------------------------------


def test_known_fields_of_the_file_are_kept(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    theirs(login_of(auth, **NEWER))
    cli("import")
    entry = accounts_in(file)["ann@example.com"]
    assert (entry["subscriptionType"], entry["rateLimitTier"]) == ("max", "default_claude_max_5x")


def test_a_known_person_is_not_asked_for(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    theirs(login_of(auth, **NEWER))
    assert cli("import", "--name", "work").err.splitlines()[-1] == "work (Max 5x) is added"
    theirs(login_of(auth, **NEWER, expiresAt=int(time.time() + 90000) * 1000))
    assert cli("import").err.splitlines()[-1] == "work (Max 5x) has its new credentials"
    assert profiles(auth) == 0


def test_an_older_copy_changes_nothing(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    theirs(login_of(auth, **NEWER))
    cli("import", "--name", "work")
    before = file.read_text()
    theirs(login_of(auth, **NEWER, expiresAt=int(time.time() + 60) * 1000))
    ended = cli("import")
    assert ended.err.splitlines()[-1].endswith("has newer credentials already: nothing has changed")
    assert file.read_text() == before


def test_without_a_profile_it_gets_a_number(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    auth.script.always(Fault.status(503), path=PROFILE_PATH)
    login = login_of(auth)
    theirs(login)
    ended = cli("import")
    assert ended.status == 0
    assert "that is not known: the profile endpoint failed (503" in ended.err
    assert same_tokens(accounts_in(file)["imported-1"], login)


@pytest.mark.parametrize(("typed", "name"), [("work\n", "work"), ("\n", "imported-1"), ("", "imported-1")])
def test_without_a_profile_a_person_is_asked_for_the_name(
    cli: Any, auth: AuthServer, file: Path, person: Any, typed: str, name: str
) -> None:
    auth.script.always(Fault.status(503), path=PROFILE_PATH)
    person(typed)
    ended = cli("import", "--json", json.dumps(login_of(auth)))
    assert ended.status == 0
    assert "Name of this account" in ended.err
    assert list(accounts_in(file)) == [name]


def test_a_running_proxy_takes_it_over(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    stub = Stub()
    stub.answers["POST /teamclaude/accounts/reload"] = (200, {"reloaded": True})
    theirs(login_of(auth))
    ended = cli("import", "--port", str(stub.port))
    stub.stop()
    assert ended.err.splitlines()[-1] == "the running proxy uses it from now on"
    assert stub.paths == ["POST /teamclaude/accounts/reload"]


# --- sharing --------------------------------------------------------------------------------------------


def followed(entry: dict[str, Any], path: Path) -> bool:
    kept = {"accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt"} & entry.keys()
    return entry["importFrom"] == str(path) and not kept


def test_it_warns_that_the_login_is_shared(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    theirs(login_of(auth))
    err = cli("import").err
    assert "the second program to renew it is logged out" in err
    assert "--follow leaves the renewing" in err


def test_follow(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    path = theirs(login_of(auth, **NEWER))
    ended = cli("import", "--follow")
    assert ended.status == 0
    assert "shared" not in ended.err
    entry = accounts_in(file)["ann@example.com"]
    assert followed(entry, path)
    assert entry["accountUuid"] == "p-1"
    assert entry["subscriptionType"] == "max"


def test_following_replaces_a_copy(cli: Any, auth: AuthServer, file: Path, theirs: Any) -> None:
    path = theirs(login_of(auth))
    cli("import")
    assert cli("import", "--follow").err.splitlines()[-1].endswith("has its new credentials")
    (entry,) = accounts_in(file).values()
    assert followed(entry, path)
    cli("import")
    (entry,) = accounts_in(file).values()
    assert "importFrom" not in entry
    assert entry["accessToken"]


@pytest.mark.parametrize(
    ("typed", "follows"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)]
)
def test_following_is_offered_on_a_terminal(
    cli: Any, auth: AuthServer, file: Path, theirs: Any, person: Any, typed: str, follows: bool
) -> None:
    path = theirs(login_of(auth))
    person(typed)
    ended = cli("import")
    assert f"Follow {path} and leave the renewing to Claude Code? [y/N]" in ended.err
    (entry,) = accounts_in(file).values()
    assert ("importFrom" in entry) is follows
    assert not follows or followed(entry, path)


def test_a_relative_path_is_followed_as_a_whole_one(
    cli: Any, auth: AuthServer, file: Path, theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = theirs(login_of(auth))
    monkeypatch.chdir(path.parent)
    assert cli("import", "--from", path.name, "--follow").status == 0
    (entry,) = accounts_in(file).values()
    assert followed(entry, path)


# --- what can't be used ---------------------------------------------------------------------------------


def refused(ended: Ended, file: Path, said: str) -> None:
    assert ended.status in (1, 2), ended.err
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""
    assert "FAKE" not in ended.err
    assert accounts_in(file) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "--json: line 1, column 1"),
        ("[]", "is a list of 0, not a login"),
        ('{"primaryApiKey": "sk-ant-api03-FAKE"}', "teamclaude login --api"),
        ('{"accessToken": "sk-ant-oat01-FAKE", "expiresAt": 1600000000}', "has expired, and there is no"),
        ('{"accessToken": "sk-ant-oat01- FAKE", "refreshToken": "FAKE"}', "contains a space"),
        ('{"accessToken": "FAKE", "refreshToken": "FAKE"}', "no token of Claude"),
        ("", "is empty"),
        ("/", "--json takes the JSON itself; --from takes a file"),
    ],
)
def test_bad_input(cli: Any, file: Path, text: str, said: str) -> None:
    refused(cli("import", "--json", text), file, said)


def test_no_login_of_claude_code(cli: Any, file: Path) -> None:
    refused(cli("import"), file, "is not logged in here; run teamclaude login instead")


def test_an_empty_path(cli: Any, file: Path) -> None:
    refused(cli("import", "--from", ""), file, "--from is empty")


@pytest.mark.parametrize(
    "words", [["import"], ["import", "--json", "{"], ["login", "--token"], ["login", "--api"]]
)
def test_without_a_login_no_config_file_is_made(cli: Any, private_home: Path, words: list[str]) -> None:
    assert cli(*words).status == 1
    assert not (private_home / ".config").exists()


def test_an_empty_stdin(cli: Any, file: Path) -> None:
    refused(cli("import", "--json", "-"), file, "stdin: is empty")


def test_no_stdin_at_all(
    cli: Any, auth: AuthServer, file: Path, theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    refused(cli("import", "--json", "-"), file, "stdin: is empty")
    theirs(login_of(auth))
    assert cli("import").status == 0


def test_only_a_file_can_be_followed(cli: Any, auth: AuthServer, file: Path) -> None:
    refused(cli("import", "--follow", "--json", json.dumps(login_of(auth))), file, "needs a file to follow")


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no such files here")
def test_a_pipe_can_be_read_and_not_followed(cli: Any, auth: AuthServer, file: Path) -> None:
    for words, status in ((["--follow"], 2), ([], 0)):
        there, here = os.pipe()
        os.write(here, json.dumps(login_of(auth)).encode())
        os.close(here)
        ended = cli("import", "--from", f"/dev/fd/{there}", *words)
        os.close(there)
        assert ended.status == status, ended.err


def test_one_source_at_a_time(cli: Any, file: Path) -> None:
    refused(cli("import", "--from", "x", "--json", "y"), file, "not allowed with")
