"""The openssl program: found or not, failing, hanging."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from teamclaude.errors import ConfigError
from teamclaude.proxy.connect.openssl import CertificateAuthority, find_openssl

HOSTS = ["api.anthropic.com"]
NOW = 1_800_000_000.0
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")


def program(directory: Path, script: str) -> str:
    path = directory / "openssl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("platform", "how"), [("linux", "apt install"), ("darwin", "brew install"), ("win32", "winget install")]
)
def test_a_missing_program_is_one_line_that_says_how_to_get_it(
    platform: str, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=how) as error:
        find_openssl()
    assert "\n" not in str(error.value)


@posix_only
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'Using configuration from x' >&2; echo 'no entropy' >&2; exit 1",
            "ecparam failed: no entropy",
        ),
        ("exit 3", "it says nothing about the reason"),
        ("exit 0", "ecparam failed"),
        ("sleep 30", r"did not end within 0\.2 s"),
    ],
)
def test_a_failing_program_is_one_line(script: str, message: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(ConfigError, match=message) as error:
        CertificateAuthority(HOSTS, NOW, NOW + 1, str(work), program(tmp_path, script), time_limit_sec=0.2)
    assert "\n" not in str(error.value)
    assert list(work.iterdir()) == []


def test_a_program_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be started"):
        CertificateAuthority(HOSTS, NOW, NOW + 1, str(tmp_path), str(tmp_path / "openssl"))


@posix_only
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make certificates")
def test_no_key_is_ever_in_a_file(tmp_path: Path) -> None:
    # After each command, what is in the directory goes into the record.
    real, record, work = shutil.which("openssl"), tmp_path / "record", tmp_path / "work"
    work.mkdir()
    script = f'cat ./* >>{record} 2>/dev/null; {real} "$@"; status=$?; cat ./* >>{record}; exit $status'
    with CertificateAuthority(HOSTS, NOW, NOW + 86400, str(work), program(tmp_path, script)) as authority:
        authority.issue(HOSTS)
    seen = record.read_text()
    assert "BEGIN CERTIFICATE" in seen
    assert "PRIVATE" not in seen


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make certificates")
def test_dates_after_2049(tmp_path: Path) -> None:
    with CertificateAuthority(HOSTS, NOW, 2_600_000_000, str(tmp_path)) as authority:
        assert "BEGIN CERTIFICATE" in authority.certificate


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make certificates")
def test_without_a_standard_input_as_a_file_the_key_is_one_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = find_openssl()
    monkeypatch.setattr(sys, "platform", "win32")
    with CertificateAuthority(HOSTS, NOW, NOW + 86400, str(tmp_path), real) as authority:
        issued = authority.issue(HOSTS)
        assert [path.name for path in tmp_path.rglob("key*")] == []
    assert issued.certificate.startswith("-----BEGIN CERTIFICATE-----")
    assert list(tmp_path.iterdir()) == []
