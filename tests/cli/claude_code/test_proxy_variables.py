"""Which proxy a client takes, and for which hosts it takes none."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.cli.claude_code.proxy_variables import (
    both_lists,
    excluding,
    http_proxy,
    including,
    is_excluded,
    strangely_excluded,
)

API = ("api.anthropic.com", 443)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "a", "https_proxy": "b"}, "https_proxy"),
        ({"HTTP_PROXY": "a", "HTTPS_PROXY": "b"}, "HTTPS_PROXY"),
        ({"https_proxy": "", "HTTP_PROXY": "a"}, "HTTP_PROXY"),
        ({"ALL_PROXY": "a"}, "ALL_PROXY"),
    ],
)
def test_the_proxy_that_counts(env: dict[str, str], name: Optional[str]) -> None:
    assert http_proxy(env) == name


@pytest.mark.parametrize(
    ("env", "excluded"),
    [
        ({}, False),
        ({"NO_PROXY": "127.0.0.1"}, True),
        ({"no_proxy": "x, 127.0.0.1 y"}, True),
        ({"NO_PROXY": "*"}, True),
        ({"NO_PROXY": "127.0.0.1", "no_proxy": "x"}, False),
        ({"NO_PROXY": "127.0.0.1", "no_proxy": ""}, True),
        ({"NO_PROXY": "127.0.0.0/8"}, False),
        ({"NO_PROXY": "127.*"}, False),
        ({"NO_PROXY": "localhost"}, False),
    ],
)
def test_a_host_is_excluded_when_every_version_says_so(env: dict[str, str], excluded: bool) -> None:
    assert is_excluded(env, "127.0.0.1") == excluded


def test_a_host_is_put_on_the_list_that_lacks_it() -> None:
    assert excluding({}, "h") == {"NO_PROXY": "h", "no_proxy": "h"}
    assert excluding({"NO_PROXY": "a, b ,"}, "h") == {"NO_PROXY": "a, b,h", "no_proxy": "a, b,h"}
    assert excluding({"NO_PROXY": "H", "no_proxy": "b"}, "h") == {"NO_PROXY": "H", "no_proxy": "b,h"}


def test_an_empty_list_is_the_other_one() -> None:
    assert both_lists({"NO_PROXY": "", "no_proxy": "a"}) == {"NO_PROXY": "a", "no_proxy": "a"}


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "api.anthropic.com",
        "API.Anthropic.com",
        ".anthropic.com",
        "*.anthropic.com",
        "com",
        "api.anthropic.com:443",
    ],
)
def test_entries_that_lead_past_the_proxy(entry: str) -> None:
    env = {"NO_PROXY": f"first.example, {entry}", "no_proxy": "second.example"}
    assert strangely_excluded(env, *API) == [entry]
    assert including(env, *API) == {"NO_PROXY": "first.example", "no_proxy": "second.example"}


@pytest.mark.parametrize("text", ["", "x.example", "api.anthropic.com:80", "10.0.0.0/8", "pi.anthropic.com"])
def test_entries_that_do_not(text: str) -> None:
    assert including({"NO_PROXY": text}, *API) == {}
