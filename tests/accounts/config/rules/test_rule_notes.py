"""Rules that stand where they are not read; how many lines are told of many."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.config.rules.rule_notes import brief_notes, misplaced_rules, rule_notes
from teamclaude.brief import MOST_LINES

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


def accounts(**rules: Any) -> list[dict[str, Any]]:
    return [{**ALICE, "name": f"a{n}", "accessToken": f"t{n}", **rules} for n in range(1000)]


@pytest.mark.parametrize(
    ("raw", "kinds"),
    [
        ({"routes": [{"match": f"m-{n % 2}*", "accounts": ["a"]} for n in range(1000)]}, 2),
        ({"routes": [{"match": f"m-{n}", "accounts": [f"x{n}"]} for n in range(1000)]}, 2),
        ({"routes": [{"match": f"m{n}", "accounts": ["a"], "block": "no"} for n in range(1000)]}, 2),
        ({"routes": [{"match": {"client": f"c{n}"}, "accounts": ["a"]} for n in range(1000)]}, 2),
        ({"routes": [{"match": "m-1", "accounts": [f"x{n}" for n in range(1000)]}]}, 2),
        ({"pins": {f"/w/{n}": f'x{n}"] y' for n in range(1000)}}, 1),
        ({"pins": {f"d{n} e": "a" for n in range(1000)}}, 1),
        ({"keepWarm": {f"x{n}] y": "08:30" for n in range(1000)}}, 1),
        ({"maxUsage": {f"axis{n}": 0.5 for n in range(1000)}}, 1),
        ({"accounts": accounts(maxUsage=0, maxSpend={"day": 3})}, 2),
        ({"accounts": accounts(reserve={f"Fri {n}-{n + 1}": 0 for n in range(23)})}, 1),
        ({"accounts": accounts(maxUsage={f"axis {n}": 0.5 for n in range(20)})}, 1),
    ],
)
def test_of_a_thousand_notes_a_few_are_told(raw: dict[str, Any], kinds: int) -> None:
    config = parse_config({"accounts": [{**ALICE, "name": "a"}], **raw}, "file")
    notes = rule_notes(config)
    told = brief_notes(notes)
    assert len(notes) > 900
    assert len(told) <= kinds * (MOST_LINES + 1)
    assert sum(int(line.split("and ")[-1].split()[0]) - 1 for line in told if line.endswith("like that")) == (
        len(notes) - len(told)
    )


def test_a_rule_in_a_thousand_wrong_places_is_a_few_lines() -> None:
    notes = misplaced_rules({"accounts": accounts(pins={}, keepWarm={}), "proxy": {"maxSpend": {}}})
    told = brief_notes(notes)
    assert len(notes) == 2001
    assert [line for line in told if "like that" in line] == [
        "accounts[].pins: and 995 more like that",
        "accounts[].keepWarm: and 995 more like that",
    ]
    assert len(told) == 2 * (MOST_LINES + 1) + 1


def test_notes_that_differ_in_kind_are_all_told() -> None:
    rules = [{"match": "*", "accounts": ["a"]}, {"match": "m-1", "accounts": []}]
    config = parse_config({"accounts": [{**ALICE, "name": "a"}], "routes": rules}, "file")
    assert brief_notes(rule_notes(config)) == rule_notes(config)


def test_two_accounts_with_one_token_are_one_line_without_it() -> None:
    entries = [ALICE, {"name": "bob", "accessToken": "sk-other"}, {**ALICE, "name": "carol"}]
    keys = [{"name": name, "type": "apikey", "apiKey": "sk-ant-api03-FAKE"} for name in ("k1", "k2")]
    found = rule_notes(parse_config({"accounts": [*entries, *keys]}, "f"))
    said = "they are one login, whose windows count twice; remove one"
    assert found == [
        f'accounts[2] "carol" has the same token as "alice": {said}',
        f'accounts[4] "k2" has the same token as "k1": {said}',
    ]
    assert "sk-" not in "".join(found)
