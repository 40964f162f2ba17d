"""The certificate files: made once, renewed, mended, and accepted by those who verify them."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.errors import ConfigError
from teamclaude.proxy.connect.certificates import (
    Certificates,
    ca_file,
    ensure_certificates,
    server_context,
    tls_directory,
)
from teamclaude.proxy.connect.openssl import CertificateAuthority
from tests.proxy.connect.handshakes import client_of, handshake

DAY = 86400.0
HOST = "api.anthropic.com"
NOW = 1_800_000_000.0

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="no openssl here to make certificates"
)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENSSL_CONF", "/nowhere/openssl.cnf")  # of the user: not used
    return tls_directory(tmp_path / "teamclaude.json")


def generations(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("server-*.pem")}


def test_the_files_are_beside_the_config_file() -> None:
    assert tls_directory(Path("/x/teamclaude.json")) == Path("/x/teamclaude.tls")
    assert tls_directory(Path("/x/other")) == Path("/x/other.tls")
    assert ca_file(Path("/x/teamclaude.json")) == Path("/x/teamclaude.tls/ca.pem")


def test_certificates_are_made_once_and_are_private(directory: Path) -> None:
    first = ensure_certificates(directory, [HOST], NOW)
    assert ensure_certificates(directory, [HOST.upper()], NOW + DAY) == first
    assert first.ca_file == directory / "ca.pem"
    assert directory.stat().st_mode & 0o777 == 0o700
    files = list(directory.iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert len(files) == 3


def test_the_key_of_the_authority_is_nowhere(directory: Path) -> None:
    ensure_certificates(directory, [HOST], NOW)
    keys = [path for path in directory.rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text()]
    (only,) = keys
    assert only.read_text().count("PRIVATE KEY") == 2  # the server's: BEGIN and END
    # And that one is not the authority's.
    blocks = only.read_text().split("-----BEGIN CERTIFICATE-----")
    swapped = directory.parent / "swapped.pem"
    swapped.write_text(blocks[0] + "-----BEGIN CERTIFICATE-----" + blocks[2])
    with pytest.raises(ssl.SSLError, match=r"(?i)key.values.mismatch"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(str(swapped))


def test_a_client_accepts_it_for_its_hosts_only(directory: Path) -> None:
    made = ensure_certificates(directory, [HOST, "other.example"], NOW)
    server, client = server_context(made), client_of(made)
    shown: Any = handshake(server, client, HOST).getpeercert()
    assert sorted(shown["subjectAltName"]) == [("DNS", HOST), ("DNS", "other.example")]
    handshake(server, client, "other.example")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
        handshake(server, client, "claude.ai")


def test_what_the_authority_may_not_sign_is_refused(directory: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name, accepted in ((HOST, True), ("example.com", False), ("anthropic.com", False)):
        with CertificateAuthority([HOST], NOW, NOW + DAY, str(work)) as authority:
            issued = authority.issue([name])
        server = tmp_path / "server.pem"
        server.write_text(issued.key + issued.certificate)
        (tmp_path / "ca.pem").write_text(authority.certificate)
        found = Certificates(tmp_path / "ca.pem", ((name, server),))
        if accepted:
            handshake(server_context(found), client_of(found), name)
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
                handshake(server_context(found), client_of(found), name)
    assert list(work.iterdir()) == []


def test_openssl_verifies_it_strictly(directory: Path) -> None:
    made = ensure_certificates(directory, [HOST], NOW)
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(NOW)), "-purpose", "sslserver"]
    command += ["-verify_hostname", HOST, "-CAfile", str(made.ca_file), str(made.served[0][1])]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout.endswith(": OK\n")


@pytest.mark.usefixtures("made_once")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_also_in_a_context_made_again(directory: Path, version: ssl.TLSVersion) -> None:
    made = ensure_certificates(directory, [HOST], NOW)
    server, client = server_context(made), client_of(made)
    client.maximum_version = version
    first = handshake(server, client, HOST)
    assert first.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert not first.session_reused
    assert handshake(server, client, HOST, first.session).session_reused


@pytest.mark.usefixtures("made_once")
def test_the_protocol_is_http_1_over_tls_1_2_or_later(directory: Path) -> None:
    made = ensure_certificates(directory, [HOST], NOW)
    server, client = server_context(made), client_of(made)
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert handshake(server, client, HOST).selected_alpn_protocol() == "http/1.1"
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.usefixtures("made_once")
def test_a_running_client_trusts_what_is_served_until_the_change(directory: Path) -> None:
    first = ensure_certificates(directory, [HOST], NOW)
    later = ensure_certificates(directory, [HOST], NOW + 340 * DAY)
    assert later == first  # still served
    assert len(generations(directory)) == 2
    started_then = client_of(later)
    switched = ensure_certificates(directory, [HOST], NOW + 390 * DAY)
    assert switched.served != first.served
    handshake(server_context(switched), started_then, HOST)
    ensure_certificates(directory, [HOST], NOW + 400 * DAY)
    assert generations(directory) == {switched.served[0][1].name}
    assert switched.ca_file.read_text().count("BEGIN CERTIFICATE") == 1


@pytest.mark.usefixtures("made_once")
def test_a_new_host_leaves_running_clients_their_certificate(directory: Path) -> None:
    before = ensure_certificates(directory, [HOST], NOW)
    started_before = client_of(before)
    after = ensure_certificates(directory, [HOST, "other.example"], NOW + DAY)
    server, started_after = server_context(after), client_of(after)
    handshake(server, started_before, HOST)
    handshake(server, started_after, HOST)
    handshake(server, started_after, "other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, started_before, "other.example")


DAMAGES = ["cut", "empty", "noise", "one letter", "deleted", "key of another", "authority of another"]


def damage(kind: str, directory: Path) -> None:
    (server,) = directory.glob("server-*.pem")
    text = server.read_text()
    other = directory.parent / "other.tls"
    if kind == "cut":
        server.write_text(text[:900])
    elif kind == "empty":
        server.write_text("")
    elif kind == "noise":
        server.write_bytes(bytes(range(256)) * 10)
    elif kind == "one letter":
        server.write_text(text[:200] + ("A" if text[200] != "A" else "B") + text[201:])
    elif kind == "deleted":
        server.unlink()
    elif kind == "key of another":
        ensure_certificates(other, [HOST], NOW - DAY)
        (theirs,) = other.glob("server-*.pem")
        key = theirs.read_text().split("-----BEGIN CERTIFICATE")[0]
        server.write_text(key + text[text.index("-----BEGIN CERTIFICATE") :])
    elif kind == "authority of another":
        ensure_certificates(other, [HOST], NOW - DAY)
        (theirs,) = other.glob("server-*.pem")
        server.write_text(text[: text.rindex("-----BEGIN")] + (other / "ca.pem").read_text())


@pytest.mark.usefixtures("made_once")
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_file_that_cannot_be_used_is_replaced(kind: str, directory: Path) -> None:
    before = ensure_certificates(directory, [HOST], NOW)
    damage(kind, directory)
    after = ensure_certificates(directory, [HOST], NOW)
    assert after.served != before.served
    assert len(generations(directory)) == 1
    handshake(server_context(after), client_of(after), HOST)


@pytest.mark.usefixtures("made_once")
def test_a_lost_directory_is_made_again(directory: Path) -> None:
    before = ensure_certificates(directory, [HOST], NOW)
    shutil.rmtree(directory)
    after = ensure_certificates(directory, [HOST], NOW)
    assert after != before
    handshake(server_context(after), client_of(after), HOST)


@pytest.mark.usefixtures("made_once")
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None])
def test_a_lost_bundle_is_written_again(content: Optional[bytes], directory: Path) -> None:
    made = ensure_certificates(directory, [HOST], NOW)
    if content is None:
        made.ca_file.unlink()
    else:
        made.ca_file.write_bytes(content)
    assert ensure_certificates(directory, [HOST], NOW) == made
    handshake(server_context(made), client_of(made), HOST)


def test_left_over_work_and_loose_modes_are_mended(directory: Path) -> None:
    directory.mkdir(mode=0o755)
    (directory / ".work-killed").mkdir()
    ensure_certificates(directory, [HOST], NOW)
    assert not (directory / ".work-killed").exists()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_two_at_once_agree(directory: Path) -> None:
    made: list[Certificates] = []
    threads = [
        threading.Thread(target=lambda: made.append(ensure_certificates(directory, [HOST], NOW)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 4
    assert len(set(made)) == 1


@pytest.mark.parametrize(
    "host",
    ["", "com", "a..b", "-a.example", "*.example", "a.example\nca=1", "192.0.2.1", "::1", "a_b.example"],
)
def test_what_is_no_host_name_is_refused(host: str, directory: Path) -> None:
    with pytest.raises(ConfigError, match="not the full name of a host"):
        ensure_certificates(directory, [host], NOW)
    assert not directory.exists()


def test_no_host_at_all_is_refused(directory: Path) -> None:
    with pytest.raises(ConfigError, match=r"proxy\.forwardHosts is empty"):
        ensure_certificates(directory, [], NOW)


def test_a_directory_that_cannot_be_used_is_one_line(directory: Path) -> None:
    directory.write_text("a file")
    with pytest.raises(ConfigError, match=r"first-party mode: .*teamclaude\.tls") as error:
        ensure_certificates(directory, [HOST], NOW)
    assert "\n" not in str(error.value)


def fail(*arguments: object) -> CertificateAuthority:
    raise ConfigError("openssl failed")


@pytest.mark.usefixtures("made_once")
def test_a_failure_of_openssl_leaves_the_old_files(directory: Path) -> None:
    before = ensure_certificates(directory, [HOST], NOW)
    with pytest.raises(ConfigError, match="openssl failed"):
        ensure_certificates(directory, [HOST], NOW + 400 * DAY, make=fail)
    assert ensure_certificates(directory, [HOST], NOW) == before


@pytest.mark.usefixtures("made_once")
def test_without_openssl_a_valid_certificate_is_used_to_its_end(directory: Path) -> None:
    before, lines = ensure_certificates(directory, [HOST], NOW), list[str]()
    assert ensure_certificates(directory, [HOST], NOW + 380 * DAY, fail, lines.append) == before
    assert lines == ["openssl failed (the present one is used until 2028-02-15)"]


@pytest.mark.usefixtures("made_once")
def test_without_openssl_a_new_host_is_refused(directory: Path) -> None:
    ensure_certificates(directory, [HOST], NOW)
    with pytest.raises(ConfigError, match="openssl failed"):
        ensure_certificates(directory, [HOST, "other.example"], NOW, make=fail)


@pytest.mark.usefixtures("made_once")
def test_what_no_client_can_trust_is_not_used(directory: Path) -> None:
    ensure_certificates(directory, [HOST], NOW)
    (directory / "ca.pem").unlink()
    with pytest.raises(ConfigError, match="openssl failed"):
        ensure_certificates(directory, [HOST], NOW + 380 * DAY, make=fail)
