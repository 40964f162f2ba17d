"""Findings about the way to the API."""

from __future__ import annotations

import pytest

from teamclaude.cli.doctor.checks.network_checks import check_network
from teamclaude.cli.doctor.facts.network_facts import NetworkFacts, TrustFile
from tests.cli.doctor.support import ids

GOOD = NetworkFacts(authorities=120)


def test_the_way_is_in_the_summary() -> None:
    assert check_network(GOOD) == ("network", "to the API without a proxy", [])
    assert check_network(GOOD._replace(via="p:3128 (HTTPS_PROXY)")).summary.endswith("p:3128 (HTTPS_PROXY)")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"problem": "HTTPS_PROXY: socks4:// is not spoken"}, "network.proxy"),
        ({"differing": ("https_proxy",)}, "network.proxy-spelling"),
        ({"differing": ("no_proxy",)}, "network.no-proxy-spelling"),
        ({"own": ("HTTPS_PROXY", "https_proxy")}, "network.own-proxy"),
        ({"files": (TrustFile("SSL_CERT_FILE", "/x", problem="can't be read"),)}, "network.trust-file"),
        ({"files": (TrustFile("upstreamCaFile", "/x", problem="can't be read"),)}, "network.ca-file"),
        ({"authorities": 0}, "network.no-authority"),
    ],
)
def test_what_is_wrong(changed: dict[str, object], wanted: str) -> None:
    assert ids(check_network(GOOD._replace(**changed))) == [wanted]  # type: ignore[arg-type]


def test_authorities_may_be_in_a_directory_or_file() -> None:
    none = GOOD._replace(authorities=0)
    assert ids(check_network(none._replace(has_directory=True))) == []
    assert ids(check_network(none._replace(files=(TrustFile("upstreamCaFile", "/x", 1),)))) == []
    only_node = none._replace(files=(TrustFile("NODE_EXTRA_CA_CERTS", "/x", 1),))
    assert ids(check_network(only_node)) == ["network.no-authority"]
