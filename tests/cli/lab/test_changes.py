"""`--cap`, `--reserve`, `--tuning` and `--without`."""

from __future__ import annotations

import argparse

import pytest

from teamclaude.cli.lab.changes import (
    check_accounts,
    check_caps,
    parse_cap,
    parse_reserve,
    parse_values,
    parse_without,
    variants_of,
)
from teamclaude.errors import UsageError
from teamclaude.lab.scenario import ScenarioSettings
from teamclaude.lab.study.changes import AccountCap, Variant
from teamclaude.lab.study.worlds import World
from teamclaude.routing.user_rules.caps import Caps


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("alice=0.6", AccountCap("alice", "", 0.6)),
        ("alice@example.com:5h=1", AccountCap("alice@example.com", "5h", 1.0)),
        ("acct1:7d_opus=0", AccountCap("acct1", "7d_opus", 0.0)),
    ],
)
def test_a_cap_is_of_all_windows_or_of_one(text, cap):
    assert parse_cap(text) == cap


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alice", "is no cap: alice=0.6"),
        ("=0.6", "is no cap"),
        (":5h=0.6", "is no cap"),
        ("alice=80", "a fraction 0-1, got 80: write 0.8"),
        ("alice=-1", "a fraction 0-1, got -1"),
        ("alice=nan", "a fraction 0-1"),
        ("alice=x", '"x" is not a number'),
    ],
)
def test_a_wrong_cap_is_one_line(text, told):
    with pytest.raises(argparse.ArgumentTypeError, match=told):
        parse_cap(text)


@pytest.mark.parametrize(
    ("caps", "told"),
    [
        (["alice:9h=0.5"], '--cap alice:9h: no window "9h", the accounts have 5h, 7d'),
        (["alice:7d_opus=0.5"], 'no window "7d_opus"'),
        (["alice=0.5", "bob=0.5", "alice=0.4"], "--cap: alice is capped twice"),
        (["alice:5h=0.5", "alice:5h=0.5"], "--cap: alice:5h is capped twice"),
    ],
)
def test_a_cap_without_effect_is_one_line(caps, told):
    with pytest.raises(UsageError, match=told):
        check_caps([parse_cap(text) for text in caps], ScenarioSettings().axes)


def test_an_account_may_have_a_cap_for_each_window_of_its_own():
    caps = [parse_cap(text) for text in ("alice=0.5", "alice:5h=0.5", "bob:7d_opus=0.5")]
    check_caps(caps, ScenarioSettings(opus_window=0.3).axes)


def test_values_are_of_the_kind_of_the_default():
    assert parse_values("gate_sec=0,home_bonus=1.5") == (("gate_sec", 0.0), ("home_bonus", 1.5))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gate_sek=1", 'no value "gate_sek"; did you mean "gate_sec"'),
        ("zzz=1", "known: gate_sec, "),
        ("gate_sec", "write NAME=VALUE"),
        ("gate_sec=x", '"x" is not a number'),
    ],
)
def test_a_wrong_value_is_one_line(text, told):
    with pytest.raises(argparse.ArgumentTypeError, match=told):
        parse_values(text)


def test_price_is_played_as_it_is_and_with_each_change():
    one, two = (("gate_sec", 0.0),), (("home_bonus", 1.0),)
    assert variants_of(["price", "pace"], [one, two, one]) == [
        Variant("price"), Variant("price", one), Variant("price", two), Variant("pace"),
    ]  # fmt: skip
    assert variants_of(["pace"], []) == [Variant("pace")]
    with pytest.raises(UsageError, match="changes the policy price"):
        variants_of(["pace"], [one])


def test_a_reserve_has_hours_and_a_share():
    account, reserve = parse_reserve("alice=Mon-Fri 9:30-17:0.3")
    assert (account, reserve.hours.text, reserve.parts) == ("alice", "Mon-Fri 9:30-17", Caps.of(0.3))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alice", "is no reserve"),
        ("alice=0.3", "is no reserve"),
        ("alice=Mon-Fri:x", '"x" is not a number'),
        ("alice=Foo 9-17:0.3", 'alice: "Foo 9-17" names no hours'),
        ("alice=Mon-Fri:30", "alice"),
    ],
)
def test_a_wrong_reserve_is_one_line(text, told):
    with pytest.raises(argparse.ArgumentTypeError, match=told) as reported:
        parse_reserve(text)
    assert len(str(reported.value).splitlines()) == 1


def test_a_value_may_be_switched_off():
    assert parse_without("gate_sec") == (("gate_sec", 0.0),)
    with pytest.raises(argparse.ArgumentTypeError, match="did you mean"):
        parse_without("gate_sek")


def test_a_cap_names_an_account_of_every_world():
    worlds = [World("small", "", ScenarioSettings(sizes=(1.0, 1.0))), World("", "", ScenarioSettings())]
    check_accounts(["acct2"], worlds)
    with pytest.raises(UsageError, match='no account "acct3", the world small has acct1 to acct2'):
        check_accounts(["acct3"], worlds)
    with pytest.raises(UsageError, match='no account "alice", it has acct1 to acct4'):
        check_accounts(["alice"], worlds[1:])
