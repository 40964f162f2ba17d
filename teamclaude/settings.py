"""Declare a setting once, as a dataclass field with a default, a unit and a reason.

The config loader and `teamclaude help config` read these declarations; there is no second list.
Attribute names are snake_case, config keys camelCase.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:  # PEP 681, for type checkers alone

    def dataclass_transform(**_: Any) -> Any:
        return lambda cls: cls


__all__ = ["Settings", "camel_case", "config_key", "setting"]


@dataclass_transform(frozen_default=True)
class Settings:
    """Base of the classes that declare settings: a frozen dataclass with positional or keyword arguments.

    The methods that `dataclass` would generate and compile for each class are written here once: generating
    them took 5 ms of each start.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.__dataclass_fields__
        given = {**dict(zip(fields, values)), **named}
        if len(given) < len(values) + len(named) or given.keys() - fields.keys():
            raise TypeError(f"{type(self).__name__} takes {', '.join(fields)}, each once")
        self.__dict__.update(
            (name, given[name] if name in given else _default(field)) for name, field in fields.items()
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to {name}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete {name}")

    def _values(self) -> dict[str, Any]:
        """Return the fields: `__dict__` has cached properties, too."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(tuple(self._values().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in self._values().items())})"


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        raise TypeError(f"{field.name} is missing")
    return field.default


def setting(default: Any, why: str, *, unit: str = "", key: str = "", secret: bool = False) -> Any:
    """Return a dataclass field that is a config key.

    `why`: the reason for the setting and its default, in one sentence.  `unit`: its unit (`s`, `ms`, `MiB`,
    `fraction 0-1`, `tokens`...).  `key`: the config key, if not the attribute's name in camelCase.
    `secret`: its values are never shown.
    """
    metadata = {"why": why, "unit": unit, "key": key, "secret": secret}
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def camel_case(name: str) -> str:
    """Convert `switch_threshold` to `switchThreshold`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def config_key(field: dataclasses.Field[Any]) -> str:
    """Return the JSON key of a declared setting."""
    return field.metadata.get("key") or camel_case(field.name)
