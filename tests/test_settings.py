"""Settings: a declaration is a frozen dataclass, and what the manual says of the settings is true."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.config.settings_table import SettingRow, settings_table
from teamclaude.accounts.config.state_place import alert_state_path, state_path
from teamclaude.accounts.tokens.refresh_journal import token_side_path
from teamclaude.cli import main
from teamclaude.cli.commands.client.run import log_path
from teamclaude.cli.launch.settings_option import settings_directory
from teamclaude.cli.settings_edit.edited_files import undo_directory
from teamclaude.manual import page
from teamclaude.proxy.connect.certificates import tls_directory
from teamclaude.proxy.lifecycle.server_presence import presence_directory
from teamclaude.proxy.records.traffic_recorder import trace_directory
from teamclaude.proxy.reporting.live_history import history_path
from teamclaude.proxy.runtime import SPOOL_NAME
from teamclaude.settings import Settings, config_key, setting
from teamclaude.values import MISSING, fields, replace

PACKAGE = Path(__file__).resolve().parent.parent / "teamclaude"


class Knobs(Settings):
    key: str = setting(MISSING, "a key without a default")
    warm_sec: float = setting(5.0, "warmth", unit="s")
    names: dict[str, int] = setting({}, "names", key="nameTable")


def test_values_come_by_place_by_name_and_from_their_declarations() -> None:
    knobs = Knobs("k", warm_sec=7.0)
    assert (knobs.warm_sec, knobs.names, knobs.key) == (7.0, {}, "k")
    assert knobs.names is not Knobs(key="k").names, "each has its own"
    assert replace(knobs, key="l") == Knobs("l", 7.0, {})
    assert [config_key(field) for field in fields(Knobs)] == ["key", "warmSec", "nameTable"]
    assert repr(knobs) == "Knobs(key='k', warm_sec=7.0, names={})"


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), (("k",), {"warm_sec": 2.0, "key": "k"}), ((), {"key": "k", "x": 1}), (("k", 1, {}, 4), {})],
)
def test_a_missing_double_or_unknown_value_is_refused(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Knobs(*values, **named)


def test_nothing_changes_and_equal_values_are_equal() -> None:
    knobs = Knobs(key="k")
    with pytest.raises(AttributeError):
        knobs.key = "l"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del knobs.key
    assert knobs == Knobs(key="k") == copy.deepcopy(knobs)
    assert knobs != Knobs(key="l")
    others: tuple[object, ...] = (("k",), "k")
    assert knobs not in others

    class Plain(Settings):
        warm_sec: float = setting(5.0, "warmth")

    class Other(Settings):
        warm_sec: float = setting(5.0, "warmth")

    other: object = Other()
    assert Plain() != other
    assert hash(Plain()) == hash(Plain(5.0))


# --- `teamclaude help config` ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def help_words() -> dict[str, str]:
    """What `teamclaude help config` says of each setting, by name, with single spaces."""

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["help", "config"]) == 0
    table = out.getvalue().split("All settings\n------------\n")[1]
    entries = [block.split("\n", 1) for block in table.strip("\n").split("\n\n")]
    return {name: " ".join(text.split()) for name, text in entries}


def test_help_lists_every_setting_once_in_order(help_words: dict[str, str]) -> None:
    assert list(help_words) == [row.name for row in settings_table()]


@pytest.mark.parametrize("row", settings_table(), ids=lambda row: row.name)
def test_help_says_reason_type_unit_and_default(help_words: dict[str, str], row: SettingRow) -> None:
    default = f"default {row.default}" if row.default else "not set by default"
    about = ", ".join(part for part in (row.type, row.unit, default) if part)
    assert help_words[row.name] == " ".join(f"{row.why} ({about})".split())


def test_the_example_of_the_manual_is_a_valid_config() -> None:
    example = re.search(r"^    \{\n.*?^    \}\n", page("config"), re.M | re.S)
    assert example is not None
    config = parse_config(json.loads(example[0]), "example")
    assert [account.type for account in config.accounts] == ["oauth", "apikey"]


def test_every_key_that_the_manual_names_exists() -> None:
    known = {part for row in settings_table() for part in re.findall(r"\w+", row.name)}
    text = page("config")
    named = {*re.findall(r'"(\w+)":', text), *re.findall(r"\b[a-z]+(?:[A-Z][a-z]+)+\b", text)}
    assert len(named) > 5
    assert named <= known


def test_the_files_that_the_manual_names_are_the_ones_that_are_written() -> None:
    config = Path("/d/teamclaude.json")
    directories = {
        Path(trace_directory(config)),
        settings_directory(config),
        undo_directory(config),
        tls_directory(config),
        Path(token_side_path(config, "x")).parent,
        presence_directory(config),
        Path(SPOOL_NAME),
    }
    files = {state_path(config).name, alert_state_path(config).name, log_path(config).name}
    files.add(history_path(config).name)
    written = files | {f"{path.name}/" for path in directories}
    listed = set(re.findall(r"^  (teamclaude\.\S+)", page("config"), re.M))
    assert listed == written | {"teamclaude.json.lock"}


def test_every_environment_variable_that_the_manual_names_is_read() -> None:
    code = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    section = page("config").split("Environment variables\n---------------------\n")[1]
    named = re.findall(r"[A-Z]+(?:_[A-Z]+)+", section)
    assert "TEAMCLAUDE_CONFIG" in named
    assert [name for name in named if name not in code] == []
