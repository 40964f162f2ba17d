"""`teamclaude accounts export`: copies, hand-overs, and the other machine that takes them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.tokens.refresh_journal import token_side_path
from teamclaude.cli.proxy_client import ProxyUnreachableError
from teamclaude.proxy.lifecycle.server_presence import ServerPresence
from tests.cli.support import BOB, PAID, Ended, Stub, accounts_in, free_port

ANN: dict[str, Any] = {
    "name": "ann@example.com",
    "type": "oauth",
    "accountUuid": "p-1",
    "accessToken": "sk-ant-oat01-FAKE-ann",
    "refreshToken": "sk-ant-ort01-FAKE-ann",
    "expiresAt": 4102444800000,
    "priority": 2,
}
FOLLOWED = {"name": "fol", "type": "oauth", "importFrom": "/home/x/.claude/.credentials.json"}

Run = Callable[..., Ended]


@pytest.fixture
def here(config: Callable[..., Path]) -> Path:
    return config(ANN, BOB, PAID, FOLLOWED, port=free_port())


def run(cli: Run, *words: str) -> Ended:
    ended = cli("accounts", "export", *words)
    assert "FAKE" not in ended.err
    assert "Traceback" not in ended.err
    return ended


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)


def records(here: Path) -> list[str]:
    directory = Path(token_side_path(here, "x")).parent
    return [path.name for path in directory.glob("*.moving")]


# --- copies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [PAID, BOB])
def test_what_does_not_change_is_copied(cli: Run, here: Path, tmp_path: Path, entry: dict[str, Any]) -> None:
    before = here.read_text()
    ended = run(cli, entry["name"])
    assert ended.status == 0
    assert json.loads(ended.out)["accounts"] == [entry]
    path = tmp_path / "out.json"
    ended = run(cli, entry["name"][:3], "--to", str(path))
    assert (ended.status, ended.out) == (0, "")
    assert ended.err.splitlines() == [
        f"{entry['name']} is copied; it serves here as before",
        "on the other machine: teamclaude import --from out.json, then delete the file",
    ]
    assert json.loads(path.read_text())["accounts"] == [entry]
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
    assert here.read_text() == before
    assert records(here) == []


def test_a_login_that_is_renewed_is_not_copied(cli: Run, here: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    ended = run(cli, "ann", "--to", str(path))
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("teamclaude: ann@example.com is a login whose refresh token works once")
    assert "--move hands it over" in ended.err
    assert not path.exists()


@pytest.mark.parametrize("move", [(), ("--move",)])
def test_a_login_of_claude_code_is_not_ours(cli: Run, here: Path, move: tuple[str, ...]) -> None:
    before = here.read_text()
    ended = run(cli, "fol", *move)
    assert ended.status == 1
    assert "follows /home/x/.claude/.credentials.json, a login of Claude Code" in ended.err
    assert here.read_text() == before


# --- where to ---------------------------------------------------------------------------------------------


def test_a_terminal_gets_it_only_if_it_is_named(cli: Run, here: Path, terminal: None) -> None:
    ended = run(cli, "paid")
    assert ended.status == 2
    assert "this prints a credential: give it a file with --to FILE" in ended.err
    assert run(cli, "ann", "--move").status == 2
    assert "ann@example.com" in accounts_in(here)
    assert json.loads(run(cli, "paid", "--to", "-").out)["accounts"] == [PAID]


def test_a_file_that_is_there_is_never_overwritten(cli: Run, here: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("mine")
    for words in (("paid",), ("ann", "--move")):
        ended = run(cli, *words, "--to", str(path))
        assert ended.status == 2
        assert "is there already: name another file, or delete it" in ended.err
    assert path.read_text() == "mine"
    assert len(accounts_in(here)) == 4


@pytest.mark.parametrize(("to", "status"), [("nowhere/out.json", 1), ("", 2), ("x\0y", 1)])
def test_a_place_that_can_not_be_written(cli: Run, here: Path, tmp_path: Path, to: str, status: int) -> None:
    ended = run(cli, "ann", "--move", "--to", to and f"{tmp_path}/{to}")
    assert ended.status == status
    assert ended.err.count("\n") == 1
    assert len(accounts_in(here)) == 4
    assert records(here) == []


@pytest.mark.parametrize("words", [(), ("nobody",), ("",)])
def test_which_account(cli: Run, here: Path, words: tuple[str, ...]) -> None:
    assert run(cli, *words).status == 2


@pytest.mark.parametrize("words", [("--move",), ("--to", "x"), ("exprot", "ann")])
def test_words_that_go_with_it_alone(cli: Run, here: Path, words: tuple[str, ...]) -> None:
    assert cli("accounts", *words).status == 2


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_a_file_of_the_shell_is_closed_to_others(
    cli: Run, here: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    path = tmp_path / "out.json"
    with path.open("w") as out:
        path.chmod(0o644)
        monkeypatch.setattr("teamclaude.cli.commands.account.export.sys.stdout", out)
        assert run(cli, "paid").status == 0
        assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["accounts"] == [PAID]


# --- handing over -----------------------------------------------------------------------------------------


def test_a_login_is_handed_over_to_a_file_and_taken(
    cli: Run, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ann.json"
    ended = run(cli, "ann", "--move", "--to", str(path))
    assert (ended.status, ended.out) == (0, "")
    assert ended.err.splitlines() == [
        f"ann@example.com is handed over: it is no longer in {here}",
        "on the other machine: teamclaude import --from ann.json, then delete the file",
    ]
    assert list(accounts_in(here)) == ["bob", "paid", "fol"]
    assert records(here) == []
    assert "hand-over" not in cli("accounts").err
    there = tmp_path / "there" / "teamclaude.json"
    monkeypatch.setenv("TEAMCLAUDE_CONFIG", str(there))
    ended = cli("import", "--from", str(path))
    assert ended.status == 0
    assert f"{path} still has the credentials: delete it now" in ended.err
    assert "Stop the program" not in ended.err
    assert accounts_in(there)["ann@example.com"] == ANN


def test_a_running_server_drops_it_before_the_file_is_written(
    cli: Run, stub: Stub, config: Callable[..., Path], tmp_path: Path
) -> None:
    here = config(ANN, BOB, port=stub.port)
    path = tmp_path / "out.json"
    seen: list[tuple[int, list[str]]] = []

    class Answer(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            if key == "POST /teamclaude/accounts/reload":
                seen.append((path.stat().st_size, list(accounts_in(here))))
            return super().get(key, default)

    stub.answers = Answer(stub.answers)
    stub.answers["POST /teamclaude/accounts/reload"] = (200, {"reloaded": True})
    ended = run(cli, "ann", "--move", "--to", str(path))
    assert ended.status == 0
    assert "the running proxy does not use it any more" in ended.err.splitlines()
    assert seen == [(0, ["bob"])]
    assert path.stat().st_size


def test_all_servers_with_the_file_are_told(
    cli: Run, stub: Stub, config: Callable[..., Path], tmp_path: Path
) -> None:
    here = config(ANN, BOB, port=free_port())
    stub.answers["POST /teamclaude/accounts/reload"] = (200, {"reloaded": True})
    presence = ServerPresence(here)
    presence.begin(stub.port)
    try:
        ended = run(cli, "ann", "--move", "--to", str(tmp_path / "out.json"))
    finally:
        presence.end()
    assert "the running proxy does not use it any more" in ended.err.splitlines()
    assert stub.paths == ["POST /teamclaude/accounts/reload"]


def test_a_server_that_does_not_answer_is_said(
    cli: Run, config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(self: Any, path: str) -> Any:
        raise ProxyUnreachableError("the proxy did not answer in 10 s")

    config(ANN, port=4711)
    monkeypatch.setattr("teamclaude.cli.proxy_client.ProxyClient.post", silent)
    ended = run(cli, "ann", "--move", "--to", str(tmp_path / "out.json"))
    assert ended.status == 0
    assert (
        "teamclaude: the server on port 4711 was not told, it sees it in some seconds: the pro" in ended.err
    )
    assert "does not use it any more" not in ended.err


def test_after_a_pipe_a_copy_stays_until_it_is_deleted(cli: Run, here: Path) -> None:
    ended = run(cli, "ann", "--move")
    assert ended.status == 0
    assert json.loads(ended.out)["accounts"] == [ANN]
    (record,) = records(here)
    assert ended.err.splitlines()[-1].startswith("nobody can tell whether it was read: ")
    assert record in ended.err
    listed = cli("accounts")
    assert listed.status == 0
    assert "ann@example.com was handed over on stdout" in listed.err
    Path(token_side_path(here, "x")).with_name(record).unlink()
    assert "handed over" not in cli("accounts").err


def test_it_can_be_taken_back(cli: Run, here: Path) -> None:
    run(cli, "ann", "--move")
    (record,) = records(here)
    path = Path(token_side_path(here, "x")).with_name(record)
    assert cli("import", "--from", str(path)).status == 0
    assert accounts_in(here)["ann@example.com"] == ANN
    assert not path.exists()


def test_an_interrupted_one_is_finished_by_the_same_command(
    cli: Run, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.json"
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: fail())
        ended = run(cli, "ann", "--move", "--to", str(path))
    assert ended.status == 1
    assert "No space left on device; the login of ann@example.com is in " in ended.err
    assert not path.exists()
    assert "was interrupted" in cli("accounts").err
    assert "ann@example.com" not in accounts_in(here)
    ended = run(cli, "ann", "--move", "--to", str(path))
    assert ended.status == 0
    assert json.loads(path.read_text())["accounts"] == [ANN]
    assert "was interrupted" not in cli("accounts").err
    assert records(here) == []


def fail() -> int:
    raise OSError(28, os.strerror(28))


def test_one_that_had_arrived_is_only_finished(
    cli: Run, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.json"
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.tokens.hand_over._unlink", lambda path: None)
        assert run(cli, "ann", "--move", "--to", str(path)).status == 0
    assert records(here)
    before = path.read_bytes()
    ended = run(cli, "ann", "--move", "--to", str(path))
    assert ended.status == 0
    assert "has the login of ann@example.com already" in ended.err
    assert path.read_bytes() == before
    assert records(here) == []


def test_a_key_can_be_moved_too(cli: Run, here: Path, tmp_path: Path) -> None:
    assert run(cli, "paid", "--move", "--to", str(tmp_path / "k")).status == 0
    assert "paid" not in accounts_in(here)
    assert records(here) == []
