"""Declare a setting once, as a dataclass field with a default, a unit and a reason.

The config loader and `teamclaude help config` read these declarations; there is no second list.
Attribute names are snake_case, config keys camelCase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .values import MISSING, Field, dataclass, fields

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:  # PEP 681, for type checkers alone

    def dataclass_transform(**_: Any) -> Any:
        return lambda cls: cls


__all__ = ["Settings", "camel_case", "config_key", "setting"]


@dataclass_transform(frozen_default=True)
class Settings:
    """Base of the classes that declare settings: each is a frozen dataclass.

    `__init__` is written here once: to compile one for each class took 3 ms of each start.
    """

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, init=False, repr=False)(cls)

    def __init__(self, *values: Any, **named: Any) -> None:
        declared = {field.name: field for field in fields(self)}
        given = {**dict(zip(declared, values)), **named}
        if len(given) < len(values) + len(named) or given.keys() - declared.keys():
            raise TypeError(f"{type(self).__name__} takes {', '.join(declared)}, each once")
        self.__dict__.update(
            (name, given[name] if name in given else _default(field)) for name, field in declared.items()
        )

    def __repr__(self) -> str:
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"{type(self).__name__}({values})"


def _default(field: Field) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    if field.default is MISSING:
        raise TypeError(f"{field.name} is missing")
    return field.default


def setting(
    default: Any, why: str, *, unit: str = "", key: str = "", secret: bool = False, module: str = ""
) -> Any:
    """Return a dataclass field that is a config key.

    `why`: the reason for the setting and its default, in one sentence.  `unit`: its unit (`s`, `ms`, `MiB`,
    `fraction 0-1`, `tokens`...).  `key`: the config key, if not the attribute's name in camelCase.
    `secret`: its values are never shown.  `module`: the one of this package that has the class in the type;
    it is loaded when somebody uses the key.
    """
    metadata = {"why": why, "unit": unit, "key": key, "secret": secret, "module": module}
    if isinstance(default, (dict, list)):
        return Field(default_factory=lambda: type(default)(default), metadata=metadata)
    if isinstance(default, type):
        return Field(default_factory=default, metadata=metadata)
    return Field(default=default, metadata=metadata)


def camel_case(name: str) -> str:
    """Convert `switch_threshold` to `switchThreshold`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def config_key(field: Field) -> str:
    """Return the JSON key of a declared setting."""
    return field.metadata.get("key") or camel_case(field.name)
