"""The units: their quoting, their addresses, and what the real systemd-analyze says of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.service.spec import ServiceSpec
from teamclaude.cli.service.systemd_units import unit_texts

ODD = '/it\'s 100% a "dir"/$HOME/ünï;cödé\\x/python3'


def spec(**given: Any) -> ServiceSpec:
    values = {
        "name": "teamclaude",
        "command": ("/usr/bin/python3", "/opt/teamclaude/__main__.py", "server"),
        "environment": {"TEAMCLAUDE_CONFIG": "/home/ann/.config/teamclaude.json"},
        "addresses": (("127.0.0.1", 3456), ("::1", 3456)),
        "drain_sec": 30.5,
        "log": Path("/x/log"),
    }
    return ServiceSpec(**{**values, **given})


def lines(file: str, **given: Any) -> list[str]:
    return unit_texts(spec(**given))[file].splitlines()


def test_plain_words_stay_as_they_are() -> None:
    service = lines("teamclaude.service")
    assert "ExecStart=/usr/bin/python3 /opt/teamclaude/__main__.py server" in service
    assert "Environment=TEAMCLAUDE_CONFIG=/home/ann/.config/teamclaude.json" in service
    assert "TimeoutStopSec=91" in service


def test_odd_words_are_quoted() -> None:
    service = lines("teamclaude.service", command=(ODD, "a b", "%h", ""), environment={"A": '$x %n "q"'})
    quoted = '"/it\'s 100%% a \\"dir\\"/$HOME/ünï;cödé\\\\x/python3"'
    assert f'ExecStart=:/bin/sh -c "exec \\"$0\\" \\"$@\\"" {quoted} "a b" "%%h" ""' in service
    assert 'Environment="A=$x %%n \\"q\\""' in service


def test_each_address_has_its_line_and_each_unit_the_name() -> None:
    socket = lines("mine.socket", name="mine", addresses=(("10.0.0.5", 80), ("fe80::1", 81)))
    assert [line for line in socket if line.startswith("Listen")] == [
        "ListenStream=10.0.0.5:80",
        "ListenStream=[fe80::1]:81",
    ]
    service = lines("mine.service", name="mine")
    assert {"Requires=mine.socket", "After=mine.socket", "Also=mine.socket"} <= set(service)


def verify(directory: Path, **given: Any) -> str:
    """Return what systemd-analyze complains of."""
    for name, text in unit_texts(spec(**given)).items():
        (directory / name).write_text(text, "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", str(directory / "teamclaude.service")],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "SYSTEMD_LOG_LEVEL": "warning",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr + (f"exit status {done.returncode}" if done.returncode else "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("folder", ["bin", 'it\'s 100% a "dir" $HOME ünï;cödé\\x'])
def test_systemd_finds_nothing_to_complain_of(tmp_path: Path, folder: str) -> None:
    program = tmp_path / folder / "python3"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environment = {"TEAMCLAUDE_CONFIG": str(tmp_path / folder / "teamclaude.json")}
    assert verify(tmp_path, command=(str(program), "a b", "$x", "%h"), environment=environment) == ""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_would_complain_of_a_program_that_is_not_there(tmp_path: Path) -> None:
    assert "python3 is not executable" in verify(tmp_path, command=(str(tmp_path / "python3"),))
