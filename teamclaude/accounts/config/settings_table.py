"""The table of all settings that `teamclaude help config` prints, generated from their declarations."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...brief import MOST_LINES, brief_list
from ...values import NamedTuple
from .config import Config
from .original_keys import original_keys_in
from .rules.rule_notes import RULES
from .schema import (
    INLINE,
    REQUIRED,
    Declaration,
    declarations,
    is_section,
    keys_of,
    to_json,
    type_description,
    unwrap_optional,
)

__all__ = ["SettingRow", "meant_setting", "settings_table", "unknown_key_notes"]

_CUTOFF = 0.7  # of difflib: what `schema` refuses as a misspelling is above 0.8


class SettingRow(NamedTuple):
    """One setting.

    `name` is the path in the file (`proxy.port`, `accounts[].name`); `default` is JSON, `required` or empty
    for "not set".
    """

    name: str
    type: str
    unit: str
    default: str
    why: str


def settings_table() -> list[SettingRow]:
    """Return all keys in the order of declaration; a list of objects is followed by its keys."""
    return list(_rows(Config, ""))


def _rows(section: type, prefix: str) -> Iterator[SettingRow]:
    for entry in declarations(section):
        hint, optional = unwrap_optional(entry.hint)
        name = prefix + entry.key
        if entry.key == INLINE:
            yield from _rows(hint, prefix)
        elif is_section(hint):
            if optional:  # the section itself can be set or not
                yield _row(name, entry)
            yield from _rows(hint, name + ".")
        else:
            yield _row(name, entry)
            if typing.get_origin(hint) is tuple and is_section(typing.get_args(hint)[0]):
                yield from _rows(typing.get_args(hint)[0], name + "[].")


def _row(name: str, entry: Declaration) -> SettingRow:
    return SettingRow(name, _type_name(entry.hint), entry.unit, _default(entry), entry.why)


def _default(entry: Declaration) -> str:
    if entry.default is REQUIRED:
        return "required"
    if entry.default is None:
        return ""
    value = entry.default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(to_json(value, entry.unit))


def _type_name(hint: Any) -> str:
    """Return a type's short name, without its range (which the unit gives)."""
    hint = unwrap_optional(hint)[0]
    if hasattr(hint, "json_type"):
        return str(hint.json_type())
    scalars = {bool: "true/false", int: "whole number", float: "number", str: "text"}
    if hint in scalars:
        return scalars[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return f"list of {_type_name(inner[0])}s".replace("texts", "text")
    return type_description(hint).replace("an object", "object")


# --- keys that no setting has ---------------------------------------------------------------------


def unknown_key_notes(raw: Mapping[str, Any]) -> list[str]:
    """Return lines on keys of the top level that are no settings: what was meant, and the others in one.

    Misplaced rules and another program's keys are told elsewhere.
    """
    known = {*keys_of(Config), *RULES}
    unknown = [key for key in raw if key not in known]
    foreign = {each.path for each in original_keys_in(dict(raw))} if unknown else set()
    unknown = [key for key in unknown if key not in foreign]
    if not unknown:
        return []
    names = [row.name for row in settings_table()]
    meant = {key: meant_setting(key, names) for key in unknown}
    lines = [f"{key} is no setting; did you mean {name}?" for key, name in meant.items() if name]
    others = brief_list((key for key, name in meant.items() if not name), MOST_LINES)
    return [*lines, f"no setting: {others} (teamclaude help config)"] if others else lines


def meant_setting(path: str, known: Sequence[str]) -> str:
    """Return which of the settings `known` an unknown key resembles, best one beside it; or empty."""
    import difflib

    last = path.rpartition(".")[2].lower()
    elsewhere = [name for name in known if name.rpartition(".")[2].lower() == last]
    if elsewhere:
        return elsewhere[0]
    beside = re.sub(r"\[\d+\]", "[]", path).rpartition(".")[0]
    # Of two that are spelled alike the one beside it is meant.
    known = sorted(known, key=lambda name: name.rpartition(".")[0] == beside)
    lower = {name.rpartition(".")[2].lower(): name for name in known}
    near = difflib.get_close_matches(last, lower, n=1, cutoff=_CUTOFF)
    return lower[near[0]] if near else ""
