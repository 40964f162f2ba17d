"""Read JSON into declared settings by walking dataclass fields and their type hints.

A section is a subclass of `Settings` whose fields are declared with `setting` (settings.py), the only
declaration of a key.  Supported hints: bool, int, float, str, Optional, Literal, tuple[X, ...],
Mapping[str, X], sections, NamedTuples (small records without declarations of their own), and classes with
`from_json(value, path)`, `to_json()` and `json_type()`, which read and describe themselves.

Rules for reading:
1. null means "not set": the default applies.  So does "" for an optional value.
2. A missing key without a default and a wrong value are ConfigErrors with the key's path.
3. An unknown key that resembles a known absent key is a misspelling: a ConfigError; in a section whose
   `all_keys_matter` every unknown key is one, and so is a known one with the value "".
   Any other unknown key belongs to another version and is ignored.
"""

from __future__ import annotations

import importlib
import json
import sys
import typing
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from ...errors import ConfigError
from ...settings import Settings, config_key
from ...values import MISSING, fields, is_dataclass
from . import value_types

__all__ = [
    "COMMAND",
    "INLINE",
    "REQUIRED",
    "TIMES",
    "Declaration",
    "Section",
    "declarations",
    "is_section",
    "keys_of",
    "read",
    "to_json",
    "type_description",
    "unwrap_optional",
]

T = TypeVar("T")
_PACKAGE = __name__.partition(".")[0]

MAX_KEYS_SHOWN = 3  # of a section that is no object
# The default of a required setting.
REQUIRED = MISSING
# The unit of a program with its arguments; without arguments the path alone may stand for the list.
COMMAND = "program, arguments"
# The unit of times of day; a single one may stand for the list, too.
TIMES = "time of day"
# A number of these fails as an entry, in words that say what is expected.
_ONE_FOR_A_LIST: dict[str, tuple[type, ...]] = {COMMAND: (str,), TIMES: (str, int, float)}
# The `key` of a section whose keys are in the object of the enclosing section.
INLINE = "."


class Section(Settings):
    """Base of the classes that make up the config; the repr masks secrets."""

    def problem(self) -> str:
        """Return what is wrong between the values of this section, or an empty text."""
        return ""

    def __repr__(self) -> str:
        shown = (f"{d.name}={d.masked(getattr(self, d.name))}" for d in declarations(type(self)))
        return f"{type(self).__name__}({', '.join(shown)})"


class Declaration:
    """One key of a section: the arguments of `setting` and the type hint.

    The hint is evaluated when it is asked for: 3 ms for all of them, and a file has few of the keys.
    """

    def __init__(
        self,
        name: str,
        hint: str,
        module: str,
        key: str = "",
        default: Any = MISSING,
        unit: str = "",
        why: str = "",
        secret: bool = False,
        late_module: str = "",
    ) -> None:
        self.name = name
        self.key = key or name
        self.default = default
        self.unit = unit
        self.why = why
        self.secret = secret
        self._hint, self._module, self._late_module = hint, module, late_module

    @cached_property
    def hint(self) -> Any:
        """The type of the key."""
        known = vars(sys.modules[self._module])
        late = importlib.import_module(f"{_PACKAGE}.{self._late_module}") if self._late_module else None
        return eval(self._hint, known, None if late is None else vars(late))

    def masked(self, value: object) -> str:
        """Return the value for a repr; secrets are masked."""
        return "***" if self.secret and value else repr(value)


def declarations(cls: type) -> tuple[Declaration, ...]:
    """Return the keys of a section or record, in order of declaration."""
    if cls not in _DECLARATIONS:
        _DECLARATIONS[cls] = tuple(_declarations_of(cls))
    return _DECLARATIONS[cls]


# They are made once per class; if two threads do it at once, the results are equal.
_DECLARATIONS: dict[type, tuple[Declaration, ...]] = {}


def _declarations_of(cls: type) -> Iterator[Declaration]:
    if not is_dataclass(cls):
        for name, hint in cls.__annotations__.items():
            yield Declaration(name, hint, cls.__module__)
        return
    for field in fields(cls):
        factory, metadata = field.default_factory, field.metadata
        default = field.default if factory is MISSING else factory()
        described = metadata["unit"], metadata["why"], metadata["secret"], metadata["module"]
        yield Declaration(field.name, field.hint, field.module, config_key(field), default, *described)


def unwrap_optional(hint: Any) -> tuple[Any, bool]:
    """Return a hint without its Optional, and whether it had one."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Union:
        return parts[0], True
    return hint, False


def is_section(hint: Any) -> bool:
    """Return whether a hint is a section, without Optional."""
    return is_dataclass(hint)


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


# --- reading ------------------------------------------------------------------------------------


def read(cls: type[T], raw: object, where: str = "") -> T:
    """Return the section or record `cls` of a JSON object; `where` is its path.

    Raise ConfigError, `accounts[2].expiresAt: expected milliseconds, got "x"`.
    """
    prepared = getattr(cls, "prepared", None)  # writes short forms out
    raw = raw if prepared is None else prepared(raw)
    if not isinstance(raw, dict):
        keys = list(keys_of(cls))
        few = f" with {', '.join(keys)}" if len(keys) <= MAX_KEYS_SHOWN else ""
        raise _error(where, f"expected an object{few}, got {value_types.safe_repr(raw)}")
    _reject_misspelled(cls, raw, where)
    if getattr(cls, "all_keys_matter", False):
        _reject_empty(raw, where)
    value = cls(**{d.name: _read_key(d, raw, where) for d in declarations(cls)})
    problem = value.problem() if isinstance(value, Section) else ""
    if problem:
        raise _error(where, problem)
    return value


def _read_key(entry: Declaration, raw: dict[str, Any], where: str) -> Any:
    if entry.key == INLINE:
        return read(entry.hint, {key: raw[key] for key in keys_of(entry.hint) if key in raw}, where)
    value = raw.get(entry.key)
    if value is None and entry.default is not REQUIRED:
        return entry.default
    path = f"{where}.{entry.key}" if where else entry.key
    hint, optional = unwrap_optional(entry.hint)
    if value is None or (value == "" and optional):
        if entry.default is REQUIRED:
            raise _error(path, f"is missing; expected {type_description(hint, entry.unit)}")
        return entry.default
    return _read_value(hint, value, path, entry)


def _read_value(hint: Any, value: Any, path: str, entry: Declaration) -> Any:
    origin = typing.get_origin(hint)
    if hasattr(hint, "from_json"):  # a value that can be written in several ways reads itself
        return hint.from_json(value, path)
    if is_section(hint) or _is_record(hint):
        return read(hint, value, path)
    if origin is tuple:
        if isinstance(value, _ONE_FOR_A_LIST.get(entry.unit, ())):
            value = [value]
        items = _expect_type(list, value, path, entry)
        inner = typing.get_args(hint)[0]
        return tuple(_read_value(inner, item, f"{path}[{n}]", entry) for n, item in enumerate(items))
    if origin is not None and origin is not typing.Literal:
        pairs = _expect_type(dict, value, path, entry)
        inner = typing.get_args(hint)[1]
        return {
            key: _read_value(inner, item, path + _path_segment(key), entry) for key, item in pairs.items()
        }
    try:
        if origin is typing.Literal:
            return _read_choice(hint, value, entry)
        return _read_scalar(hint, value, entry)
    except ConfigError as error:
        raise _error(path, str(error)) from None


def _read_scalar(kind: type, value: Any, entry: Declaration) -> Any:
    if kind is bool:
        return value_types.read_bool(value, entry.unit, entry.secret)
    if kind is str:
        return value_types.read_text(value, entry.unit, entry.secret)
    return value_types.read_number(kind, value, entry.unit, entry.secret)


def _read_choice(hint: Any, value: Any, entry: Declaration) -> Any:
    for choice in typing.get_args(hint):
        if type(value) is type(choice) and value == choice:  # 1 == True, but has another type
            return choice
    raise ConfigError(f"expected {type_description(hint)}, got {value_types.safe_repr(value, entry.secret)}")


def _expect_type(kind: type, value: Any, path: str, entry: Declaration) -> Any:
    if not isinstance(value, kind):
        expected = "a list" if kind is list else "an object"
        raise _error(path, f"expected {expected}, got {value_types.safe_repr(value, entry.secret)}")
    return value


def _error(where: str, text: str) -> ConfigError:
    return ConfigError(f"{where}: {text}" if where else text)


def _path_segment(key: str) -> str:
    """Return a key of a mapping as part of a path: `.name`, or `["a b"]`."""
    return f".{key}" if key.replace("-", "_").isidentifier() else f"[{value_types.safe_repr(key)}]"


# --- misspelt keys ------------------------------------------------------------------------------


def keys_of(cls: type) -> Iterator[str]:
    """Yield the keys that a section or record has in JSON."""
    for entry in declarations(cls):
        if entry.key == INLINE:
            yield from keys_of(entry.hint)
        else:
            yield entry.key


def _reject_misspelled(cls: type, raw: Mapping[str, Any], where: str) -> None:
    known = set(keys_of(cls))
    unknown = [key for key in raw if key not in known]
    if not unknown:
        return
    # A known key that is present was not the one meant.
    absent = {_normalized_key(key): key for key in sorted(known - raw.keys())}
    for key in unknown:
        meant = _closest_key(_normalized_key(key), absent)
        path = (where + _path_segment(key)).lstrip(".")
        if not meant and getattr(cls, "all_keys_matter", False):
            raise _error(path, f"is not a setting; here are {', '.join(sorted(known))}")
        if meant:
            raise _error(path, f'is not a setting; did you mean "{meant}"?{_way_of_a_whole_file(key, meant)}')


def _reject_empty(raw: Mapping[str, Any], where: str) -> None:
    for key, value in raw.items():
        if value == "":
            raise _error(where + _path_segment(key), 'expected a value, got ""; leave the key out')


def _way_of_a_whole_file(key: str, meant: str) -> str:
    """Return the command that reads a file in snake_case, if `key` is only spelled so."""
    same = "_" in key and _normalized_key(key) == _normalized_key(meant)
    return " (teamclaude import --from FILE takes over a whole file that is spelled so)" if same else ""


def _closest_key(key: str, absent: Mapping[str, str]) -> str:
    import difflib

    swapped = [plain for plain in absent if sorted(plain) == sorted(key)]
    near = swapped or difflib.get_close_matches(key, absent, n=1, cutoff=0.8)
    return absent[near[0]] if near else ""


def _normalized_key(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


# --- writing and describing ---------------------------------------------------------------------


def to_json(value: Any, unit: str = "") -> Any:
    """Return a declared value as the config file stores it; a section without its defaults."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_section(type(value)):
        return _section_json(value)
    if _is_record(type(value)):
        return {name: to_json(item) for name, item in value._asdict().items()}
    if isinstance(value, tuple):
        return [to_json(item, unit) for item in value]
    if isinstance(value, Mapping):
        return {key: to_json(item, unit) for key, item in value.items()}
    return value_types.epoch_ms(value) if unit == "ms" and value is not None else value


def _section_json(section: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in declarations(type(section)):
        value = getattr(section, entry.name)
        if entry.key == INLINE:
            found.update(_section_json(value))
        elif value != entry.default:
            found[entry.key] = to_json(value, entry.unit)
    return found


def type_description(hint: Any, unit: str = "") -> str:
    """Describe a type for a person: `text`, `a list of text`, `true, false or "any"`."""
    hint = unwrap_optional(hint)[0]
    origin = typing.get_origin(hint)
    if hasattr(hint, "json_type"):
        return f"a {hint.json_type()}"
    if origin is typing.Literal:
        choices = [json.dumps(choice) for choice in typing.get_args(hint)]
        return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    if origin is tuple:
        inner = type_description(typing.get_args(hint)[0], unit)
        return "a list of " + ("objects" if inner == "an object" else inner)
    if origin is not None or is_section(hint) or _is_record(hint):
        return "an object"
    return value_types.expected_text(hint, unit)
