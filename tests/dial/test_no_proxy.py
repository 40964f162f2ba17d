"""NO_PROXY as people write it."""

from __future__ import annotations

import pytest

from teamclaude.dial.no_proxy import is_exempt, is_loopback


@pytest.mark.parametrize(
    ("no_proxy", "host", "exempt"),
    [
        ("", "api.corp", False),
        ("*", "api.corp", True),
        ("other, *", "10.1.2.3", True),
        # Names: the name and all below it.
        ("corp", "corp", True),
        ("corp", "api.corp", True),
        ("corp", "notcorp", False),
        ("corp", "corp.example", False),
        (".corp", "api.corp", True),
        (".corp", "corp", True),
        ("*.corp", "a.b.corp", True),
        ("*.corp", "corp", True),
        ("*.corp", "xcorp", False),
        ("git-*.corp", "git-1.corp", True),
        ("git-*.corp", "www.corp", False),
        ("API.Corp", "api.corp", True),
        ("api.corp", "API.CORP.", True),
        ("api.corp.", "api.corp", True),
        ("http://api.corp/", "api.corp", True),
        # Separators.
        ("a.example b.example", "b.example", True),
        ("a.example;b.example", "b.example", True),
        (" a.example ,, b.example ,", "b.example", True),
        ("a.example\tb.example\n", "b.example", True),
        # Ports.
        ("api.corp:443", "api.corp", True),
        ("api.corp:8443", "api.corp", False),
        ("*:443", "api.corp", True),
        ("10.0.0.1:443", "10.0.0.1", True),
        ("10.0.0.1:80", "10.0.0.1", False),
        ("[fd00::1]:443", "fd00::1", True),
        ("[fd00::1]:80", "fd00::1", False),
        # Networks.
        ("10.0.0.0/8", "10.200.3.4", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.1.2.3/8", "10.200.3.4", True),
        ("10.0.0.0/255.0.0.0", "10.200.3.4", True),
        ("10.0.0.0/8", "::ffff:10.1.1.1", True),
        ("10.0.0.0/8", "api.corp", False),
        ("10.0.0.0/99", "10.0.0.1", False),
        ("fd00::/8", "fd12:3456::1", True),
        ("[fd00::]/8", "fd12:3456::1", True),
        ("fd00::/8", "fe80::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("FD00::/8", "10.0.0.1", False),
        # Addresses.
        ("127.*", "127.0.0.53", True),
        ("10.1.*", "10.1.2.3", True),
        ("10.1.*", "10.10.2.3", False),
        ("127.*", "127.example.com", False),
        ("fd00:0:0::0001", "FD00::1", True),
        ("[fd00::1]", "fd00::1", True),
        ("fd00::1", "[fd00::1]", True),
        ("0.0.1", "10.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("/8 :443 . []", "api.corp", False),
    ],
)
def test_which_hosts_a_list_names(no_proxy: str, host: str, exempt: bool) -> None:
    assert is_exempt(host, 443, no_proxy) is exempt


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "0.0.0.0"]
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "fe80::1", "mylocalhost"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)
