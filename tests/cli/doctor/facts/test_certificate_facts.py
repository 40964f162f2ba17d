"""Our own certificates, read and never made."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.cli.doctor.facts.certificate_facts import CertificateFacts, certificate_facts
from teamclaude.cli.doctor.subject import Subject
from teamclaude.proxy.connect.certificates import ensure_certificates, tls_directory
from teamclaude.proxy.connect.openssl import CertificateAuthority

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
DAY = 86400.0


def look(path: Path, **proxy: object) -> CertificateFacts:
    config = parse_config({"proxy": {"apiKey": "k", **proxy}}, "")
    return certificate_facts(Subject({}, path.parent, time.time(), path, config), config)


def test_what_is_off_is_not_examined(tmp_path: Path) -> None:
    assert look(tmp_path / "c.json") == (None, None)


@needs_openssl
def test_the_certificate_of_tls(tmp_path: Path) -> None:
    now = time.time()
    with CertificateAuthority(["box.example"], now - DAY, now + 9 * DAY, str(tmp_path)) as authority:
        issued = authority.issue(["box.example"])
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(issued.certificate + authority.certificate)
    key.write_text(issued.key)
    tls = look(tmp_path / "c.json", tls={"cert": str(cert), "key": str(key)}).tls
    assert tls is not None
    assert (tls.problem, tls.names) == ("", ("box.example",))
    assert abs(tls.ends_at - now - 9 * DAY) < 60
    key.write_text(issued.certificate)
    tls = look(tmp_path / "c.json", tls={"cert": str(cert), "key": str(key)}).tls
    assert tls is not None
    assert tls.problem.startswith("proxy.tls can't be used: ")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing")
    for cert, key, problem in (
        ("missing", "x", "proxy.tls.cert: "),
        ("x", "missing", "proxy.tls.key: "),
        ("x", "x", "proxy.tls can't be used: "),
    ):
        tls = look(tmp_path / "c.json", tls={"cert": str(tmp_path / cert), "key": str(tmp_path / key)}).tls
        assert tls is not None
        assert tls.problem.startswith(problem)


@needs_openssl
def test_first_party_mode(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    first = look(path, forward=True).first_party
    assert first is not None
    assert (first.served, first.unserved) == ((), ("api.anthropic.com",))
    assert not tls_directory(path).exists()
    tls_directory(path).mkdir(mode=0o700)
    ensure_certificates(tls_directory(path), ["api.anthropic.com"], time.time())
    first = look(path, forward=True).first_party
    assert first is not None
    assert (first.unserved, first.is_trusted, first.problem) == ((), True, "")
    (tls_directory(path) / "ca.pem").write_text("other")
    first = look(path, forward=True).first_party
    assert first is not None
    assert not first.is_trusted
