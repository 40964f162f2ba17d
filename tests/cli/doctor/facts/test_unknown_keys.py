"""The keys of a config file that no setting has."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.cli.doctor.facts.unknown_keys import unknown_keys


def found(raw: dict[str, Any]) -> list[tuple[str, str]]:
    return [(key.path, key.meant) for key in unknown_keys(raw)]


def test_a_file_with_settings_alone() -> None:
    raw = {
        "proxy": {"port": 1, "tls": {"cert": "a", "key": "b"}, "clients": [{"name": "c", "key": "k"}]},
        "accounts": [{"name": "a", "priority": 1}],
        "alerts": [{"when": "hold", "run": "x"}],
        "pricing": {"my-model": {"input": 1}},
        "switchThreshold": 0.9,
    }
    assert found(raw) == []


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"banana": 1}, [("banana", "")]),
        ({"apikey": "k"}, [("apikey", "proxy.apiKey")]),
        ({"port": 3456}, [("port", "proxy.port")]),
        ({"proxy": {"upstream": "x"}}, [("proxy.upstream", "upstream")]),
        ({"accounts": [{"name": "a"}, {"prio": 1}]}, [("accounts[1].prio", "")]),
        ({"accounts": [{"priorities": 1}]}, [("accounts[0].priorities", "accounts[].priority")]),
        ({"proxy": {"tls": {"chain": "x"}}}, [("proxy.tls.chain", "")]),
        ({"a": 1, "proxy": {"b": 2}, "c": 3}, [("a", ""), ("proxy.b", ""), ("c", "")]),
        ({"proxy": 5, "accounts": "x"}, []),
        ({"accounts": [1, None, []]}, []),
        ({}, []),
    ],
)
def test_unknown_ones(raw: dict[str, Any], wanted: list[tuple[str, str]]) -> None:
    assert found(raw) == wanted
