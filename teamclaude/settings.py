"""How a setting is declared: once, as a dataclass field with a default, a unit and a reason.

The config loader, `teamclaude help config` and the README table all read these declarations;
there is no second list.  Attribute names are snake_case, config keys camelCase.
"""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["camel_case", "config_key", "setting"]


def setting(default: Any, why: str, *, unit: str = "", key: str = "", secret: bool = False) -> Any:
    """A dataclass field that is a config key.

    `why` is the reason for the setting and its default in one sentence, `unit` its unit
    (`s`, `ms`, `MiB`, `fraction 0-1`, `tokens`...), `key` the config key where camelCase of the
    attribute is not it, `secret` marks values that are never shown.
    """
    metadata = {"why": why, "unit": unit, "key": key, "secret": secret}
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def camel_case(name: str) -> str:
    """`switch_threshold` -> `switchThreshold`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def config_key(field: dataclasses.Field[Any]) -> str:
    """The JSON key of a declared setting."""
    return field.metadata.get("key") or camel_case(field.name)
