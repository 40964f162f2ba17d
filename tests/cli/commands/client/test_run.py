"""`teamclaude run`: the words, the environment and the exit status that claude gets and gives."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.claude_code.settings_files import MANAGED
from teamclaude.cli.commands.client import run as client_run
from teamclaude.cli.commands.client.run import own_words, report_findings
from teamclaude.cli.launch.wiring import Finding, Reach
from teamclaude.errors import TeamClaudeError
from tests.cli.commands.client.stand_in import Run, run_really, settings_of, start
from tests.cli.support import CLAUDE_LOGIN, KEY, Ended, Stub

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for claude is a script")


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
        (["--first-party", "--check", "--force", "-p"], ["--first-party", "--check", "--force", "--", "-p"]),
    ],
)
def test_the_first_unknown_word_ends_our_options(words: list[str], split: list[str]) -> None:
    assert own_words(words) == split


def test_claude_gets_its_words_and_the_proxy(stub: Stub, claude: Path, tmp_path: Path) -> None:
    given, err, status = run_really("-p", "two words", "--", "--account", "x", cwd=tmp_path)
    assert given["words"][0] == "--settings"
    assert given["words"][2:] == ["-p", "two words", "--", "--account", "x"]
    assert given["env"] == {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}",
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_CUSTOM_HEADERS": f"x-teamclaude-project: {tmp_path}",
    }
    assert (err, status) == ("", 0)


def test_a_logged_in_client_stays_in_subscription_mode(
    stub: Stub, claude: Path, run: Run, private_home: Path, tmp_path: Path
) -> None:
    login = private_home / ".claude" / ".credentials.json"
    login.parent.mkdir()
    login.write_text(CLAUDE_LOGIN)
    given, err, _ = run(
        cwd=tmp_path, ANTHROPIC_CUSTOM_HEADERS="X-Two: 2", ANTHROPIC_API_KEY="sk-ant-api03-FAKE"
    )
    assert given["env"] == {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}",
        "ANTHROPIC_CUSTOM_HEADERS": f"X-Two: 2\nx-teamclaude-key: {KEY}\nx-teamclaude-project: {tmp_path}",
    }
    assert err == "teamclaude: claude runs without ANTHROPIC_API_KEY: the accounts of the proxy serve it\n"


def test_an_account_is_named_by_its_beginning(stub: Stub, claude: Path, run: Run, tmp_path: Path) -> None:
    given, _, _ = run("--account", "ali", cwd=tmp_path)
    headers = f"x-teamclaude-account: alice@example.com\nx-teamclaude-project: {tmp_path}"
    assert given["env"]["ANTHROPIC_CUSTOM_HEADERS"] == headers


def test_a_disabled_account_is_said(
    stub: Stub, claude: Path, run: Run, private_home: Path, tmp_path: Path
) -> None:
    path = private_home / ".config" / "teamclaude.json"
    path.write_text(path.read_text().replace('"name": "bob"', '"name": "bob", "disabled": true'))
    given, err, _ = run("--account", "bob", cwd=tmp_path)
    assert "x-teamclaude-account: bob" in given["env"]["ANTHROPIC_CUSTOM_HEADERS"]
    assert err == "teamclaude: bob is disabled, nothing will be served: teamclaude enable bob\n"


def test_an_unknown_account(stub: Stub, claude: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("run", "--account", "carol")
    assert ended.status == 2
    assert "alice@example.com, bob, paid" in ended.err


def test_the_exit_status_is_claudes(stub: Stub, claude: Path, tmp_path: Path) -> None:
    assert run_really(cwd=tmp_path, CLAUDE_STATUS="7")[2] == 7


def test_signals_reach_claude(stub: Stub, claude: Path, tmp_path: Path) -> None:
    child = start("wait", cwd=tmp_path)
    assert child.stdout is not None
    # exec: claude has the process id that the caller knows.
    assert json.loads(child.stdout.readline())["pid"] == child.pid
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=60)
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


def test_a_settings_file_with_another_url_is_beaten_and_told(
    stub: Stub, claude: Path, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "https://gateway.example.com"}}))
    given, err, _ = run(cwd=tmp_path)
    assert settings_of(given)["env"]["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{stub.port}"
    assert err == f"teamclaude: claude runs without ANTHROPIC_BASE_URL of {file}: it uses the proxy\n"


@pytest.mark.parametrize("url", ["http://localhost:{port}/", "http://127.0.0.1:{port}"])
def test_a_settings_file_with_our_url_is_not(
    stub: Stub, claude: Path, run: Run, tmp_path: Path, url: str
) -> None:
    file = tmp_path / ".claude" / "settings.local.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": url.format(port=stub.port)}}))
    assert run(cwd=tmp_path)[1] == ""


def test_the_port_of_a_server_elsewhere(
    stub: Stub, config: Any, claude: Path, run: Run, tmp_path: Path
) -> None:
    config(port=1)
    given, _, _ = run("--port", str(stub.port), cwd=tmp_path)
    assert given["env"]["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{stub.port}"


# --- settings -------------------------------------------------------------------------------------------


def test_the_settings_say_the_same_as_the_environment(
    stub: Stub, claude: Path, run: Run, private_home: Path, tmp_path: Path
) -> None:
    given, _, _ = run("-p", "hi", cwd=tmp_path, NO_PROXY="intra.example")
    url = f"http://127.0.0.1:{stub.port}"
    assert settings_of(given) == {
        "env": {
            "NO_PROXY": "intra.example,127.0.0.1",
            "no_proxy": "intra.example,127.0.0.1",
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": KEY,
            "ANTHROPIC_CUSTOM_HEADERS": f"x-teamclaude-project: {tmp_path}",
        }
    }
    file = Path(given["words"][1])
    assert file.parent == private_home / ".config" / "teamclaude.run"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not any(KEY in word for word in given["words"]), "other users can read the words of a process"


@pytest.mark.parametrize("form", ["file", "text", "with ="])
def test_the_users_settings_are_merged(stub: Stub, claude: Path, run: Run, tmp_path: Path, form: str) -> None:
    theirs = {"model": "opus", "env": {"MINE": "1", "ANTHROPIC_CUSTOM_HEADERS": "x-team: red"}}
    (tmp_path / "s.json").write_text("\ufeff" + json.dumps(theirs), "utf-8")
    words = {
        "file": ["--settings", "s.json"],
        "text": ["--settings", json.dumps(theirs)],
        "with =": [f"--settings={json.dumps(theirs)}"],
    }
    given, err, _ = run("-p", *words[form], "--account", "bob", "hi", cwd=tmp_path)
    assert given["words"][2:] == ["-p", "--account", "bob", "hi"]
    settings = settings_of(given)
    assert (settings["model"], settings["env"]["MINE"]) == ("opus", "1")
    assert settings["env"]["ANTHROPIC_AUTH_TOKEN"] == KEY
    assert settings["env"]["ANTHROPIC_CUSTOM_HEADERS"] == f"x-team: red\nx-teamclaude-project: {tmp_path}"
    assert err == ""


@pytest.mark.parametrize("value", ["missing.json", "{broken}", "broken.json"])
def test_broken_settings_of_the_user_are_told_and_start_nothing(
    stub: Stub, claude: Path, run: Run, tmp_path: Path, value: str
) -> None:
    (tmp_path / "broken.json").write_text("// no JSON\n{}")
    given, err, status = run("-p", "--settings", value, cwd=tmp_path)
    assert (given, status) == (None, 2)
    assert err.startswith("teamclaude: --settings: ")
    assert "claude would not take it" in err


def test_a_command_that_takes_no_settings_gets_none(
    stub: Stub, claude: Path, run: Run, tmp_path: Path
) -> None:
    given, err, _ = run("daemon", "status", cwd=tmp_path)
    assert given["words"] == ["daemon", "status"]
    assert given["env"]["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{stub.port}"
    assert err == ""


def test_a_command_is_started_also_where_a_file_leads_elsewhere(
    stub: Stub, claude: Path, run: Run, private_home: Path, tmp_path: Path
) -> None:
    elsewhere(private_home)
    given, err, _ = run("doctor", cwd=tmp_path)
    assert given["words"] == ["doctor"]
    assert "gateway.example" in err


def elsewhere(home: Path) -> None:
    """Have the user's settings lead to another server."""
    file = home / ".claude" / "settings.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text('{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}')


def test_a_provider_is_taken_away_and_told(stub: Stub, claude: Path, run: Run, tmp_path: Path) -> None:
    given, err, _ = run("-p", cwd=tmp_path, CLAUDE_CODE_USE_BEDROCK="1")
    assert given is not None
    assert (
        err == "teamclaude: claude runs without CLAUDE_CODE_USE_BEDROCK: the accounts of the proxy serve it\n"
    )


def test_where_nothing_can_be_written_beside_the_config_file_the_settings_are_elsewhere(
    stub: Stub, claude: Path, run: Run, private_home: Path, tmp_path: Path
) -> None:
    in_the_way = private_home / ".config" / "teamclaude.run"
    in_the_way.write_text("a file")
    given, err, _ = run("-p", cwd=tmp_path, TMPDIR=str(tmp_path))
    assert given is not None
    file = Path(given["words"][given["words"].index("--settings") + 1])
    assert file.parent.parent.parent == tmp_path
    assert json.loads(file.read_text())["env"]["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{stub.port}"
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(in_the_way) in err
    assert f"claude's settings are in {file.parent}, only as long as that is there\n" in err
    assert err.count("\n") == 1


def test_settings_that_can_be_written_nowhere_are_one_line(
    private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**asked: str) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", "/tmp")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(TeamClaudeError, match="claude's settings can't be written: why; ") as error:
        client_run._temporary_settings(private_home / "teamclaude.json", {}, "why")
    assert "\n" not in str(error.value)


class Stopping:
    """A plan with a finding that stops."""

    def __init__(self, reach: Reach) -> None:
        self.findings = [Finding("first, but harmless"), Finding("claude goes elsewhere", stops=True)]
        self.reach = reach


@pytest.mark.parametrize(
    ("reach", "force", "stops"),
    [(Reach.SETTINGS, False, True), (Reach.SETTINGS, True, False), (Reach.PROCESS, False, False)],
)
def test_what_leads_past_the_proxy_stops_a_conversation_unless_forced(
    capsys: pytest.CaptureFixture[str], reach: Reach, force: bool, stops: bool
) -> None:
    plan: Any = Stopping(reach)
    if stops:
        with pytest.raises(TeamClaudeError, match=r"^claude goes elsewhere \(--force starts it"):
            report_findings(plan, force)
    else:
        report_findings(plan, force)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["teamclaude: first, but harmless", "teamclaude: claude goes elsewhere"][: 2 - stops]


# --- first-party mode -----------------------------------------------------------------------------------


def test_first_party_needs_the_setting(stub: Stub, claude: Path, run: Run, tmp_path: Path) -> None:
    given, err, status = run("--first-party", "-p", cwd=tmp_path)
    assert (given, status) == (None, 1)
    assert '"forward": true under "proxy" in' in err
    assert err.count("\n") == 1


def test_first_party_needs_the_apis_host(
    stub: Stub, config: Any, claude: Path, run: Run, tmp_path: Path
) -> None:
    config(port=stub.port, forward=True, forwardHosts=["api.example.com"])
    _, err, status = run("--first-party", "-p", cwd=tmp_path)
    assert status == 1
    assert "forwardHosts lacks api.anthropic.com" in err


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, which makes the certificates")
def test_a_first_party_client(
    stub: Stub, config: Any, claude: Path, private_home: Path, tmp_path: Path
) -> None:
    file = config(port=stub.port, forward=True)
    given, err, _ = run_really(
        *("--first-party", "-p"),
        cwd=tmp_path,
        NO_PROXY="api.anthropic.com,intra.example",
        ANTHROPIC_BASE_URL="http://127.0.0.1:1",
    )
    assert given["env"] == {"ANTHROPIC_AUTH_TOKEN": KEY}
    variables = settings_of(given)["env"]
    proxy = f"http://teamclaude:{KEY}@127.0.0.1:{stub.port}"
    assert variables == {
        "ANTHROPIC_BASE_URL": "https://api.anthropic.com",
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NODE_EXTRA_CA_CERTS": str(file.with_name("teamclaude.tls") / "ca.pem"),
        "NO_PROXY": "intra.example",
        "no_proxy": "intra.example",
    }
    assert Path(variables["NODE_EXTRA_CA_CERTS"]).exists()
    assert err.splitlines() == [
        "teamclaude: claude runs without ANTHROPIC_BASE_URL: it keeps https://api.anthropic.com",
        "teamclaude: claude runs without api.anthropic.com in NO_PROXY, which would lead it past the proxy",
    ]


def test_managed_settings_that_lead_elsewhere_start_nothing(
    stub: Stub, claude: Path, cli: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed = tmp_path / "managed-settings.json"
    managed.write_text(json.dumps({"env": {"CLAUDE_CODE_USE_BEDROCK": "1"}}))
    for platform in ("linux", "darwin"):
        monkeypatch.setitem(MANAGED, platform, str(tmp_path))
    ended = cli("run", "-p", "hi")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        f"teamclaude: {managed} sets CLAUDE_CODE_USE_BEDROCK: claude will not use the proxy; "
        "only who manages this machine can change that (--force starts it all the same; "
        "teamclaude doctor says more)\n"
    )
    checked = cli("run", "--check")
    assert checked.status == 1
    assert f"{managed}: sets CLAUDE_CODE_USE_BEDROCK" in checked.out
