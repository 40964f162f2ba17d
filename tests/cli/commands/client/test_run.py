"""`teamclaude run`: the words, the environment and the exit status that claude gets and gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.commands.client.run import own_words
from tests.cli.support import CLAUDE_LOGIN, KEY, Ended, Stub

ROOT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for claude is a script")

CLAUDE = """#!{python}
import json, os, sys
env = {{name: value for name, value in os.environ.items() if name.startswith("ANTHROPIC_")}}
print(json.dumps({{"words": sys.argv[1:], "env": env, "pid": os.getpid()}}), flush=True)
if "wait" in sys.argv:
    import time
    time.sleep(30)
sys.exit(int(os.environ.get("CLAUDE_STATUS", "0")))
"""


@pytest.fixture
def claude(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that tells what it was given."""
    program = private_home / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(CLAUDE.format(python=sys.executable))
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def start(*words: str, cwd: Path, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "teamclaude", "run", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*words: str, cwd: Path, **more: str) -> tuple[Any, str, int]:
    """(what claude was given, stderr, exit status)."""
    child = start(*words, cwd=cwd, **more)
    out, err = child.communicate(timeout=30)
    return (json.loads(out) if out else None), err, child.returncode


@pytest.mark.parametrize(
    ("words", "split"),
    [
        ([], ["--"]),
        (["-p", "hi"], ["--", "-p", "hi"]),
        (["--auto", "-p", "--auto"], ["--auto", "--", "-p", "--auto"]),
        (["--account", "a", "--", "--help"], ["--account", "a", "--", "--help"]),
        (
            ["--account=a", "--port=1", "chat", "--account", "b"],
            ["--account=a", "--port=1", "--", "chat", "--account", "b"],
        ),
        (["--", "--", "x"], ["--", "--", "x"]),
        (["--account"], ["--account", "--"]),
    ],
)
def test_the_first_unknown_word_ends_our_options(words: list[str], split: list[str]) -> None:
    assert own_words(words) == split


def test_claude_gets_its_words_and_the_proxy(stub: Stub, claude: Path, tmp_path: Path) -> None:
    given, err, status = run("-p", "two words", "--", "--account", "x", cwd=tmp_path)
    assert given["words"] == ["-p", "two words", "--", "--account", "x"]
    assert given["env"] == {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}",
        "ANTHROPIC_AUTH_TOKEN": KEY,
    }
    assert (err, status) == ("", 0)


def test_a_logged_in_client_stays_in_subscription_mode(
    stub: Stub, claude: Path, private_home: Path, tmp_path: Path
) -> None:
    login = private_home / ".claude" / ".credentials.json"
    login.parent.mkdir()
    login.write_text(CLAUDE_LOGIN)
    given, err, _ = run(
        cwd=tmp_path, ANTHROPIC_CUSTOM_HEADERS="X-Two: 2", ANTHROPIC_API_KEY="sk-ant-api03-FAKE"
    )
    assert given["env"] == {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}",
        "ANTHROPIC_CUSTOM_HEADERS": f"X-Two: 2\nx-teamclaude-key: {KEY}",
    }
    assert err == "teamclaude: claude runs without ANTHROPIC_API_KEY: the accounts of the proxy serve it\n"


def test_an_account_is_named_by_its_beginning(stub: Stub, claude: Path, tmp_path: Path) -> None:
    given, _, _ = run("--account", "ali", cwd=tmp_path)
    assert given["env"]["ANTHROPIC_CUSTOM_HEADERS"] == "x-teamclaude-account: alice@example.com"


def test_an_unknown_account(stub: Stub, claude: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("run", "--account", "carol")
    assert ended.status == 2
    assert "alice@example.com, bob, paid" in ended.err


def test_the_exit_status_is_claudes(stub: Stub, claude: Path, tmp_path: Path) -> None:
    assert run(cwd=tmp_path, CLAUDE_STATUS="7")[2] == 7


def test_signals_reach_claude(stub: Stub, claude: Path, tmp_path: Path) -> None:
    child = start("wait", cwd=tmp_path)
    assert child.stdout is not None
    # exec: claude has the process id that the caller knows.
    assert json.loads(child.stdout.readline())["pid"] == child.pid
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=10)
    assert child.returncode == -signal.SIGTERM


def test_without_claude(stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ended = cli("run")
    assert ended.status == 1
    assert "claude is not on the PATH" in ended.err
    assert ended.err.count("\n") == 1


def test_without_a_server(down: Path, claude: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("run", "-p", "hi")
    assert ended.status == 1
    assert "no proxy answers at http://127.0.0.1:" in ended.err
    assert "teamclaude server" in ended.err
    assert "--auto" in ended.err
    assert ended.err.count("\n") == 1


def test_another_program_on_the_port(stub: Stub, claude: Path, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /health"] = (200, b"<html>")
    ended = cli("run")
    assert ended.status == 1
    assert "another program answers" in ended.err


def test_a_settings_file_with_another_url_is_a_warning(stub: Stub, claude: Path, tmp_path: Path) -> None:
    file = tmp_path / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "https://gateway.example.com"}}))
    given, err, _ = run(cwd=tmp_path)
    assert given is not None
    assert str(file) in err
    assert "https://gateway.example.com" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("url", ["http://localhost:{port}/", "http://127.0.0.1:{port}"])
def test_a_settings_file_with_our_url_is_not(stub: Stub, claude: Path, tmp_path: Path, url: str) -> None:
    file = tmp_path / ".claude" / "settings.local.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": url.format(port=stub.port)}}))
    assert run(cwd=tmp_path)[1] == ""


def test_the_port_of_a_server_elsewhere(stub: Stub, config: Any, claude: Path, tmp_path: Path) -> None:
    config(port=1)
    given, _, _ = run("--port", str(stub.port), cwd=tmp_path)
    assert given["env"]["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{stub.port}"
