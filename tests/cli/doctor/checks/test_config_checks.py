"""Findings about the config file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import Config, parse_config
from teamclaude.cli.doctor.checks.config_checks import check_config
from teamclaude.cli.doctor.facts.config_facts import ConfigFacts
from teamclaude.cli.doctor.facts.unknown_keys import UnknownKey
from teamclaude.cli.doctor.finding import Action, Group
from tests.cli.doctor.support import by_id, ids

PATH = Path("/home/me/my config.json")
ALICE: dict[str, Any] = {"name": "alice", "accessToken": "t"}


def config_of(*accounts: dict[str, Any], **proxy: Any) -> Config:
    raw: dict[str, Any] = {"apiKey": "k", **proxy}
    return parse_config({"proxy": raw, "accounts": list(accounts)}, "")


GOOD = ConfigFacts(PATH, exists=True, mode=0o600, config=config_of(ALICE))


def check(facts: ConfigFacts, is_local: bool = True) -> Group:
    return check_config(facts, "~/my config.json", is_local)


def test_a_good_file() -> None:
    group = check(GOOD)
    assert (group.summary, ids(group)) == ("~/my config.json, 1 account", [])


def test_a_missing_file_and_one_that_is_gone() -> None:
    assert ids(check(ConfigFacts(PATH))) == ["config.missing"]
    assert ids(check(ConfigFacts(PATH, has_state=True))) == ["config.gone"]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"problem": "can't be read: Permission denied", "config": None}, "config.unreadable"),
        ({"invalid": "line 3, column 5: expecting value", "config": None}, "config.invalid"),
        ({"owner": 1001, "mode": 0o644}, "config.owner"),
        ({"dangers": ("others can replace the files in /x; run: chmod go-w /x",)}, "config.directory"),
        ({"unknown": (UnknownKey("banana", ""),)}, "config.unknown-key"),
        ({"unknown": (UnknownKey("apiKey", "proxy.apiKey"),)}, "config.misspelt-key"),
        ({"original": ("proxy.clientKeys is read as proxy.clients",)}, "config.original-key"),
        ({"duplicates": ("alice stands twice",)}, "config.duplicate-account"),
        ({"config": config_of()}, "config.no-account"),
        ({"config": config_of({**ALICE, "disabled": True})}, "config.all-disabled"),
    ],
)
def test_what_is_wrong(changed: dict[str, object], wanted: str) -> None:
    assert ids(check(GOOD._replace(**changed))) == [wanted]  # type: ignore[arg-type]


def test_a_loose_mode_is_mended_by_a_command_that_a_shell_understands() -> None:
    finding = by_id(check(GOOD._replace(mode=0o644)))["config.mode"]
    assert finding.mend == "chmod 600 '/home/me/my config.json'"
    assert finding.fix is not None
    assert finding.fix.action == Action("chmod", str(PATH), 0o600)


def test_a_server_for_other_machines_needs_a_key() -> None:
    without = GOOD._replace(config=config_of(ALICE, apiKey=None))
    assert ids(check(without)) == []
    assert ids(check(without, is_local=False)) == ["config.no-key"]
    assert ids(check(GOOD, is_local=False)) == []


def test_a_directory_of_a_danger_has_its_command() -> None:
    facts = GOOD._replace(dangers=("others can replace it; run: chmod go-w /x",))
    finding = by_id(check(facts))["config.directory"]
    assert (finding.text, finding.mend) == ("others can replace it", "chmod go-w /x")


def test_many_unknown_keys_are_a_few_lines() -> None:
    keys = [UnknownKey(f"k{n}", "") for n in range(50)] + [UnknownKey(f"m{n}", "port") for n in range(50)]
    group = check(GOOD._replace(unknown=tuple(keys)))
    assert ids(group) == ["config.misspelt-key"] * 5 + ["config.unknown-key"]
    assert group.findings[-1].text == "no setting: k0, k1, k2, k3, k4 and 90 more"


def test_one_account_that_serves_is_enough() -> None:
    two = config_of({**ALICE, "disabled": True}, {"name": "bob", "accessToken": "t"})
    assert ids(check(GOOD._replace(config=two))) == []


def test_as_many_unknown_keys_as_have_room_are_all_named() -> None:
    keys = tuple(UnknownKey(f"k{n}", "") for n in range(5))
    assert check(GOOD._replace(unknown=keys)).findings[0].text == "no setting: k0, k1, k2, k3, k4"


@pytest.mark.parametrize("changed", [{"mode": 0o620}, {"owner": 7}, {"dangers": ("others can replace it",)}])
def test_a_program_in_a_file_that_others_can_change(changed: dict[str, Any]) -> None:
    with_program = config_of({"name": "a", "type": "apikey", "credentialCommand": ["pass"]})
    assert "config.command" in ids(check(GOOD._replace(config=with_program, **changed)))
    assert "config.command" not in ids(check(GOOD._replace(**changed)))
    assert ids(check(GOOD._replace(config=with_program))) == []
    assert ids(check(GOOD._replace(config=with_program, mode=0o644))) == ["config.mode"]
    # --fix would have the next reload run what others wrote.
    assert all(
        finding.fix is None for finding in check(GOOD._replace(config=with_program, mode=0o622)).findings
    )
