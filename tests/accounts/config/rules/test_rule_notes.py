"""Rules that stand where they are not read."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.rules.rule_notes import misplaced_rules

ALICE = {"name": "alice", "accessToken": "sk-ant-oat01-FAKE"}


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ({"reserve": {"Fri": 0.3}}, "reserve has no effect there: it is read as accounts[].reserve"),
        (
            {"proxy": {"maxSpend": {"day": 3}}},
            "proxy.maxSpend has no effect there: it is read as maxSpend or accounts[].maxSpend",
        ),
        ({"routing": {"routes": []}}, "routing.routes has no effect there: it is read as routes"),
        ({"accounts": [ALICE, {"pins": {}}]}, "accounts[1].pins has no effect there: it is read as pins"),
    ],
)
def test_a_rule_in_a_wrong_place_is_one_line(raw: dict[str, Any], line: str) -> None:
    assert misplaced_rules(raw) == [f"{line} (teamclaude help rules)"]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"accounts": 3, "proxy": None, "routing": []},
        {"maxUsage": 0.5, "maxSpend": {}, "routes": [], "pins": {}, "keepWarm": {}, "quotaProbeSec": 600},
        {"accounts": [{**ALICE, "maxUsage": 0.5, "reserve": {"Fri": 0.1}, "allowExtraUsage": True}, None]},
        {"proxy": {"maxUsage": 0.5, "routes": []}},  # keys of another program: they are told of elsewhere
    ],
)
def test_a_rule_in_its_place_is_not_mentioned(raw: dict[str, Any]) -> None:
    assert misplaced_rules(raw) == []
