"""What is different in a config file that is read again, in keys and in words."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.changes import changed_keys, changes_text
from teamclaude.accounts.config.config import Config, parse_config

BEFORE: dict[str, Any] = {"accounts": [{"name": "a", "apiKey": "sk-ant-api03-FAKE", "type": "apikey"}]}


def changes(**parts: list[str]) -> dict[str, list[str]]:
    return {**{name: [] for name in ("added", "removed", "updated", "settings", "needsRestart")}, **parts}


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        ({}, []),
        ({"accounts": []}, []),
        ({"pins": {"/work/x": "a"}}, ["pins"]),
        (
            {"routes": [{"match": "claude-opus-*", "accounts": ["a"]}], "maxUsage": 0.5},
            ["routes", "maxUsage"],
        ),
        ({"backoffSec": 7}, ["backoffSec"]),  # one of the routing keys, which are at the top of the file
        ({"proxy": {"maxHeld": 9, "tls": {"cert": "c", "key": "k"}}}, ["proxy.tls", "proxy.maxHeld"]),
        ({"maxSpend": {"day": 5}}, ["maxSpend.day"]),
    ],
)
def test_the_keys_that_differ_are_found(more: dict[str, Any], keys: list[str]) -> None:
    assert changed_keys(parse_config(BEFORE, "x"), parse_config({**BEFORE, **more}, "x")) == keys


def test_nothing_differs_between_defaults() -> None:
    assert changed_keys(Config(), Config()) == []


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (changes(), ""),
        (changes(settings=["routes", "pins"]), "changed routes, pins"),
        (changes(added=["b"], removed=["a", "c"], updated=["d"]), "added b; removed a, c; updated d"),
        (
            changes(settings=["proxy.port", "proxy.apiKey", "routes"], needsRestart=["proxy.port"]),
            "changed proxy.apiKey, routes; in force after a restart only: proxy.port",
        ),
        (
            changes(settings=["proxy.portal", "history.dir"], needsRestart=["proxy.port", "history"]),
            "changed proxy.portal; in force after a restart only: proxy.port, history",
        ),
        (
            changes(added=[f"a{n}" for n in range(1000)]),
            "added a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 990 more",
        ),
    ],
)
def test_changes_are_told_in_words(found: dict[str, list[str]], text: str) -> None:
    assert changes_text(found) == text
