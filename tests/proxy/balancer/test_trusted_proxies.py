"""Whose word on a caller's address is taken."""

from __future__ import annotations

import pytest

from teamclaude.proxy.balancer.trusted_proxies import MAX_KNOWN, TrustedProxies
from teamclaude.proxy.http.head import RequestHead

TRUSTED = TrustedProxies(["10.0.0.5", "10.1.0.0/16", "2001:db8:1::/48"])
PROXY = "10.0.0.5"


def caller(*fields: tuple[str, str], peer: str = PROXY, trusted: TrustedProxies = TRUSTED) -> str:
    return trusted.caller_of(RequestHead("GET", "/", 1, list(fields)), peer)


@pytest.mark.parametrize(
    ("network", "host", "covered"),
    [
        ("::ffff:10.0.0.5", "10.0.0.5", True),
        ("::ffff:10.0.0.5", "::ffff:10.0.0.5", True),
        ("::ffff:10.0.0.5", "10.0.0.6", False),
        ("::ffff:10.0.0.0/104", "10.9.9.9", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("::ffff:0:0/96", "192.0.2.7", True),
        ("::/0", "192.0.2.7", False),
    ],
)
def test_ipv4_written_as_ipv6_is_what_it_stands_for(network: str, host: str, covered: bool) -> None:
    assert TrustedProxies([network]).covers(host) is covered


def forwarded_for(*values: str, peer: str = PROXY) -> str:
    return caller(*(("X-Forwarded-For", value) for value in values), peer=peer)


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("10.0.0.5", True),
        ("10.0.0.6", False),
        ("10.1.255.255", True),
        ("::ffff:10.0.0.5", True),
        ("2001:db8:1::9", True),
        ("2001:db8:1::9%eth0", True),
        ("2001:db8:2::9", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_addresses_and_networks_are_covered(host: str, covered: bool) -> None:
    assert TRUSTED.covers(host) is covered
    assert TRUSTED.covers(host) is covered  # remembered
    assert not TrustedProxies([]).covers(host)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
        (["6.6.6.6", "192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, 10.1.2.3"], "192.0.2.7"),
        (["192.0.2.7,10.1.2.3 ,\t10.1.2.4"], "192.0.2.7"),
        (["10.1.2.3, 10.1.2.4"], "10.1.2.3"),
        (["192.0.2.7:4711"], "192.0.2.7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["192.0.2.7, unknown"], PROXY),
        (["192.0.2.7, unknown, 10.1.2.3"], "10.1.2.3"),
        (["192.0.2.7,"], PROXY),
        ([""], PROXY),
        (["192.0.2.7; rm -rf", "\x1b[31m"], PROXY),
        ([",".join(["6.6.6.6"] * 5000 + ["192.0.2.7"])], "192.0.2.7"),
        ([",".join(["192.0.2.7"] + ["10.1.2.3"] * 5000)], "10.1.2.3"),
    ],
)
def test_the_last_address_that_is_no_trusted_proxys_is_the_caller(values: list[str], expected: str) -> None:
    assert forwarded_for(*values) == expected
    assert forwarded_for(*values, peer="192.0.2.200") == "192.0.2.200"  # not believed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ('for="[2001:db8::7]:4711";proto=https;by=10.0.0.5', "2001:db8::7"),
        ('proto=https; For="192.0.2.7:80"', "192.0.2.7"),
        ("for=6.6.6.6, for=192.0.2.7, for=10.1.2.3", "192.0.2.7"),
        ('for="6.6.6.6, for=192.0.2.7', "192.0.2.7"),
        ("for=_hidden", PROXY),
        ("for=unknown", PROXY),
        ("by=10.0.0.9", PROXY),
        ("", PROXY),
    ],
)
def test_forwarded_is_read_alike(value: str, expected: str) -> None:
    assert caller(("Forwarded", value)) == expected


def test_forwarded_does_not_count_beside_x_forwarded_for() -> None:
    assert caller(("Forwarded", "for=6.6.6.6"), ("x-forwarded-for", "192.0.2.7")) == "192.0.2.7"


def test_what_is_remembered_is_bounded() -> None:
    trusted = TrustedProxies(["10.0.0.0/8"])
    for number in range(MAX_KNOWN + 50):
        assert trusted.covers(f"10.0.{number >> 8}.{number & 255}")
    assert len(trusted._known) == MAX_KNOWN


@pytest.mark.parametrize("network", ["", "localhost", "10.0.0.0/33", "10.0.0"])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match="IP"):
        TrustedProxies([network])
