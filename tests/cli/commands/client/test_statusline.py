"""`teamclaude statusline`: one line in every case, status 0, and nothing on stderr."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli import main
from teamclaude.cli.status_line import output
from tests.cli.support import KEY, Stub, free_port

ROOT = Path(__file__).resolve().parents[4]
ASKED = "GET /teamclaude/statusline/s-1"
SAID = {"session_id": "s-1", "cost": {"total_cost_usd": 1.234}}
FACTS = {
    "service": "teamclaude",
    "session": {"account": "alice"},
    "account": {"name": "alice", "status": "active", "windows": {"5h": {"utilization": 0.42}}},
    "pool": {"verdict": "green", "headroom": 4, "live": 2, "total": 3},
}
LINE = "alice · 5h 42% · pool 2/3 room 4 · $1.23\n"


class Shell:
    """Runs the command as Claude Code does: a process with JSON on stdin."""

    def __init__(self, home: Path) -> None:
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "CLAUDECODE": "1",
        }
        self.program = [sys.executable, "-I", "-S", str(ROOT / "teamclaude" / "__main__.py")]

    def __call__(self, *words: str, said: Any = SAID, **env: str) -> str:
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        ended = subprocess.run(
            [*self.program, "statusline", *words],
            input=data,
            capture_output=True,
            timeout=30,
            env={**self.env, **env},
            cwd=self.env["HOME"],
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
        return ended.stdout.decode()


@pytest.fixture
def shell(private_home: Path) -> Shell:
    return Shell(private_home)


@pytest.fixture
def at(stub: Stub) -> dict[str, str]:
    """The environment of a client of the stub."""
    stub.answers[ASKED] = (200, FACTS)
    return {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}", "ANTHROPIC_AUTH_TOKEN": "tc-key"}


def test_one_line(shell: Shell, at: dict[str, str], stub: Stub) -> None:
    assert shell(**at) == LINE
    (asked,) = stub.asked
    assert asked.headers["x-teamclaude-key"] == "tc-key"


def test_colours_and_width(shell: Shell, at: dict[str, str]) -> None:
    coloured = shell(**at, NO_COLOR="", TERM="xterm-256color")
    assert coloured.startswith("\x1b[38;5;110malice\x1b[0m")
    assert shell(**at, COLUMNS="30") == "alice · 5h 42% · room 4\n"
    assert shell(**at, COLUMNS="x") == LINE
    assert shell(**at, COLUMNS="1") == "…\n"


def test_a_template(shell: Shell, at: dict[str, str]) -> None:
    assert shell("--format", "{account}={5h}", **at) == "alice=42%\n"
    assert shell("--format={account}", **at) == "alice\n"


def test_a_wrong_template_says_so_where_the_line_would_be(shell: Shell, at: dict[str, str]) -> None:
    assert shell("--format", "{x}", **at).startswith('--format: no field "{x}"; there are: account, ')


def test_the_last_answer_is_shown_with_its_age(shell: Shell, at: dict[str, str], stub: Stub) -> None:
    assert shell(**at) == LINE
    stub.answers[ASKED] = (500, {})
    shown = shell(**at)
    assert shown.startswith("no answer for ")
    assert shown.endswith(" · " + LINE)
    other = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{free_port()}"}
    assert shell(**other).endswith(" · " + LINE)
    assert shell(said={"session_id": "s-2"}, **other) == "", "another session has no last answer"


@pytest.mark.parametrize("said", [b"", b"{", b"\xff" * 2_000_000])
def test_unusable_stdin(shell: Shell, at: dict[str, str], said: bytes) -> None:
    assert shell(said=said, CLAUDE_CODE_SESSION_ID="s-1", **at) == "alice · 5h 42% · pool 2/3 room 4\n"


def test_stdin_that_never_ends(shell: Shell, at: dict[str, str]) -> None:
    with subprocess.Popen(
        [*shell.program, "statusline"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**shell.env, **at},
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(SAID).encode())
        child.stdin.flush()
        assert child.stdout.read().decode() == LINE
        assert child.wait(30) == 0


def test_a_client_past_the_pool(shell: Shell) -> None:
    assert shell() == "direct, not through teamclaude · $1.23\n"
    assert shell(ANTHROPIC_BASE_URL="https://api.anthropic.com") == shell()
    assert shell(ANTHROPIC_BASE_URL="https://gateway.example") == "", "of somebody else"


def test_the_first_party_mode(shell: Shell, at: dict[str, str], stub: Stub) -> None:
    assert shell(HTTPS_PROXY=f"http://teamclaude:{KEY}@127.0.0.1:{stub.port}") == LINE
    assert stub.asked[0].headers["x-teamclaude-key"] == KEY


def test_another_command_comes_first(shell: Shell, at: dict[str, str]) -> None:
    assert shell("--first", "printf 'mine: '; wc -c", **at) == f"mine: {len(json.dumps(SAID))}\n{LINE}"
    assert shell("--first", "echo x; exit 1", **at) == LINE
    assert shell("--first", "echo x") == "x\ndirect, not through teamclaude · $1.23\n"


def test_another_command_that_hangs(
    at: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(output, "OTHER_COMMAND_SEC", 0.05)
    for name, value in at.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(output, "read_stdin", lambda _: json.dumps(SAID).encode())
    assert output.print_for_client(["--first", "sleep 50"])
    sys.stdout.flush()
    assert capfd.readouterr().err == ""


def test_a_copied_directory_serves_from_anywhere(shell: Shell, at: dict[str, str], tmp_path: Path) -> None:
    copied = tmp_path / "a place" / "teamclaude"
    shutil.copytree(ROOT / "teamclaude", copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "json.py").write_text("raise SystemExit(9)")  # no module of the package stands for another
    shell.env["PYTHONPATH"] = str(tmp_path / "nothing")
    for program in (copied / "__main__.py", copied):
        shell.program = [sys.executable, str(program)]
        assert shell(**at) == LINE


def test_it_imports_little() -> None:
    code = (
        "import sys; before = set(sys.modules); from teamclaude.cli import main; main(['statusline']); "
        "print(*sorted(set(sys.modules) - before))"
    )
    env = {
        "CLAUDECODE": "1",
        "PATH": os.environ["PATH"],
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        timeout=30,
        env=env,
        stdin=subprocess.DEVNULL,
    )
    loaded = set(ended.stdout.split())
    heavy = ["argparse", "dataclasses", "http.client", "email", "ssl", "subprocess", "threading"]
    assert "json" in loaded
    heavy += ["urllib.parse", "inspect", "pathlib", "shutil", "tempfile", "unicodedata"]
    assert loaded & set(heavy) == set()


# --- by hand ------------------------------------------------------------------------------------


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda number: number == 0)


@pytest.mark.usefixtures("by_hand")
def test_by_hand_it_shows_the_pool_of_the_config_file(
    stub: Stub, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    stub.answers["GET /teamclaude/statusline/"] = (200, {**FACTS, "account": None, "session": {}})
    assert main(["statusline", "--format", "{live}/{total}"]) == 0
    assert capsysbinary.readouterr() == (b"2/3\n", b"")
    assert stub.asked[0].headers["x-teamclaude-key"] == KEY


@pytest.mark.usefixtures("by_hand")
def test_by_hand_it_shows_the_pool_of_a_server_elsewhere(
    stub: Stub, private_home: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (private_home / ".config" / "teamclaude.json").unlink()
    stub.answers["GET /tc/teamclaude/statusline/"] = (200, FACTS)
    monkeypatch.setenv("TEAMCLAUDE_URL", f"127.0.0.1:{stub.port}/tc/")
    monkeypatch.setenv("TEAMCLAUDE_KEY", "tc-elsewhere")
    assert "pool 2/3" in cli("statusline").out
    assert stub.asked[-1].headers["x-teamclaude-key"] == "tc-elsewhere"
    monkeypatch.setenv("TEAMCLAUDE_URL", "ftp://x")
    assert "not the address of a server" in cli("statusline").err


@pytest.mark.usefixtures("by_hand", "down")
def test_by_hand_errors_are_one_line(cli: Callable[..., Any]) -> None:
    ended = cli("statusline", "--format", "{x}")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith('teamclaude: --format: no field "{x}"; there are: account')
    ended = cli("statusline")
    assert ended.status == 1
    assert ended.err.startswith("teamclaude: no proxy answers at ")
    assert ended.err.endswith("; start it with: teamclaude server\n")


@pytest.mark.usefixtures("by_hand")
def test_by_hand_without_a_config_file(cli: Callable[..., Any]) -> None:
    assert "there is no config file yet" in cli("statusline").err


# --- the setting --------------------------------------------------------------------------------


@pytest.mark.usefixtures("down")
def test_install_and_uninstall(cli: Callable[..., Any], private_home: Path) -> None:
    file = private_home / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text('{"model": "opus"}')
    ended = cli("statusline", "--install", "--format", "{account}")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"{file}: statusLine is set",
        "take it back with: teamclaude statusline --uninstall",
    ]
    assert "statusline --format '{account}'" in json.loads(file.read_text())["statusLine"]["command"]
    assert "is as it was" in cli("statusline", "--install", "--format", "{account}").out
    assert cli("statusline", "--uninstall").out == f"{file}: statusLine is as before\n"
    assert file.read_text() == '{"model": "opus"}'
    assert cli("statusline", "--uninstall").out.startswith("nothing to take back: ")


@pytest.mark.usefixtures("down")
def test_a_scope_of_the_project(
    cli: Callable[..., Any], private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("statusline", "--install", "--scope", "local").status == 0
    local = tmp_path / ".claude" / "settings.local.json"
    assert local.exists()
    assert "has a statusLine of its own" in cli("statusline", "--install").err
    assert cli("statusline", "--uninstall", "--scope", "local").out == f"{local}: statusLine is as before\n"
    assert not local.exists()
    assert (private_home / ".claude" / "settings.json").exists()
    assert cli("statusline", "--uninstall").status == 0
    assert not (private_home / ".claude").exists(), "nothing is left behind"


@pytest.mark.usefixtures("down")
def test_a_setting_that_was_changed_stays(cli: Callable[..., Any], private_home: Path) -> None:
    file = private_home / ".claude" / "settings.json"
    cli("statusline", "--install")
    file.write_text('{"statusLine": {"type": "command", "command": "mine"}}')
    assert "stays" in cli("statusline", "--uninstall").out
    assert json.loads(file.read_text())["statusLine"]["command"] == "mine"


@pytest.mark.parametrize(
    "words",
    [("--format", "{x}"), ("--first", "x"), ("--uninstall",), ("--scope", "x"), ("--refresh", "-1")],
)
def test_wrong_words_change_nothing(cli: Callable[..., Any], private_home: Path, words: Any) -> None:
    ended = cli("statusline", "--install", *words)
    assert ended.status == 2
    assert not (private_home / ".claude").exists()


def test_without_columns_the_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((77, 20)))
    there, here = os.openpty()
    monkeypatch.setattr(os, "open", lambda *_: here)
    assert output._columns({}) == 77
    assert output._columns({"COLUMNS": "50"}) == 50
    monkeypatch.undo()
    os.close(there)
