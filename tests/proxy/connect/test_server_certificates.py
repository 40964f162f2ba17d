"""A running server renews its certificates, and notices that the files are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from teamclaude.errors import ConfigError
from teamclaude.proxy.connect import server_certificates as module
from teamclaude.proxy.connect.certificates import ensure_certificates
from teamclaude.proxy.connect.server_certificates import ServerCertificates
from tests.proxy.connect.made_once import really_make

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")

DAY = 86400.0
HOSTS = ("api.anthropic.com",)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def served(tmp_path: Path, clock: Clock, lines: list[str], made_once: None) -> ServerCertificates:
    return ServerCertificates(tmp_path / "x.tls", HOSTS, clock, lines.append)


def test_the_context_stays_while_nothing_changes(
    served: ServerCertificates, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served.context
    clock.now += DAY  # looks at the files, finds nothing to do
    served.check()
    monkeypatch.setattr(module, "ensure_certificates", None)  # not called
    clock.now += DAY - 1
    served.check()
    served.check(HOSTS)
    assert served.context is before


def test_the_next_generation_is_served_without_a_restart(
    served: ServerCertificates, clock: Clock, lines: list[str]
) -> None:
    before = served.context
    clock.now += 340 * DAY
    served.check()
    assert served.context is before
    assert served.certificates.ca_file.read_text().count("BEGIN") == 2
    clock.now += 50 * DAY
    served.check()
    assert served.context is not before
    assert lines == []


def test_files_that_were_deleted_or_replaced_are_noticed(
    served: ServerCertificates, clock: Clock, tmp_path: Path
) -> None:
    before = served.certificates
    shutil.rmtree(tmp_path / "x.tls")
    made = ensure_certificates(tmp_path / "x.tls", HOSTS, clock.now)  # by another command
    served.check()
    assert served.certificates == made != before


def test_other_hosts_are_served_at_once(served: ServerCertificates) -> None:
    served.check((*HOSTS, "other.example"))
    assert [host for host, _ in served.certificates.served] == ["api.anthropic.com", "other.example"]


def test_a_clock_that_goes_back_is_noticed(served: ServerCertificates, clock: Clock) -> None:
    before = served.certificates
    clock.now -= 3 * DAY
    served.check()
    assert served.certificates != before


def test_a_failure_is_said_once_and_tried_again_within_the_hour(
    served: ServerCertificates, clock: Clock, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served.context

    def fail(*arguments: object, **more: object) -> None:
        raise ConfigError("openssl is gone")

    monkeypatch.setattr(module, "ensure_certificates", fail)
    clock.now += 340 * DAY
    served.check()
    clock.now += 3600
    served.check()
    assert lines == ["openssl is gone"]
    assert served.context is before
    monkeypatch.setattr(module, "ensure_certificates", ensure_certificates)
    served.check()  # not yet
    assert served.certificates.ca_file.read_text().count("BEGIN") == 1
    clock.now += 3600
    served.check()
    assert served.certificates.ca_file.read_text().count("BEGIN") == 2


def test_a_server_does_not_start_without_certificates(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "x.tls").write_text("a file")
    with pytest.raises(ConfigError):
        ServerCertificates(tmp_path / "x.tls", HOSTS, clock)


def test_a_server_starts_without_openssl_while_its_certificate_is_valid(
    served: ServerCertificates,
    tmp_path: Path,
    clock: Clock,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock.now += 340 * DAY
    with monkeypatch.context() as changed:
        changed.setenv("PATH", str(tmp_path))
        changed.setattr("teamclaude.proxy.connect.certificates._make_generation", really_make)
        again = ServerCertificates(tmp_path / "x.tls", HOSTS, clock, lines.append)
        clock.now += 3600
        again.check()
    assert again.certificates == served.certificates
    assert len(lines) == 1
    assert "needs the openssl program" in lines[0]
    clock.now += 3600
    again.check()
    assert again.certificates.ca_file.read_text().count("BEGIN") == 2
