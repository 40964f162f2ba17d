"""Files of the programs that this one takes over: what their keys become, and what is refused."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from teamclaude.accounts.config.config import Config, parse_config
from teamclaude.accounts.config.original_keys import ORIGINAL_KEYS, adapt, is_off
from teamclaude.errors import ConfigError
from teamclaude.manual import page
from teamclaude.routing.user_rules.caps import Caps
from tests.accounts.support import ConfigDir

HEX = "f81d4fae7dec11d0a765"
ACCOUNT = {"name": "bob", "accessToken": "sk-ant-oat01-FAKE"}


def raw_with(place: str, key: str, value: Any) -> dict[str, Any]:
    """A file with one key in one place."""
    raw: dict[str, Any] = {"proxy": {"port": 3456, "apiKey": "tc-FAKE"}, "accounts": [dict(ACCOUNT)]}
    {"": raw, "proxy": raw["proxy"], "accounts[]": raw["accounts"][0]}[place][key] = value
    return raw


def read(raw: Any) -> Config:
    return parse_config(raw, "f.json")


def fault(raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(raw)
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix("f.json: ")


REFUSED = [row for row in ORIGINAL_KEYS if row.fate == "refused" and row.key != "enabled"]


@pytest.mark.parametrize("row", REFUSED, ids=lambda r: r.path)
@pytest.mark.parametrize("value", [0.5, 0, "x", ["claude-opus"], {"a": 1}, True])
def test_what_protects_and_has_no_equivalent_is_refused(row: Any, value: Any) -> None:
    path = row.path.replace("[]", "[0]")
    assert fault(raw_with(row.place, row.key, value)) == (
        f"{path} is a key of another program that has no effect here: {row.text}. "
        "Remove the key to start without that"
    )


@pytest.mark.parametrize("row", [*REFUSED, *(row for row in ORIGINAL_KEYS if row.fate == "ignored")])
@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_what_is_off_protects_nobody(row: Any, value: Any) -> None:
    assert is_off(value)
    changed = read(raw_with(row.place, row.key, value))
    assert changed.accounts == read(raw_with("", "x", 1)).accounts


@pytest.mark.parametrize("value", [False, 0, "false"])
def test_an_account_that_is_switched_off_does_not_serve(value: Any) -> None:
    assert fault(raw_with("accounts[]", "enabled", value)).startswith(
        "accounts[0].enabled is a key of another"
    )


@pytest.mark.parametrize("value", [True, 1, "true", None, {}])
def test_an_account_that_is_switched_on_serves(value: Any) -> None:
    assert read(raw_with("accounts[]", "enabled", value)).accounts[0].disabled is False


def test_several_refused_keys_are_named_in_one_line() -> None:
    raw = {**raw_with("accounts[]", "modelMap", {"a": "b"}), "modelMap": {"a": "b"}}
    assert fault(raw).endswith("to start without that (the same holds for accounts[0].modelMap)")


def test_a_key_in_snake_case_is_the_same_key() -> None:
    assert fault(raw_with("", "model_map", {"a": "b"})).startswith("model_map is a key of another program")
    assert read(raw_with("", "hold_seconds", 60)).all_throttled_hold_budget_sec == 60


# --- mapped -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "fraction"),
    [
        ({"5h": 0.9, "7d": 0.98}, 0.9),
        ({"session": "90%", "weekly": 95}, 0.9),
        ({"default": 0.98, "opus": {"7d": 0.8}}, 0.8),
        ({"5h": None, "7d": False, "all": 1}, 1),
        ("0.97", 0.97),
        (False, None),
        ({}, None),
    ],
)
def test_a_table_of_thresholds_holds_with_its_smallest(table: Any, fraction: Any) -> None:
    assert read(raw_with("", "switchThreshold", table)).rules.switch_threshold == fraction


@pytest.mark.parametrize("table", [{"5h": "much"}, {"5h": -1}, {"5h": 101}, {"5h": [0.9]}, {"5h": "nan"}])
def test_a_table_without_fractions_is_an_error_with_its_path(table: Any) -> None:
    assert fault(raw_with("", "switchThreshold", table)).startswith("switchThreshold.5h: expected a fraction")


@pytest.mark.parametrize(
    ("place", "key", "value", "general", "own"),
    [
        ("", "maxUsage", "80%", 0.8, None),
        ("", "max_usage", 0.8, 0.8, None),
        ("", "maxUsage", {"session": "90%", "weekly": 60}, {"5h": 0.9, "7d": 0.6}, None),
        (
            "",
            "maxUsage",
            {"default": 0.7, "seven_day": 0.6, "opus": 0.3},
            {"5h": 0.7, "7d": 0.6, "7d_opus": 0.3},
            None,
        ),
        ("", "maxUsage", {"5h": {"a": 0.9, "b": 0.8}, "7d": None}, {"5h": 0.8}, None),
        ("", "maxUsage", False, None, None),
        ("proxy", "maxUsage", 0.8, 0.8, None),
        ("proxy", "maxUsage", {"5h": 80}, {"5h": 0.8}, None),
        ("accounts[]", "maxUsage", "80%", None, 0.8),
        ("accounts[]", "max_usage", 80, None, 0.8),
        ("accounts[]", "maxUsage", {"weekly": 0.5}, None, {"7d": 0.5}),
        ("accounts[]", "switchThreshold", 0.9, None, 0.9),
        ("accounts[]", "switchThreshold", {"5h": 95, "weekly": "80%"}, None, {"5h": 0.95, "7d": 0.8}),
        ("accounts[]", "switchThreshold", None, None, None),
    ],
)
def test_a_cap_is_one_of_ours(place: str, key: str, value: Any, general: Any, own: Any) -> None:
    config = read(raw_with(place, key, value))
    assert config.max_usage == (None if general is None else Caps.of(general))
    assert config.accounts[0].max_usage == (None if own is None else Caps.of(own))


@pytest.mark.parametrize(
    "value", [{"weekly": "much"}, {"ever": "0.5"}, "much", [0.5], {"5h": 101.5, "all": 1}]
)
@pytest.mark.parametrize("place", ["", "proxy", "accounts[]"])
def test_a_cap_that_cannot_be_read_is_an_error_with_its_path(place: str, value: Any) -> None:
    where = "accounts[0]." if place == "accounts[]" else f"{place}." if place else ""
    assert fault(raw_with(place, "maxUsage", value)).startswith(f"{where}maxUsage")


def test_a_number_of_percent_is_read_where_the_file_has_another_key_of_the_original() -> None:
    assert read({**raw_with("", "maxUsage", 80), "holdSeconds": 5}).max_usage == Caps.of(0.8)
    assert fault(raw_with("", "maxUsage", 80)).endswith(
        "maxUsage: expected a fraction from 0 to 1, got 80: write 0.8"
    )


@pytest.mark.parametrize("other", [{}, {"holdSeconds": 5}])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.5, "write 0.6 for 60 %"),
        (4.9, "write 0.6 for 60 %"),
        (True, "or one by window"),
        ({}, "leave the key out"),
    ],
)
@pytest.mark.parametrize("place", ["", "accounts[]"])
def test_a_cap_that_may_mean_two_things_or_none_is_an_error(
    place: str, value: Any, said: str, other: Any
) -> None:
    where = "accounts[0]." if place else ""
    text = fault({**raw_with(place, "maxUsage", value), **other})
    assert f"{where}maxUsage: expected a fraction from 0 to 1" in text
    assert said in text


def test_our_own_cap_beside_one_of_the_original_counts() -> None:
    raw = raw_with("accounts[]", "switchThreshold", 0.9)
    raw["accounts"][0]["maxUsage"] = 0.5
    raw["maxUsage"] = 0.4
    raw["proxy"]["maxUsage"] = 0.3
    adapted = adapt(raw)
    assert adapted.notes == (
        "proxy.maxUsage has no effect: maxUsage is set, too",
        "accounts[0].switchThreshold has no effect: maxUsage is set, too",
    )
    config = read(raw)
    assert (config.max_usage, config.accounts[0].max_usage) == (Caps.of(0.4), Caps.of(0.5))


def test_a_cap_of_ours_is_read_as_ever() -> None:
    for value in (0.8, 1, {"5h": 0.8, "7d_opus": 0.1}, {"month": 0.5}):
        raw = {**raw_with("accounts[]", "maxUsage", value), "maxUsage": value}
        assert adapt(raw) == (raw, ())
    assert fault(raw_with("accounts[]", "maxUsage", 80)).endswith("got 80: write 0.8")


def test_a_number_of_ours_is_read_as_ever() -> None:
    raw = raw_with("", "switchThreshold", 0.98)
    assert read(raw).rules.switch_threshold == 0.98
    assert adapt(raw) == (raw, ())


@pytest.mark.parametrize(
    ("value", "read_as"), [(False, "direct"), (True, None), ("socks5://h:1", "socks5://h:1")]
)
def test_a_proxy_that_is_switched_off_is_direct(value: Any, read_as: Any) -> None:
    assert read(raw_with("", "upstreamProxy", value)).upstream_proxy == read_as


DAY = 86400


@pytest.mark.parametrize(("value", "seconds"), [(0, 0), ("90", 90), (False, 0), (True, DAY), (None, DAY)])
def test_seconds_to_hold(value: Any, seconds: float) -> None:
    assert read(raw_with("", "holdSeconds", value)).all_throttled_hold_budget_sec == seconds


@pytest.mark.parametrize("value", [-1, "soon", [], "inf"])
def test_seconds_that_are_none(value: Any) -> None:
    assert fault(raw_with("", "holdSeconds", value)).startswith("holdSeconds: expected seconds")


def test_seconds_that_are_too_many_are_said_of_the_key_in_the_file() -> None:
    assert fault(raw_with("", "holdSeconds", 1e9)).startswith(
        "holdSeconds: expected seconds from 0 to 2592000"
    )


def test_our_own_key_goes_before_the_other() -> None:
    raw = {**raw_with("", "holdSeconds", 60), "allThrottledHoldBudgetSec": 5}
    assert read(raw).all_throttled_hold_budget_sec == 5
    assert adapt(raw).notes == ("holdSeconds has no effect: allThrottledHoldBudgetSec is set, too",)


@pytest.mark.parametrize(
    ("value", "seconds", "said"),
    [
        (600, 600.0, "quotaProbeSec 600.0"),
        (0, 0.0, "quotaProbeSec 0.0"),
        (60, 300.0, "quotaProbeSec 300.0, the least that it takes"),
        (None, 0.0, "as if it were not set"),
    ],
)
def test_probes_are_as_frequent_as_they_may_be(value: Any, seconds: float, said: str) -> None:
    raw = raw_with("", "quotaProbeSeconds", value)
    assert read(raw).quota_probe_sec == seconds
    (note,) = adapt(raw).notes
    assert note.endswith(said)


@pytest.mark.parametrize(
    ("value", "clients"),
    [
        (["tc-a", "tc-b"], {"client-1": "tc-a", "client-2": "tc-b"}),
        ("tc-a", {"client-1": "tc-a"}),
        ({"ci": "tc-a", "laptop": {"key": "tc-b"}}, {"ci": "tc-a", "laptop": "tc-b"}),
        ({"tc-a": "ci", "tc-b": {"name": "x"}}, {"ci": "tc-a", "x": "tc-b"}),
        ([{"name": "ci", "key": "tc-a"}, {"label": "ci", "token": "tc-b"}], {"ci": "tc-a", "ci-2": "tc-b"}),
        ([{"name": "old", "key": "tc-a", "enabled": False}, {"key": "tc-b", "disabled": True}], {}),
        (["tc-FAKE", "tc-a", "tc-a"], {"client-1": "tc-a"}),
        (
            [
                {"key": "tc-a", "active": False},
                {"key": "tc-b", "revoked": True},
                {"key": "tc-c", "enabled": 0},
            ],
            {},
        ),
        ([{"key": "tc-a", "active": True, "revoked": False}, "", False], {"client-1": "tc-a"}),
        ([None, {"key": "tc-a", "maxUsage": None}], {"client-1": "tc-a"}),
        ({"ci": False, "old": "", "tc-a": True}, {"client-1": "tc-a"}),
        # A long word is a key where nothing else is one, and a name beside a key.
        ({HEX: {"name": "ci"}}, {"ci": HEX}),
        ({HEX: True}, {"client-1": HEX}),
        ({"ci": HEX}, {"ci": HEX}),
        ({"continuous-integration-2": "tc-a"}, {"continuous-integration-2": "tc-a"}),
        ({"continuous-integration": "s3cret"}, {"continuous-integration": "s3cret"}),
        ({"tc-a": "continuous-integration-2"}, {"continuous-integration-2": "tc-a"}),
    ],
)
def test_keys_of_clients(value: Any, clients: dict[str, str]) -> None:
    found = read(raw_with("proxy", "clientKeys", value)).proxy.clients
    assert {client.name: client.key for client in found} == clients
    assert {client.role for client in found} <= {"client"}


def test_no_note_has_a_key() -> None:
    raw = raw_with("proxy", "clientKeys", {"ci tc-SECRET": "tc-a", "x": "tc-b"})
    assert adapt(raw).notes == ("proxy.clientKeys is read as proxy.clients: ci ***, x",)


def test_clients_of_both_kinds_are_joined() -> None:
    raw = raw_with("proxy", "clientKeys", {"ci": "tc-a", "x": "tc-b"})
    raw["proxy"]["clients"] = [
        {"name": "ci", "key": "tc-c", "role": "observer"},
        {"name": "b", "key": "tc-b"},
    ]
    found = read(raw).proxy.clients
    assert [(client.name, client.key) for client in found] == [
        ("ci", "tc-c"),
        ("b", "tc-b"),
        ("ci-2", "tc-a"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([{"key": "tc-SECRET", "maxUsage": 0.5}], "proxy.clientKeys[0].maxUsage is a limit of another"),
        ([{"name": "ci"}], 'proxy.clientKeys[0]: has no "key"'),
        ([7], "proxy.clientKeys[0]: expected a key, got a hidden number"),
        ([{"key": "tc-a", "a\nb\x1b": 1}], "proxy.clientKeys[0].a?b? is a limit of another program"),
        ([{"key": ["tc-a"]}], 'proxy.clientKeys[0]: has no "key"'),
        (12, "proxy.clientKeys: expected a list of keys, got a hidden number"),
        (["tc-SECRET with a blank"], "proxy.clientKeys[0]: contains a space"),
        ([{"key": "tc-a", "tc-SECRET": False}], "proxy.clientKeys[0].*** is a limit of another program"),
        ([{"key": "tc-a", "models": False}], "proxy.clientKeys[0].models is a limit of another program"),
        # "bob" must not open the proxy.
        ({"SECRETe7dec11d0a76500": "bob"}, "proxy.clientKeys[0]: which one is the key?"),
        ({"tc-SECRET": "tc-SECRET2"}, "proxy.clientKeys[0]: which one is the key?"),
    ],
)
def test_keys_that_can_not_be_read(value: Any, text: str) -> None:
    found = fault(raw_with("proxy", "clientKeys", value))
    assert found.startswith(text)
    assert "SECRET" not in found


# --- ignored, and the file itself -------------------------------------------------------------------------


def test_what_has_no_effect_is_noted() -> None:
    raw = {**raw_with("", "warmupSeconds", 60), "distributeSessions": True, "zeta": 1}
    assert read(raw) == read(raw_with("", "zeta", 1))
    assert [note.partition(":")[0] for note in adapt(raw).notes] == [
        "warmupSeconds has no effect",
        "distributeSessions has no effect",
    ]


def test_extra_usage_is_the_same_key_in_both() -> None:
    assert read(raw_with("", "allowExtraUsage", True)).allow_extra_usage
    assert adapt(raw_with("", "allowExtraUsage", True)).notes == ()


@pytest.mark.parametrize("odd", [{}, [], 7, None])
def test_keys_of_clients_beside_odd_ones_of_ours(odd: Any) -> None:
    raw = {"proxy": {"apiKey": odd, "clients": [{"name": odd, "key": odd}, odd], "clientKeys": ["tc-a"]}}
    assert adapt(raw).raw["proxy"]["clients"][-1] == {"name": "client-1", "key": "tc-a"}


@pytest.mark.parametrize("raw", [None, [], "x", {"proxy": 3, "accounts": "x"}, {"accounts": [1, None]}])
def test_other_shapes_are_left_to_the_reader(raw: Any) -> None:
    assert adapt(raw) == (raw, ())


def test_nothing_of_the_file_is_changed(config_dir: ConfigDir) -> None:
    raw = raw_with("proxy", "clientKeys", ["tc-a"])
    raw.update({"switchThreshold": {"5h": 0.9}, "holdSeconds": 5, "upstreamProxy": False})
    before = copy.deepcopy(raw)
    adapt(raw)
    assert raw == before
    config_dir.write(raw)
    config_dir.file.update(lambda written: written.update(record=True))
    assert config_dir.json == {**before, "record": True}
    assert config_dir.file.load().proxy.clients[0].key == "tc-a"


def test_each_line_is_said_once(config_dir: ConfigDir) -> None:
    assert config_dir.file.new_notes() == []
    config_dir.write(raw_with("", "warmupSeconds", 5))
    config_dir.file.load()
    (note,) = config_dir.file.new_notes()
    assert note.startswith(f"{config_dir.path}: warmupSeconds has no effect: ")
    assert config_dir.file.new_notes() == []
    config_dir.write(raw_with("", "holdSeconds", 5))
    config_dir.file.load()
    (note,) = config_dir.file.new_notes()
    assert note == f"{config_dir.path}: holdSeconds is read as allThrottledHoldBudgetSec 5.0"
    config_dir.write("{}")
    assert config_dir.file.new_notes() == []
    config_dir.file.load()
    assert config_dir.file.new_notes() == []
    config_dir.write(raw_with("", "holdSeconds", 5))
    config_dir.file.load()
    assert config_dir.file.new_notes() == [note], "it is there again"


# --- the manual -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ORIGINAL_KEYS, ids=lambda r: r.path)
def test_the_manual_has_the_table(row: Any) -> None:
    lines = [re.sub(r"\s+", " ", part) for part in re.split(r"\n(?=\S|    \S)", page("migrate"))]
    fate = f"{row.fate} to {row.to}" if row.to else row.fate
    assert f" {row.path} {fate}: {row.text}" in [line.rstrip() for line in lines]


def test_the_manual_has_no_other_row() -> None:
    rows = re.findall(r"^    (\S+) +(?:mapped to|refused|ignored)", page("migrate"), re.M)
    assert rows == [row.path for row in ORIGINAL_KEYS]
