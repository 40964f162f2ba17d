"""`dataclass` and `NamedTuple` as in the standard library, made in a tenth of the time.

Those compile source text for each class and each annotation, and `dataclasses` loads inspect, ast, dis and
tokenize: a third of the CPU time that a command or a server needed before its first line of work.  Here one
function is compiled for all classes of the same shape, and each class gets it with its own names.

Type checkers see the originals.  Supported is what this program uses of them: the annotations are text
(`from __future__ import annotations`), and a class is compared and printed by functions that all share.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from operator import attrgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Callable, Optional

__all__ = ["MISSING", "Field", "NamedTuple", "dataclass", "field", "fields", "is_dataclass", "replace"]


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()  # the default of a field without one


class Field:
    """What is declared of one field of a dataclass."""

    __slots__ = ("compare", "default", "default_factory", "init", "metadata", "name", "repr")

    def __init__(
        self,
        default: Any = MISSING,
        default_factory: Any = MISSING,
        metadata: Optional[Mapping[str, Any]] = None,
        init: bool = True,
        repr: bool = True,
        compare: bool = True,
    ) -> None:
        if default_factory is not MISSING and not init:
            raise TypeError("a default that is made for each instance is an argument")
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.metadata = metadata or {}
        self.init = init
        self.repr = repr
        self.compare = compare


class _Factory:
    """The default of an argument whose value is made for each instance."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


# --- code -----------------------------------------------------------------------------------------


def _with_names(pattern: FunctionType, names: Mapping[str, str], owner: str, defaults: Iterable[Any]) -> Any:
    """Return a function like `pattern`, whose arguments and attributes `f0`, `f1`... have other names."""
    code: CodeType = pattern.__code__
    own = code.replace(
        co_varnames=tuple(names.get(name, name) for name in code.co_varnames),
        co_names=tuple(names.get(name, name) for name in code.co_names),
        co_consts=tuple(names.get(value, value) if type(value) is str else value for value in code.co_consts),
    )
    made = FunctionType(own, pattern.__globals__, pattern.__name__, tuple(defaults))
    made.__qualname__ = f"{owner}.{pattern.__name__}"
    return made


def _compiled(source: str, name: str) -> FunctionType:
    known: dict[str, Any] = {"_set": object.__setattr__, "_new": tuple.__new__, "_Factory": _Factory}
    exec(source, known)
    function: FunctionType = known[name]
    return function


@cache
def _init_pattern(count: int, factories: tuple[int, ...], frozen: bool, has_post_init: bool) -> FunctionType:
    """Return `__init__` for fields called f0, f1, ...; those at `factories` may be made by their default."""
    lines = [f"def __init__({', '.join(['self', *(f'f{number}' for number in range(count))])}):", " pass"]
    for number in range(count):
        value = name = f"f{number}"
        if number in factories:
            value = f"{name}.make() if {name}.__class__ is _Factory else {name}"
        lines.append(f" _set(self, '{name}', {value})" if frozen else f" self.{name} = {value}")
    if has_post_init:
        lines.append(" self.__post_init__()")
    return _compiled("\n".join(lines), "__init__")


@cache
def _new_pattern(count: int) -> FunctionType:
    """Return `__new__` of a named tuple with fields called f0, f1, ..."""
    names = "".join(f"f{number}, " for number in range(count))
    return _compiled(f"def __new__(_cls, {names}):\n return _new(_cls, ({names}))", "__new__")


# --- dataclasses ----------------------------------------------------------------------------------


def _dataclass(
    cls: Optional[type] = None,
    *,
    frozen: bool = False,
    init: bool = True,
    eq: bool = True,
    repr: bool = True,
) -> Any:
    """Give a class the methods that its annotations and the flags ask for; see `dataclasses.dataclass`."""
    if cls is None:
        return lambda cls: _dataclass(cls, frozen=frozen, init=init, eq=eq, repr=repr)
    own = _declared(cls)
    methods: dict[str, Any] = {"__dataclass_fields__": {entry.name: entry for entry in own}}
    if init:
        methods["__init__"] = _init(cls, [entry for entry in own if entry.init], frozen)
    if repr and "__repr__" not in cls.__dict__:
        shown = tuple(entry.name for entry in own if entry.repr)
        methods["__repr__"] = lambda self: (
            f"{type(self).__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in shown])})"
        )
    if frozen:
        methods["__setattr__"], methods["__delattr__"] = _refuse_change, _refuse_deletion
    if eq and "__eq__" not in cls.__dict__:
        methods.update(_comparison([entry.name for entry in own if entry.compare], frozen))
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def _declared(cls: type) -> list[Field]:
    """Return the fields of a class, those of its bases first."""
    found: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:]):
        found.update(base.__dict__.get("__dataclass_fields__", {}))
    for name, hint in _annotations(cls).items():
        if hint.startswith("ClassVar"):
            continue
        entry = cls.__dict__.get(name, MISSING)
        if not isinstance(entry, Field):
            entry = Field(entry)
        elif entry.default is MISSING:
            delattr(cls, name)
        else:
            setattr(cls, name, entry.default)
        entry.name = name
        found[name] = entry
    return list(found.values())


def _annotations(cls: type) -> dict[str, str]:
    if sys.version_info >= (3, 10):
        return cls.__annotations__
    return cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - getattr would find those of a base


def _init(cls: type, own: list[Field], frozen: bool) -> Any:
    factories = tuple(n for n, entry in enumerate(own) if entry.default_factory is not MISSING)
    defaults = [
        entry.default if entry.default_factory is MISSING else _Factory(entry.default_factory)
        for entry in own
        if entry.default is not MISSING or entry.default_factory is not MISSING
    ]
    for entry in own[: len(own) - len(defaults)]:
        if entry.default is not MISSING or entry.default_factory is not MISSING:
            raise TypeError(f"{cls.__qualname__}: a field without a default follows {entry.name}")
    pattern = _init_pattern(len(own), factories, frozen, hasattr(cls, "__post_init__"))
    names = {f"f{number}": entry.name for number, entry in enumerate(own)}
    return _with_names(pattern, names, cls.__qualname__, defaults)


def _comparison(names: list[str], frozen: bool) -> dict[str, Any]:
    """Return `__eq__` and `__hash__` by the values of these fields."""
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda self: ()

    def equals(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def hashed(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": equals, "__hash__": hashed if frozen else None}


def _refuse_change(self: Any, name: str, value: Any) -> None:
    raise AttributeError(f"cannot assign to {name}")


def _refuse_deletion(self: Any, name: str) -> None:
    raise AttributeError(f"cannot delete {name}")


def fields(owner: Any) -> tuple[Field, ...]:
    """Return the fields of a dataclass, or of an instance of one."""
    return tuple(owner.__dataclass_fields__.values())


def is_dataclass(value: Any) -> bool:
    """Return whether a class is a dataclass, or a value an instance of one."""
    return hasattr(value, "__dataclass_fields__")


def _replace(instance: Any, **changes: Any) -> Any:
    """Return an instance of the same dataclass with other values."""
    for name, entry in instance.__dataclass_fields__.items():
        if entry.init and name not in changes:
            changes[name] = getattr(instance, name)
    return type(instance)(**changes)


# --- named tuples ---------------------------------------------------------------------------------

_getter: Callable[[int, str], Any] = collections._tuplegetter  # type: ignore[attr-defined]


class _Tuple(tuple):  # type: ignore[type-arg]
    """The methods that all named tuples share."""

    __slots__ = ()
    _fields = ()  # type: tuple[str, ...]  # an annotation would be a type hint of all named tuples

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Any:
        made = tuple.__new__(cls, values)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, **changes: Any) -> Any:
        made = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return made

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self))

    def __repr__(self) -> str:
        shown = ", ".join([f"{name}={value!r}" for name, value in zip(self._fields, self)])
        return f"{type(self).__name__}({shown})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


class _NamedTupleMaker(type):
    """Makes a class with the base `NamedTuple` a tuple with the annotated fields."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(cls, name, bases, body)
        names = tuple(body.get("__annotations__", ()))
        defaults = {key: body[key] for key in names if key in body}
        if tuple(defaults) != names[len(names) - len(defaults) :]:
            raise TypeError(f"{name}: a field without a default follows one with a default")
        renamed = {f"f{number}": key for number, key in enumerate(names)}
        new = _with_names(_new_pattern(len(names)), renamed, body["__qualname__"], defaults.values())
        members = {"__slots__": (), "__match_args__": names, **body, "__new__": new}
        members.update(_fields=names, _field_defaults=defaults)
        members.update((key, _getter(number, "")) for number, key in enumerate(names))
        return type(name, (_Tuple,), members)


class _NamedTuple(metaclass=_NamedTupleMaker):
    """Base of a class whose annotations are the fields of a tuple; see `typing.NamedTuple`."""


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import NamedTuple
else:
    NamedTuple, dataclass, field, replace = _NamedTuple, _dataclass, Field, _replace
