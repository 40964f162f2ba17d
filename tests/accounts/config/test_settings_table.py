"""The table of settings is complete and true: every row is a key that is read, and checked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.config.schema import COMMAND
from teamclaude.accounts.config.settings_table import SettingRow, settings_table, unknown_key_notes
from teamclaude.errors import ConfigError

ROWS = settings_table()
WRONG: dict[str, list[Any]] = {
    "text": [5, True, [], {}],
    "number": ["x", True, [], {}, -5e9],
    "whole number": ["x", True, 1.5, [], {}, -5e9],
    "true/false": ["yes", 1, 0, [], {}],
    "object": ["x", 5, []],
    "list of text": ["x", {}, [5], [""]],
    "list of objects": ["x", {}, ["x"], [[]]],
}
# What must stand around a key for the file to be otherwise good.
AROUND: dict[str, dict[str, Any]] = {
    "accounts[]": {"name": "bob", "accessToken": "sk-FAKE", "importFrom": "/c.json"},
    "proxy.clients[]": {"name": "ci", "key": "k"},
    "proxy.tls": {"cert": "c.pem", "key": "k.pem"},
    "alerts[]": {"when": "hold", "url": "http://host"},
    "routes[]": {"match": "claude-*"},
    "routes[].match": {},
    "alerts[].url": {"when": "hold", "run": ["program"]},
}


def file_with(name: str, value: Any) -> dict[str, Any]:
    """A config whose only wrong value is `value` at `name`."""
    section, _, key = name.rpartition(".")
    node = {**(AROUND.get(name) or AROUND.get(section, {})), key: value}
    while section:
        outer, _, step = section.rpartition(".")
        around = AROUND.get(outer, {}) if outer else {}
        node = {**around, step[:-2]: [node]} if step.endswith("[]") else {**around, step: node}
        section = outer
    return node


def test_names_are_the_paths_of_the_file_in_order_and_each_once() -> None:
    names = [row.name for row in ROWS]
    assert names[:3] == ["proxy.host", "proxy.port", "proxy.apiKey"]
    assert len(set(names)) == len(names)
    wanted = {
        "proxy.clients[].maxInflight",
        "proxy.tls.cert",
        "proxy.maxBodyMiB",
        "accounts[].expiresAt",
        "switchThreshold",
        "rampTiers",
        "routing.policy",
        "allThrottledHoldBudgetSec",
        "apikeyFallbackDeadlineSec",
        "upstreamCaFile",
        "ledgerRetentionHours",
        "pricing",
        "oauth.tokenUrl",
        "refreshImported",
    }
    assert wanted <= set(names)


# Types that the original writes there (original_keys.py): they are read, too.
OF_THE_ORIGINAL: dict[str, tuple[type, ...]] = {
    "switchThreshold": (bool, dict),
    "upstreamProxy": (bool,),
    "maxUsage": (int, dict),
    "accounts[].maxUsage": (dict,),
    "routes": (dict,),
}
# Short forms: a text for a match is the model, one for the accounts is the only one.
SHORT: dict[str, tuple[type, ...]] = {
    "routes[].match": (str,),
    "routes[].accounts": (str,),
    "routes[].match.agent": (bool,),
}


def test_every_row_says_type_and_reason() -> None:
    for row in ROWS:
        assert row.type, row
        assert row.why.endswith("."), row
        assert row.type in WRONG or " or " in row.type or row.type.startswith('"'), row


def test_rows_tell_defaults_as_json() -> None:
    rows = {row.name: row for row in ROWS}
    assert rows["proxy.port"] == SettingRow(
        "proxy.port", "whole number", "port", "3456", rows["proxy.port"].why
    )
    assert rows["proxy.clients"].default == "[]"
    assert rows["proxy.clients[].key"].default == "required"
    assert rows["proxy.tls"].default == ""
    assert rows["connectTimeoutSec"].default == "10"
    assert rows["rampTiers"].default.startswith('[{"hours": 8, "weight": 100}, ')
    assert rows["proxy.trustLoopback"].type == 'true, false or "any"'


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_default_of_every_row_is_a_value_it_takes(row: SettingRow) -> None:
    value = json.loads(row.default) if row.default not in ("", "required") else None
    if row.default != "required":
        assert parse_config(file_with(row.name, value), "f") == parse_config(file_with(row.name, None), "f")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_wrong_type_of_every_key_is_one_line_with_its_path(row: SettingRow) -> None:
    path = row.name.replace("[]", "[0]")
    for wrong in WRONG.get(row.type, [5, "no such word", [], {}]):
        if row.unit == COMMAND and wrong == "x":  # a program without arguments
            continue
        if isinstance(wrong, (*OF_THE_ORIGINAL.get(row.name, ()), *SHORT.get(row.name, ()))):
            continue
        with pytest.raises(ConfigError) as caught:
            parse_config(file_with(row.name, wrong), "f.json")
        text = str(caught.value)
        assert text.startswith(f"f.json: {path}"), text
        assert "expected" in text
        assert "\n" not in text


def test_every_number_with_a_unit_has_a_range_of_its_own_or_any_size() -> None:
    units = {row.unit for row in ROWS if row.type in ("number", "whole number")}
    known = {
        "port",
        "$",
        "fraction 0-1",
        "s",
        "s, not 0",
        "h",
        "days",
        "ms",
        "MB",
        "MiB",
        "requests",
        "tokens",
        "connections",
        "conversations",
        "factor",
        "rank",
    }
    assert units <= known | {"", "bytes", "MB"}


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (
            {
                "proxy": {"x": 1},
                "switchThreshold": 0.9,
                "reserve": {},
                "holdSeconds": 3,
                "blocked_models": [],
            },
            [],
        ),
        ({"priority": 1}, ["priority is no setting; did you mean accounts[].priority?"]),
        ({"port": 1}, ["port is no setting; did you mean proxy.port?"]),
        (
            {"rules": [], "banana": 1},
            ["rules is no setting; did you mean routes?", "no setting: banana (teamclaude help config)"],
        ),
    ],
)
def test_keys_of_the_top_level_that_are_no_settings_are_told(raw: dict[str, Any], lines: list[str]) -> None:
    assert unknown_key_notes(raw) == lines
