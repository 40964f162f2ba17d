"""One file of authorities for a client: the proxy's, and those that it trusted before."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from teamclaude.accounts.config.config import Config, ProxyConfig, TlsConfig
from teamclaude.cli.claude_code.trusted_file import trusted_file
from teamclaude.errors import ConfigError
from teamclaude.proxy.connect.certificates import ca_file, tls_directory


def pem(name: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n"


class Files:
    """A config file with its authority, a server's certificate and a company's file."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "teamclaude.json"
        self.own = ca_file(self.config)
        self.own.parent.mkdir()
        self.own.write_text(pem("own"))
        self.server = directory / "server.pem"
        self.server.write_text(
            pem("server") + "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n"
        )
        self.company = directory / "company.pem"
        self.company.write_text("# a comment\n" + pem("company"))

    def trusted(
        self, tls: bool, first_party: bool, theirs: Optional[Path] = None, write: bool = True
    ) -> Optional[Path]:
        served = TlsConfig(str(self.server), str(self.server)) if tls else None
        config = Config(proxy=ProxyConfig(tls=served))
        existing = {"NODE_EXTRA_CA_CERTS": str(theirs)} if theirs else {}
        return trusted_file(config, self.config, first_party, existing, write)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def names(file: Optional[Path]) -> set[str]:
    assert file is not None
    lines = file.read_text().splitlines()
    return {line for line in lines if line.isalpha()}


@pytest.mark.parametrize(
    ("tls", "first_party", "company", "expected"),
    [
        (True, False, False, {"server", "key"}),
        (True, False, True, {"server", "company"}),
        (False, True, False, {"own"}),
        (False, True, True, {"own", "company"}),
        (True, True, False, {"own", "server"}),
        (True, True, True, {"own", "server", "company"}),
    ],
)
def test_all_that_is_needed_is_in_one_file(
    files: Files, tls: bool, first_party: bool, company: bool, expected: set[str]
) -> None:
    theirs = files.company if company else None
    named = files.trusted(tls, first_party, theirs, write=False)
    before = set(tls_directory(files.config).iterdir())
    assert before == {files.own}, "without `write` nothing is made"
    file = files.trusted(tls, first_party, theirs)
    assert file == named
    assert names(file) == expected
    assert file is not None
    if file.parent == tls_directory(files.config) and file != files.own:
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_proxy_without_tls_needs_none(files: Files) -> None:
    assert files.trusted(False, False, files.company) is None


@pytest.mark.parametrize(("tls", "first_party"), [(True, False), (False, True), (True, True)])
def test_a_file_that_holds_all_of_it_is_taken_as_it_is(files: Files, tls: bool, first_party: bool) -> None:
    """As in a client that a client of ours has started."""
    file = files.trusted(tls, first_party, files.company)
    assert files.trusted(tls, first_party, file) == file


def test_a_changed_file_of_the_company_is_written_again(files: Files) -> None:
    files.trusted(True, False, files.company)
    files.company.write_text(pem("another"))
    assert names(files.trusted(True, False, files.company)) == {"server", "another"}


@pytest.mark.parametrize(("tls", "first_party"), [(True, False), (False, True)])
def test_a_file_that_cant_be_read_is_one_line(files: Files, tls: bool, first_party: bool) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*missing.pem: No such file"):
        files.trusted(tls, first_party, Path("/missing.pem"))
