"""Findings about our own certificates."""

from __future__ import annotations

import pytest

from teamclaude.cli.doctor.checks.certificate_checks import check_certificates, covers
from teamclaude.cli.doctor.facts.certificate_facts import CertificateFacts, FirstPartyFacts, TlsFacts
from teamclaude.cli.doctor.finding import Group
from tests.cli.doctor.support import by_id, ids

DAY = 86400.0
NOW = 1_795_435_200.0
TLS = TlsFacts("/c.pem", "", ("box.example", "*.lan", "10.0.0.1"), NOW - DAY, NOW + 100 * DAY)
FIRST = FirstPartyFacts("/x.tls", served=(("api.anthropic.com", NOW + 100 * DAY),))


def check(tls: TlsFacts | None = None, first: FirstPartyFacts | None = None, *urls: str) -> Group:
    return check_certificates(CertificateFacts(tls, first), urls, NOW)


def test_none_is_needed() -> None:
    assert check() == ("certificates", "none needed", [])


def test_good_ones() -> None:
    group = check(TLS, FIRST, "https://box.example:3456", "https://a.lan", "https://10.0.0.1")
    assert ids(group) == []
    assert group.summary.startswith("TLS until 20")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"problem": "proxy.tls.cert: /c.pem can't be read"}, "certificates.tls"),
        ({"ends_at": NOW - 1}, "certificates.tls-ended"),
        ({"begins_at": NOW + 1}, "certificates.tls-ended"),
        ({"ends_at": NOW + 20 * DAY}, "certificates.tls-ends"),
    ],
)
def test_tls(changed: dict[str, object], wanted: str) -> None:
    assert ids(check(TLS._replace(**changed))) == [wanted]  # type: ignore[arg-type]


def test_a_name_that_is_not_in_it_is_told_once() -> None:
    finding = by_id(check(TLS, None, "https://localhost:1", "https://localhost:2", "nonsense"))
    assert finding["certificates.tls-name"].text.startswith("clients come to localhost")


@pytest.mark.parametrize(
    ("name", "host", "wanted"),
    [
        ("a.example", "A.example.", True),
        ("*.example", "a.example", True),
        ("*.example", "a.b.example", False),
        ("*.example", "example", False),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("*", "a", False),
        ("localhost", "127.0.0.1", False),
    ],
)
def test_which_names_cover_which_hosts(name: str, host: str, wanted: bool) -> None:
    assert covers(name, host) is wanted


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"problem": "can't be read"}, "certificates.first-party"),
        ({"unserved": ("b.example",)}, "certificates.not-made"),
        ({"unserved": ("b.example",), "has_openssl": False}, "certificates.no-openssl"),
        ({"is_trusted": False}, "certificates.not-trusted"),
    ],
)
def test_first_party(changed: dict[str, object], wanted: str) -> None:
    assert ids(check(None, FIRST._replace(**changed))) == [wanted]  # type: ignore[arg-type]


def test_openssl_is_not_needed_while_there_are_certificates() -> None:
    assert ids(check(None, FIRST._replace(has_openssl=False))) == []


def test_a_certificate_without_names_and_the_second_in_which_one_begins() -> None:
    nameless = by_id(check(TLS._replace(names=()), None, "https://box:1"))
    assert nameless["certificates.tls-name"].text == "clients come to box, and the certificate is for no name"
    assert ids(check(TLS._replace(begins_at=NOW))) == []
    assert ids(check(TLS._replace(ends_at=NOW))) == ["certificates.tls-ended"]
