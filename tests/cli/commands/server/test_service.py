"""`teamclaude service`; programs in the place of systemctl and launchctl note what they are told."""

from __future__ import annotations

import json
import os
import plistlib
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from teamclaude.accounts.config.state_place import state_place
from teamclaude.cli.commands.server import service as service_module
from tests.cli.support import ALICE, Ended, free_port

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake programs are shell scripts")
Cli = Callable[..., Ended]

SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$TOLD"
state='LoadState=loaded\\nSubState=running\\nUnitFileState=enabled\\nMainPID=7\\nStatusText=all is = well\\n'
no_bus="Failed to connect to bus: No medium found"
case "$*" in
*--property=UnitPath*) echo "$HOME/.config/systemd/user /etc/systemd/user" ;;
*--property=Version*) [ -z "$BROKEN" ] || { echo "$no_bus" >&2; exit 1; } ;;
*"enable --now"*) [ -z "$FAILS" ] || { echo "Job for x failed." >&2; echo "See y" >&2; exit 1; } ;;
*"show teamclaude"*) printf "$state"; echo "ActiveState=${ACTIVE:-active}" ;;
esac
"""
JOURNALCTL = "#!/bin/sh\necho 'teamclaude: the last line'\n"
LAUNCHCTL = """#!/bin/sh
echo "$*" >> "$TOLD"
case "$*" in
*/teamclaude.server) [ "$1" != print ] || printf '\\tstate = running\\n\\tpid = 7\\n' ;;
esac
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Put the programs on the PATH; return what changes anything that they were told."""
    programs = {
        "systemctl": SYSTEMCTL,
        "journalctl": JOURNALCTL,
        "launchctl": LAUNCHCTL,
        "loginctl": "#!/bin/sh\n",
    }
    place = tmp_path / "programs"
    place.mkdir()
    for name, text in programs.items():
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    for variable in (
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "XDG_CONFIG_HOME",
        "BROKEN",
        "FAILS",
        "ACTIVE",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    monkeypatch.setattr("sys.platform", "linux")

    def read() -> list[str]:
        lines = (tmp_path / "told").read_text().splitlines() if (tmp_path / "told").exists() else []
        return [line for line in lines if " show" not in line and not line.startswith("print ")]

    return read


def units(home: Path) -> list[str]:
    place = home / ".config" / "systemd" / "user"
    return sorted(file.name for file in place.iterdir()) if place.exists() else []


BOTH = ["teamclaude.service", "teamclaude.socket"]


def test_print_shows_the_files_and_changes_nothing(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], private_home: Path
) -> None:
    file = config(ALICE, port=3999)
    ended = cli("service", "print")
    assert ended.status == 0
    assert "ListenStream=127.0.0.1:3999\nListenStream=[::1]:3999\n" in ended.out
    assert f"Environment=TEAMCLAUDE_CONFIG={file}\n" in ended.out
    assert plistlib.loads(cli("service", "print", "--launchd").out.encode())["Label"] == "teamclaude.server"
    assert (told(), units(private_home)) == ([], [])


@pytest.mark.parametrize("action", ["print", "install", "uninstall"])
def test_only_status_has_json(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], private_home: Path, action: str
) -> None:
    config(ALICE, port=3999)
    ended = cli("service", action, "--json")
    assert (ended.status, ended.out) == (2, "")
    assert "service status" in ended.err
    assert (told(), units(private_home)) == ([], [])


def test_install_and_uninstall(
    cli: Cli,
    config: Callable[..., Path],
    told: Callable[[], list[str]],
    private_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config(ALICE, port=free_port())
    monkeypatch.setenv("ACTIVE", "inactive")
    ended = cli("service", "install")
    assert ended.status == 0
    assert told() == ["--user daemon-reload", "--user enable --now teamclaude.socket teamclaude.service"]
    assert "  systemctl --user daemon-reload\n" in ended.out
    assert "loginctl enable-linger" in ended.out
    assert "in force after" not in ended.out
    assert units(private_home) == BOTH

    monkeypatch.delenv("ACTIVE")
    assert "unchanged: " in cli("service", "install").out
    config(ALICE, port=free_port())
    assert cli("service", "status").status == 1
    ended = cli("service", "install")
    assert "in force after: systemctl --user restart teamclaude.socket teamclaude.service" in ended.out

    assert cli("service", "uninstall").status == 0
    assert told()[-2:] == [
        "--user disable --now teamclaude.service teamclaude.socket",
        "--user daemon-reload",
    ]
    assert units(private_home) == []
    assert cli("service", "uninstall").out == "teamclaude: nothing is installed\n"


def test_status_is_for_people_and_for_programs(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], private_home: Path
) -> None:
    config(ALICE, port=free_port())
    ended = cli("service", "status")
    assert ended.status == 1
    assert "teamclaude.service: absent" in ended.out
    cli("service", "install")
    ended = cli("service", "status")
    assert ended.status == 0
    assert "teamclaude.service: enabled, active (running), process 7: all is = well\n" in ended.out
    assert "last line: teamclaude: the last line\n" in ended.out
    found = json.loads(cli("service", "status", "--json").out)
    assert found["schema"] == 1
    assert [each["state"] for each in found["files"]] == ["current", "current"]
    assert found["units"][0] == {
        "name": "teamclaude.service",
        "active": True,
        "text": "enabled, active (running), process 7: all is = well",
    }
    assert (found["problem"], found["lastLine"]) == (None, "teamclaude: the last line")


def test_a_port_in_use_is_told_before_the_start(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIVE", "inactive")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config(ALICE, port=port)
        ended = cli("service", "install")
    assert ended.status == 1
    assert f"127.0.0.1 port {port} is in use" in ended.err
    assert told() == []


def test_a_start_that_fails_says_why(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    config(ALICE, port=free_port())
    monkeypatch.setenv("FAILS", "1")
    ended = cli("service", "install")
    assert ended.status == 1
    assert ended.err.endswith("Job for x failed. (teamclaude: the last line)\n")
    assert ended.err.count("\n") == 1


def test_without_a_bus_the_files_are_written_and_the_commands_shown(
    cli: Cli,
    config: Callable[..., Path],
    told: Callable[[], list[str]],
    private_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config(ALICE, port=free_port())
    monkeypatch.setenv("BROKEN", "1")
    ended = cli("service", "install")
    assert ended.status == 0
    assert "not started: Failed to connect to bus: No medium found. Where it runs:\n" in ended.out
    assert "  systemctl --user enable --now teamclaude.socket teamclaude.service\n" in ended.out
    assert units(private_home) == BOTH
    assert "can't be asked: Failed to connect to bus" in cli("service", "status").out
    assert "was not told (Failed to connect to bus" in cli("service", "uninstall").err
    assert (units(private_home), told()) == ([], [])


def test_without_systemd_nothing_is_written_unless_it_is_named(
    cli: Cli,
    config: Callable[..., Path],
    told: Callable[[], list[str]],
    private_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    config(ALICE, port=free_port())
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    ended = cli("service", "install")
    assert (ended.status, units(private_home)) == (1, [])
    assert "there is no service manager here (systemctl is not installed)" in ended.err
    assert cli("service", "install", "--systemd").status == 0
    assert units(private_home) == BOTH


def test_a_file_of_somebody_else_is_neither_replaced_nor_removed(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], private_home: Path
) -> None:
    config(ALICE, port=free_port())
    place = private_home / ".config" / "systemd" / "user"
    place.mkdir(parents=True)
    (place / "teamclaude.service").write_text("[Unit]\n")
    for action in ("install", "uninstall"):
        ended = cli("service", action, "--force")
        assert ended.status == 1
        assert "was not written by teamclaude" in ended.err
    assert (units(private_home), told()) == (["teamclaude.service"], [])
    assert cli("service", "install", "--name", "second").status == 0


def test_an_edited_file_needs_force(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], private_home: Path
) -> None:
    config(ALICE, port=free_port())
    cli("service", "install")
    file = private_home / ".config" / "systemd" / "user" / "teamclaude.service"
    file.write_text(file.read_text() + "Environment=X=1\n")
    assert "edited since it was installed" in cli("service", "status").out
    for action in ("install", "uninstall"):
        assert "--force" in cli("service", action).err
    assert cli("service", "uninstall", "--force").status == 0
    assert units(private_home) == []


def test_uninstall_works_with_a_broken_config_file(
    cli: Cli, config: Callable[..., Path], told: Callable[[], list[str]], private_home: Path
) -> None:
    file = config(ALICE, port=free_port())
    cli("service", "install")
    file.write_text("{")
    assert cli("service", "status").status == 1
    assert cli("service", "uninstall").status == 0
    assert units(private_home) == []


def test_launchd(
    cli: Cli,
    config: Callable[..., Path],
    told: Callable[[], list[str]],
    private_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = config(ALICE, port=free_port())
    monkeypatch.setattr("sys.platform", "darwin")
    plist = private_home / "Library" / "LaunchAgents" / "teamclaude.server.plist"
    assert cli("service", "install").status == 0
    assert told() == [f"bootstrap gui/{os.getuid()} {plist}"]
    assert plistlib.loads(plist.read_bytes())["EnvironmentVariables"]["TEAMCLAUDE_CONFIG"] == str(file)
    log = state_place(file, "server.log")
    log.write_text("first\nteamclaude: the last one\n")
    ended = cli("service", "status")
    assert ended.status == 0
    assert "teamclaude.server: running, process 7\nlast line: teamclaude: the last one\n" in ended.out
    assert cli("service", "uninstall").status == 0
    assert told()[-1] == f"bootout gui/{os.getuid()}/teamclaude.server"
    assert not plist.exists()


def test_another_system_is_told(
    cli: Cli, told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # In this module alone: with it shutil.which would look for Windows.
    monkeypatch.setattr(service_module, "sys", SimpleNamespace(platform="win32"))
    assert cli("service", "install").err.startswith("teamclaude: no service manager is known here")
    assert cli("service", "print", "--systemd").status == 0
