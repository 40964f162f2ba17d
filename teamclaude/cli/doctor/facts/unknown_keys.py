"""Find the keys of a config file that no setting has: misspelt, of another version, or in the wrong place."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

from ....accounts.config.config import Config
from ....accounts.config.schema import INLINE, declarations, is_section, unwrap_optional
from ....accounts.config.settings_table import meant_setting, settings_table
from ....values import NamedTuple

__all__ = ["UnknownKey", "unknown_keys"]


class UnknownKey(NamedTuple):
    """A key by its path, `accounts[1].prio`; `meant` is the setting that it resembles, or empty."""

    path: str
    meant: str


def unknown_keys(raw: Mapping[str, Any]) -> list[UnknownKey]:
    """Return the unknown keys of a file's JSON, in its order; values of a wrong type are passed over."""
    known = [row.name for row in settings_table()]
    return [UnknownKey(path, meant_setting(path, known)) for path in _paths(Config, raw, "")]


def _paths(section: type, raw: Mapping[str, Any], where: str) -> Iterator[str]:
    hints = dict(_hints(section))
    for key, value in raw.items():
        path = f"{where}.{key}" if where else key
        if key not in hints:
            yield path
            continue
        hint = hints[key]
        if is_section(hint) and isinstance(value, dict):
            yield from _paths(hint, value, path)
        elif typing.get_origin(hint) is tuple and isinstance(value, list):
            inner = typing.get_args(hint)[0]
            for place, item in enumerate(value):
                if is_section(inner) and isinstance(item, dict):
                    yield from _paths(inner, item, f"{path}[{place}]")


def _hints(section: type) -> Iterator[tuple[str, Any]]:
    for entry in declarations(section):
        if entry.key == INLINE:
            yield from _hints(entry.hint)
        else:
            yield entry.key, unwrap_optional(entry.hint)[0]
