"""The command `doctor`: what it prints, its exit status, that it changes nothing, and --fix."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.commands import doctor as module
from tests.cli.support import ALICE, KEY, PAID, Ended, Stub, free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
Cli = Callable[..., Ended]
SECRETS = (KEY, str(ALICE["accessToken"]), str(PAID["apiKey"]), "p4ssw0rd")


@pytest.fixture(autouse=True)
def here(private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, and a `claude` that says a version that was tried."""
    program = private_home / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '2.1.332 (Claude Code)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.delenv("TZ", raising=False)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return project


def report(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.out)
    return found


def ids(ended: Ended, least: str = "") -> list[str]:
    levels = {"": ("note", "warning", "error"), "warning": ("warning", "error"), "error": ("error",)}[least]
    return [
        each["id"]
        for group in report(ended)["groups"]
        for each in group["findings"]
        if each["level"] in levels
    ]


def tree(home: Path) -> dict[str, tuple[int, int, int]]:
    """Return what tells of every change below a directory."""
    found = {}
    for path in sorted(home.rglob("*")):
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, seen.st_size, seen.st_mtime_ns)
    return found


def test_an_empty_home(cli: Cli, private_home: Path) -> None:
    before = tree(private_home)
    ended = cli("doctor")
    assert ended.err == ""
    assert "there is no config file" in ended.out
    assert ended.status in (1, 2)
    assert tree(private_home) == before


def test_without_a_home(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEAMCLAUDE_CONFIG", "/nowhere/at/all.json")
    assert "config.missing" in ids(cli("doctor", "--json"))


def test_a_removed_working_directory(cli: Cli, here: Path) -> None:
    here.rmdir()
    assert "doctor.failed" not in ids(cli("doctor", "--json"))


def test_a_server_that_is_down_is_a_warning(cli: Cli, down: Path) -> None:
    ended = cli("doctor", "--json")
    assert "server.down" in ids(ended, "warning")
    assert ended.status == report(ended)["exitStatus"]


def test_nothing_is_changed_and_no_secret_is_shown(
    cli: Cli, config: Callable[..., Path], private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(ALICE, PAID, port=free_port(), tls={"cert": "/no/cert", "key": "/no/key"}, forward=True)
    path.chmod(0o644)
    settings = private_home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(
        '{"env": {"ANTHROPIC_BASE_URL": "http://me:p4ssw0rd@127.0.0.1:9", "HTTPS_PROXY": "x"}}'
    )
    monkeypatch.setenv("https_proxy", "http://me:p4ssw0rd@corp:3128")
    monkeypatch.setenv("ANTHROPIC_API_KEY", str(PAID["apiKey"]))
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(settings))
    before = tree(private_home)
    plain, as_json = cli("doctor"), cli("doctor", "--json")
    assert tree(private_home) == before
    for text in (plain.out, plain.err, as_json.out, as_json.err):
        assert [secret for secret in SECRETS if secret in text] == []
    assert plain.status == as_json.status == 2
    assert {"config.mode", "certificates.tls", "certificates.not-made"} <= set(ids(as_json))


@pytest.mark.parametrize("kind", ["fifo", "directory", "loop", "zero", "binary", "deep"])
def test_whatever_is_in_the_config_files_place(cli: Cli, private_home: Path, kind: str) -> None:
    path = private_home / ".config" / "teamclaude.json"
    path.parent.mkdir(mode=0o700)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(os.urandom(5000) if kind == "binary" else b'{"a":' * 50_000)
    ended = cli("doctor", "--json")
    assert ended.status == 2
    assert ids(ended, "error")[0] in ("config.unreadable", "config.invalid")
    assert not [each for each in ids(ended) if each.startswith("doctor.")]


def test_quiet_leaves_notes_out(cli: Cli, down: Path) -> None:
    assert " note " in cli("doctor").out
    assert " note " not in cli("doctor", "-q").out


# --- --online ---------------------------------------------------------------------------------------


def test_the_api_is_asked_with_online_alone(cli: Cli, down: Path) -> None:
    api = Stub()
    try:
        raw = {**json.loads(down.read_text()), "upstream": f"http://127.0.0.1:{api.port}"}
        down.write_text(json.dumps(raw))
        assert "machine.not-asked" in ids(cli("doctor", "--json"))
        assert api.asked == []
        # The stub knows no HEAD and answers 501, with its date.
        found = ids(cli("doctor", "--json", "--online"))
        assert not {"machine.not-asked", "machine.clock", "machine.api-unreachable"} & set(found)
    finally:
        api.stop()
    assert "machine.api-unreachable" in ids(cli("doctor", "--json", "--online"), "error")


# --- --url ------------------------------------------------------------------------------------------


def test_a_server_elsewhere_needs_no_config(
    cli: Cli, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub()
    stub.answers["GET /teamclaude/caller"] = (200, {"role": "client", "name": "ci"})
    monkeypatch.setenv("TEAMCLAUDE_KEY", KEY)
    before = tree(private_home)
    try:
        ended = cli("doctor", "--json", "--url", f"http://127.0.0.1:{stub.port}")
    finally:
        stub.stop()
    assert [group["name"] for group in report(ended)["groups"]] == ["python", "program", "server", "claude"]
    assert "as client" in report(ended)["groups"][2]["summary"]
    assert KEY not in ended.out
    assert tree(private_home) == before


def test_a_server_elsewhere_that_is_down(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAMCLAUDE_KEY", KEY)
    monkeypatch.setenv("TEAMCLAUDE_URL", f"http://127.0.0.1:{free_port()}")
    ended = cli("doctor", "--json")
    assert (ended.status, "remote.unreachable" in ids(ended)) == (2, True)


# --- --fix ------------------------------------------------------------------------------------------


def test_fix_mends_what_is_agreed_to(cli: Cli, down: Path) -> None:
    down.chmod(0o644)
    left = down.parent / f".{down.name}.abc.tmp"
    left.write_text("x")
    os.utime(left, (1, 1))
    ended = cli("doctor", "--fix", "--yes", "--json")
    assert report(ended)["fixed"] == [f"chmod 600 {down}", f"rm {left}"]
    assert not {"config.mode", "records.temporary"} & set(ids(ended))
    assert stat.S_IMODE(down.stat().st_mode) == 0o600
    assert not left.exists()


def test_fix_asks_before_each_step(cli: Cli, down: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    down.chmod(0o644)
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr(module, "is_interactive", lambda: True)
    monkeypatch.setattr(module, "confirm", no)
    assert cli("doctor", "--fix").status in (1, 2)
    assert asked == [f"chmod 600 {down}?"]
    assert stat.S_IMODE(down.stat().st_mode) == 0o644


def test_fix_without_anybody_to_ask(cli: Cli, down: Path) -> None:
    ended = cli("doctor", "--fix")
    assert (ended.status, ended.out) == (2, "")
    assert "add --yes" in ended.err
    assert cli("doctor", "--yes").status == 2


def test_a_fix_that_fails_is_a_line(cli: Cli, down: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chmod(path: str, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    down.chmod(0o644)
    monkeypatch.setattr("teamclaude.cli.doctor.repair.os.chmod", chmod)
    ended = cli("doctor", "--fix", "--yes")
    assert ended.err == f"teamclaude: {down}: Operation not permitted\n"


def test_fix_runs_a_command_of_ours(cli: Cli, down: Path, private_home: Path) -> None:
    settings = private_home / ".claude" / "settings.json"
    assert cli("setup", "claude", "--write").status == 0
    raw = json.loads(down.read_text())
    raw["proxy"]["port"] = free_port()
    down.write_text(json.dumps(raw))
    assert "claude.base-url" in ids(cli("doctor", "--json"))
    assert report(cli("doctor", "--fix", "--yes", "--json"))["fixed"] == ["teamclaude setup claude --write"]
    assert f":{raw['proxy']['port']}" in settings.read_text()
    assert "claude.base-url" not in ids(cli("doctor", "--json"))


def test_fix_restarts_a_server_of_another_version(cli: Cli, stub: Stub) -> None:
    stub.answers["GET /teamclaude/status"] = (200, {"system": {"version": "0.0.1"}})
    stub.answers["POST /teamclaude/restart"] = (200, {"pid": 7, "version": "0.0.2"})
    ended = cli("doctor", "--fix", "--yes", "--port", str(stub.port))
    assert f"done: teamclaude restart --port {stub.port}" in ended.err.splitlines()
    assert "POST /teamclaude/restart" in stub.paths
    stub.answers["POST /teamclaude/restart"] = (500, {"error": {"message": "the new program can't start"}})
    ended = cli("doctor", "--fix", "--yes", "--json")
    assert "the server goes on as before: the new program can't start" in ended.err
    assert report(ended)["fixed"] == []
