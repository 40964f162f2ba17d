"""Which commands create a config file, and which only read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.accounts.config.state_place import state_path
from teamclaude.cli import dispatch, user_config
from tests.cli.support import ALICE, Ended

# Every command, with words it takes.
MAKES = {"server", "login", "import"}
NEEDS_NONE = {
    "help": (),
    "demo": (),
    "completion": ("zsh",),
    "version": (),
    "doctor": (),
    "lab": ("show",),
    "mcp": (),
    "service": ("print",),
    "statusline": (),
}
READS: dict[str, tuple[str, ...]] = {
    "run": ("-p", "hello"),
    "setup": (),
    "env": (),
    "status": (),
    "watch": (),
    "web": ("--no-browser",),
    "capacity": (),
    "accounts": (),
    "remove": ("alice", "--yes"),
    "enable": ("alice",),
    "disable": ("alice",),
    "priority": ("alice", "3"),
    "switch": ("alice",),
    "restart": (),
    "drain": (),
    "api": ("/v1/models",),
    "explain": (),
    "alerts": (),
    "record": ("status",),
    "usage": (),
}
# Those that need no config file for a server that is named by its address.
TAKES_URL = {
    *("status", "watch", "web", "capacity", "switch", "explain", "restart", "drain"),
    *("run", "env", "api", "record", "enable", "disable", "usage", "setup"),
}


def test_every_command_is_in_one_of_the_tables() -> None:
    names = [command.name for command in dispatch.COMMANDS]
    assert sorted(names) == sorted([*MAKES, *NEEDS_NONE, *READS])


@pytest.mark.parametrize(
    "words",
    [
        *([name, *words] for name, words in READS.items()),
        ["accounts", "--json"],
        ["status", "--json"],
        ["env", "--api-key"],
        ["run", "--auto"],
        ["switch"],
        ["switch", "--auto"],
        ["explain", "tc-1"],
        ["record", "on"],
        ["record", "off"],
        ["api", "/v1/models", "--account", "alice"],
    ],
)
def test_a_reading_command_creates_no_file_and_says_what_to_do(
    private_home: Path, cli: Callable[..., Ended], words: list[str]
) -> None:
    before = sorted(private_home.rglob("*"))
    ended = cli(*words)
    path = private_home / ".config" / "teamclaude.json"
    elsewhere = "; a server elsewhere is named with --url or TEAMCLAUDE_URL" if words[0] in TAKES_URL else ""
    assert (ended.status, ended.out) == (20 if words[0] == "capacity" else 1, "")
    assert ended.err == (
        f"teamclaude: {path}: there is no config file yet; "
        f"teamclaude login (or import) makes it with an account{elsewhere}\n"
    )
    assert sorted(private_home.rglob("*")) == before


def test_a_deleted_file_is_said_to_be_rewritten_by_a_running_server(
    private_home: Path, cli: Callable[..., Ended]
) -> None:
    config = private_home / ".config"
    config.mkdir(exist_ok=True)
    (config / "teamclaude.state.json").write_text("{}")
    ended = cli("accounts")
    assert ended.status == 1
    assert "is gone: a running server writes it again in seconds; else teamclaude login" in ended.err


def test_capacity_answers_in_json_without_a_config(private_home: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("capacity", "--json")
    assert ended.status == 20
    assert json.loads(ended.out)["verdict"] == "red"
    assert not (private_home / ".config").exists()


@pytest.mark.parametrize("name", [name for name in READS if name not in ("env", "run")])
def test_a_file_without_a_key_is_not_changed_by_reading_it(
    private_home: Path, cli: Callable[..., Ended], name: str
) -> None:
    path = private_home / ".config" / "teamclaude.json"
    path.parent.mkdir(mode=0o700)
    text = json.dumps({"proxy": {"port": 1}, "accounts": [ALICE]})
    path.write_text(text)
    path.chmod(0o600)
    ended = cli(name, *READS[name])
    assert "internal error" not in ended.err
    assert "apiKey" not in path.read_text()


def test_env_needs_the_key_that_the_server_makes(private_home: Path, cli: Callable[..., Ended]) -> None:
    path = private_home / ".config" / "teamclaude.json"
    path.parent.mkdir(mode=0o700)
    path.write_text(json.dumps({"accounts": [ALICE]}))
    path.chmod(0o600)
    ended = cli("env")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        f"teamclaude: {path}: has no proxy.apiKey yet; teamclaude server adds one when it starts\n"
    )


# --- commands that add an account -----------------------------------------------------------------


@pytest.fixture
def path(private_home: Path) -> Path:
    return private_home / ".config" / "teamclaude.json"


def test_the_first_account_makes_the_file_at_once(path: Path) -> None:
    _, config = user_config.load_or_create_config(lambda sec: pytest.fail("nobody to wait for"))
    assert config.accounts == ()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_deleted_under_a_running_server_is_waited_for(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_path(path).parent.mkdir(mode=0o700, parents=True)
    state_path(path).write_text("{}")

    def server_writes_it(sec: float) -> None:
        path.parent.mkdir(mode=0o700)
        path.write_text(json.dumps({"proxy": {"apiKey": "tc-THEIRS"}, "accounts": [ALICE]}))
        path.chmod(0o600)

    _, config = user_config.load_or_create_config(server_writes_it)
    assert [account.name for account in config.accounts] == [ALICE["name"]]
    assert capsys.readouterr().err == (
        f"teamclaude: {path} is gone: waiting 6 s for a running server to write it\n"
    )


def test_without_a_server_a_deleted_file_is_created_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_path(path).parent.mkdir(mode=0o700, parents=True)
    state_path(path).write_text("{}")
    monkeypatch.setattr(user_config, "SERVER_SEC", 0.0)
    assert user_config.load_or_create_config()[1].accounts == ()


def test_accounts_warns_of_a_directory_others_can_write_to(
    config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    directory = config(ALICE).parent
    directory.chmod(0o777)
    ended = cli("accounts")
    assert ended.status == 0
    assert ended.out
    danger = f"other users can replace the files in {directory}; run: chmod go-w {directory}"
    assert f"teamclaude: {danger}\n" in ended.err
