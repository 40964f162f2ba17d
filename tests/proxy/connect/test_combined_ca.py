"""A client with authorities of its own gets a file with both, which follows ours."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import Optional

import pytest

from teamclaude.errors import ConfigError
from teamclaude.proxy.connect.certificates import Certificates, ensure_certificates, server_context
from teamclaude.proxy.connect.combined_ca import combined_ca_file, combined_ca_path
from tests.proxy.connect.handshakes import client_of, handshake

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")

DAY = 86400.0
NOW = 1_800_000_000.0
HOSTS = ["api.anthropic.com"]


class Company:
    """A company's authority in a file, and what the proxy makes of it."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "teamclaude.tls"
        self.ours = ensure_certificates(self.directory, HOSTS, NOW)
        self.made = ensure_certificates(home / "company.tls", ["proxy.example"], NOW)
        self.file = home / "company, \N{SNOWMAN}.pem"
        self.file.write_text("# of the company\n" + self.made.ca_file.read_text().rstrip())
        self.both = combined_ca_file(self.ours.ca_file, self.file)

    def is_trusted(self, made: Certificates, name: str) -> bool:
        try:
            handshake(server_context(made), client_of(Certificates(self.both, ())), name)
        except ssl.SSLCertVerificationError:
            return False
        return True


@pytest.fixture
def company(tmp_path: Path, made_once: None) -> Company:
    return Company(tmp_path)


def test_both_are_trusted(company: Company) -> None:
    assert company.both == combined_ca_file(company.ours.ca_file, company.file)
    assert company.both == combined_ca_path(company.ours.ca_file, company.file)
    assert company.both.stat().st_mode & 0o777 == 0o600
    assert company.is_trusted(company.ours, HOSTS[0])
    assert company.is_trusted(company.made, "proxy.example")


def test_it_is_left_alone_while_nothing_changes(company: Company) -> None:
    before = company.both.stat().st_ino, company.both.stat().st_mtime_ns
    assert ensure_certificates(company.directory, HOSTS, NOW + DAY) == company.ours
    assert (company.both.stat().st_ino, company.both.stat().st_mtime_ns) == before


def test_the_next_authority_gets_into_it(company: Company) -> None:
    ensure_certificates(company.directory, HOSTS, NOW + 340 * DAY)
    switched = ensure_certificates(company.directory, HOSTS, NOW + 390 * DAY)
    assert company.is_trusted(switched, HOSTS[0])
    assert company.is_trusted(company.made, "proxy.example")


@pytest.mark.parametrize("content", [None, "", "no PEM"])
def test_a_company_whose_file_is_gone_stays_trusted(company: Company, content: Optional[str]) -> None:
    company.file.unlink()
    if content is not None:
        company.file.write_text(content)
    later = ensure_certificates(company.directory, HOSTS, NOW + 400 * DAY)
    assert later.served != company.ours.served
    assert company.is_trusted(later, HOSTS[0])
    assert company.is_trusted(company.made, "proxy.example")
    assert company.both.read_text().count("BEGIN CERTIFICATE") == 2, "our old one has ended"


def test_a_company_s_new_authority_gets_into_it(company: Company, tmp_path: Path) -> None:
    other = ensure_certificates(tmp_path / "other.tls", ["proxy.example"], NOW - 2 * DAY)
    company.file.write_text(other.ca_file.read_text())
    ensure_certificates(company.directory, HOSTS, NOW)
    assert company.is_trusted(other, "proxy.example")
    assert not company.is_trusted(company.made, "proxy.example")


def test_a_file_of_somebody_else_stays_as_it_is(company: Company) -> None:
    for number, content in enumerate((b"", b"x", b"# TeamClaude's own, and those of {", bytes(range(256)))):
        (company.directory / f"ca-{number}.pem").write_bytes(content)
        ensure_certificates(company.directory, HOSTS, NOW + number)
        assert (company.directory / f"ca-{number}.pem").read_bytes() == content


@pytest.mark.parametrize(("content", "message"), [("no PEM", "no certificate"), (None, "No such file")])
def test_authorities_that_cannot_be_read_are_one_line(
    content: Optional[str], message: str, company: Company, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "other.pem").write_text(content)
    with pytest.raises(ConfigError, match=message):
        combined_ca_file(company.ours.ca_file, tmp_path / "other.pem")
