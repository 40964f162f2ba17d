"""The table of all settings that `teamclaude help config` prints, generated from their declarations."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

from ...values import NamedTuple
from .config import Config
from .schema import (
    INLINE,
    REQUIRED,
    Declaration,
    declarations,
    is_section,
    to_json,
    type_description,
    unwrap_optional,
)

__all__ = ["SettingRow", "settings_table"]


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
