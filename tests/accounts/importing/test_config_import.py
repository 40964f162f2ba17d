"""What becomes of another config file, key by key."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.original_keys import ORIGINAL_KEYS
from teamclaude.accounts.importing.config_import import ConfigImport, add_settings, plan_import
from teamclaude.errors import ConfigError

ANN = {"name": "ann", "accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE"}


def plan(raw: dict[str, Any], *dropped: str) -> ConfigImport:
    return plan_import({**raw, "accounts": raw.get("accounts", [])}, dropped)


def lines(raw: dict[str, Any], *dropped: str) -> list[str]:
    found = [str(line) for line in plan(raw, *dropped).reports]
    assert not any("FAKE" in line or "\n" in line for line in found)
    return found


def test_each_key_has_one_line_in_the_files_order() -> None:
    raw = {
        "holdSeconds": 60,
        "zeta": 1,
        "proxy": {"host": "::", "apiKey": "tc-FAKE", "port": 1, "mood": 1, "clientKeys": ["tc-FAKE2"]},
        "switchThreshold": {"5h": 0.9},
        "drainSec": "x",
        "quotaProbeSeconds": 5,
        "modelMap": {},
        "upstream": None,
        "accounts": [{**ANN, "mood": 1}, {"name": "x"}, 3],
    }
    assert lines(raw) == [
        "holdSeconds: mapped to allThrottledHoldBudgetSec: the same seconds",
        "zeta: ignored: it is not known here",
        "proxy.host: kept",
        "proxy.apiKey: ignored: the present config file has its own",
        "proxy.port: ignored: the present config file has its own",
        "proxy.mood: ignored: it is not known here",
        "proxy.clientKeys: mapped to proxy.clients: each key is a client with the role client",
        "switchThreshold: mapped to switchThreshold: the smallest value of the table, for all windows",
        'drainSec: ignored: expected seconds from 0 to 2592000 (30 days), got "x"',
        "quotaProbeSeconds: mapped to quotaProbeSec: the same seconds, 300 at least",
        "modelMap: ignored: it is off",
        "accounts[0].mood: ignored: it is not known here",
        'accounts[1]: ignored: account "x" has neither accessToken nor importFrom; log in again',
        "accounts[2]: ignored: expected an object, got a hidden number",
    ]
    assert plan(raw).settings == {
        "allThrottledHoldBudgetSec": 60.0,
        "proxy": {"host": "::", "clients": [{"name": "client-1", "key": "tc-FAKE2"}]},
        "switchThreshold": 0.9,
        "quotaProbeSec": 300.0,
    }


@pytest.mark.parametrize("row", [row for row in ORIGINAL_KEYS if row.fate == "refused"], ids=lambda r: r.path)
def test_what_is_refused_is_given_up_by_name_only(row: Any) -> None:
    raw: dict[str, Any] = {"proxy": {}, "accounts": [dict(ANN)]}
    value = False if row.key == "enabled" else {"a": 1}
    {"": raw, "proxy": raw["proxy"], "accounts[]": raw["accounts"][0]}[row.place][row.key] = value
    path = row.path.replace("[]", "[0]")
    assert plan(raw).refused == (path,)
    assert f"{path}: refused: {row.text}" in lines(raw)
    for name in (path, row.path, row.key):
        assert plan(raw, "other", name).refused == ()
        assert f"{path}: ignored: given up: {row.text}" in lines(raw, name)
    assert [account.name for account in plan(raw, path).accounts] == ["ann"]


def test_a_mapped_key_that_can_not_be_read_is_ignored_with_its_reason() -> None:
    raw = {"holdSeconds": "soon", "switchThreshold": {"5h": 0.9}}
    assert lines(raw)[0] == 'holdSeconds: ignored: expected seconds from 0 to 2592000 (30 days), got "soon"'
    assert plan(raw).settings == {"switchThreshold": 0.9}


def test_settings_are_added_where_there_are_none() -> None:
    ours: dict[str, Any] = {"proxy": {"port": 1, "host": "::1"}, "drainSec": 5, "upstream": None}
    theirs = {
        "proxy": {"host": "::", "trustLoopback": "any"},
        "drainSec": 6,
        "upstream": "https://x",
        "record": True,
    }
    assert add_settings(ours, theirs) == ["proxy.host", "drainSec"]
    assert ours == {
        "proxy": {"port": 1, "host": "::1", "trustLoopback": "any"},
        "drainSec": 5,
        "upstream": "https://x",
        "record": True,
    }


def test_a_key_of_another_program_that_the_present_file_has_stays_in_force() -> None:
    ours: dict[str, Any] = {"proxy": {"clientKeys": ["tc-FAKE"]}, "holdSeconds": 5}
    theirs = {"proxy": {"clients": [{"name": "b", "key": "tc-FAKE2"}]}, "allThrottledHoldBudgetSec": 900}
    assert add_settings(ours, theirs) == ["proxy.clients", "allThrottledHoldBudgetSec"]
    assert ours == {"proxy": {"clientKeys": ["tc-FAKE"]}, "holdSeconds": 5}


def test_a_line_of_the_report_obeys_no_key() -> None:
    assert lines({"a\nb\x1b[2J": 1}) == ["a?b?[2J: ignored: it is not known here"]


def test_no_credential_of_a_key_is_in_the_report() -> None:
    raw = {"sk-ant-FAKE": 1, "accounts": [{**ANN, "tc-FAKE": 1}]}
    assert lines(raw) == [
        "***: ignored: it is not known here",
        "accounts[0].***: ignored: it is not known here",
    ]


def test_a_mapped_key_beside_a_setting_that_can_not_be_read() -> None:
    raw = {"proxy": {"clientKeys": ["tc-FAKE"], "clients": [{"name": "b", "key": "tc-FAKE2", "share": 2}]}}
    assert lines(raw) == [
        "proxy.clients: ignored: proxy.clients[0].share: expected a fraction from 0 to 1, got 2",
        "proxy.clientKeys: mapped to proxy.clients: each key is a client with the role client",
    ]
    assert plan(raw).settings == {}


def test_a_mapped_key_that_makes_a_setting_that_can_not_be_read() -> None:
    raw = {"proxy": {"clientKeys": {"a\nb": "tc-FAKE"}}}
    assert any(
        line.startswith("proxy.clients: ignored: proxy.clients[0].name: contains a line")
        for line in lines(raw)
    )
    assert plan(raw).settings == {}


def test_a_mapped_key_beside_our_own() -> None:
    raw = {"proxy": {"clientKeys": ["tc-FAKE"], "clients": [{"name": "b", "key": "tc-FAKE2"}]}}
    assert "proxy.clients: kept" in lines(raw)
    assert len(plan(raw).settings["proxy"]["clients"]) == 2


def test_a_section_of_another_kind_has_a_line() -> None:
    assert lines({"proxy": ["x"], "routing": 3}) == [
        "proxy: ignored: expected an object, got a list",
        "routing: ignored: expected an object with policy, got 3",
    ]


def test_what_runs_something_or_leads_elsewhere_is_told() -> None:
    runs = {"name": "k", "type": "apikey", "credentialCommand": ["/opt/get", "sk-FAKE"]}
    raw = {
        "alerts": [{"when": "hold", "run": "notify"}, {"when": "hold", "url": "https://x/FAKE"}],
        "accounts": [runs, {**ANN, "upstream": "https://x.example", "proxy": "http://u:FAKE@h:1"}],
    }
    assert lines(raw) == [
        "alerts: kept: they run notify",
        "accounts[0].credentialCommand: kept: /opt/get is run, as you",
        "accounts[1].upstream: kept: its requests go to https://x.example",
        "accounts[1].proxy: kept: its requests go through that proxy",
    ]
    assert plan(raw).runs_programs(False)
    assert plan({"alerts": raw["alerts"]}).runs_programs(True)
    assert not plan({"alerts": raw["alerts"]}).runs_programs(False)
    assert not plan({"accounts": [ANN]}).runs_programs(True)


def test_so_many_accounts_are_nobodys() -> None:
    many = [{"name": f"k{n}", "apiKey": "x"} for n in range(201)]
    with pytest.raises(ConfigError, match=r"^has 201 accounts; 200 are the most"):
        plan({"accounts": many})
    assert len(plan({"accounts": many[:200]}).accounts) == 200
