"""`dataclass` and `NamedTuple` as in the standard library, made in a tenth of the time.

Those compile source text for each class and each annotation, and `dataclasses` loads inspect, ast, dis and
tokenize: a third of the CPU time that a command or a server needed before its first line of work.  Here the
`__init__` of a dataclass is compiled for its first instance, and the named tuples with as many fields share
the code of their `__new__`; other methods are shared by all classes.

That `__new__` is a call of Python.  What is made for each request is made by `tuple.__new__`, nine times:
that saves 2 % of the bytecodes of a small request and 8 % of its calls.

Type checkers see the originals.  Supported is what this program uses of them; the annotations are text
(`from __future__ import annotations`).
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from operator import attrgetter
from types import FunctionType

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

__all__ = ["MISSING", "Field", "NamedTuple", "dataclass", "field", "fields", "is_dataclass", "replace"]


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()  # the default of a field without one


class Field:
    """What is declared of one field of a dataclass."""

    __slots__ = (
        "compare",
        "default",
        "default_factory",
        "hint",
        "init",
        "metadata",
        "module",
        "name",
        "repr",
    )

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
        self.hint = ""  # the annotation, a text that is to be read in `module`
        self.module = ""
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
        entry.name, entry.hint, entry.module = name, hint, cls.__module__
        found[name] = entry
    return list(found.values())


def _annotations(cls: type) -> dict[str, str]:
    if sys.version_info >= (3, 10):
        return cls.__annotations__
    return cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - getattr would find those of a base


def _init(cls: type, own: list[Field], frozen: bool) -> Any:
    defaults = [
        entry.default if entry.default_factory is MISSING else _Factory(entry.default_factory)
        for entry in own
        if entry.default is not MISSING or entry.default_factory is not MISSING
    ]
    for entry in own[: len(own) - len(defaults)]:
        if entry.default is not MISSING or entry.default_factory is not MISSING:
            raise TypeError(f"{cls.__qualname__}: a field without a default follows {entry.name}")

    is_first = True

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        """Compile the real one for the second instance: a process has none or one of most classes."""
        nonlocal is_first
        if is_first and not hasattr(cls, "__post_init__"):
            is_first = False
            found = _arguments(own, values, named)
            if found is not None:
                for name, value in found.items():
                    object.__setattr__(self, name, value)
                return
        made = _compiled_init(own, frozen, hasattr(cls, "__post_init__"))
        made.__defaults__ = tuple(defaults)
        made.__qualname__ = f"{cls.__qualname__}.__init__"
        cls.__init__ = made  # type: ignore[misc]
        made(self, *values, **named)

    return __init__


def _arguments(own: list[Field], values: tuple[Any, ...], named: dict[str, Any]) -> Optional[dict[str, Any]]:
    """Return the values of the fields; None if an argument is missing or one too many."""
    found = {entry.name: value for entry, value in zip(own, values)}
    if len(values) > len(own) or not found.keys().isdisjoint(named):
        return None
    for entry in own[len(values) :]:
        if entry.name in named:
            found[entry.name] = named[entry.name]
        elif entry.default_factory is not MISSING:
            found[entry.name] = entry.default_factory()
        elif entry.default is not MISSING:
            found[entry.name] = entry.default
        else:
            return None
    return found if named.keys() <= found.keys() else None


def _compiled_init(own: list[Field], frozen: bool, has_post_init: bool) -> FunctionType:
    lines = [f"def __init__({', '.join(['self', *(entry.name for entry in own)])}):", " pass"]
    for entry in own:
        value = name = entry.name
        if entry.default_factory is not MISSING:
            value = f"{name}.make() if {name}.__class__ is _Factory else {name}"
        lines.append(f" _set(self, '{name}', {value})" if frozen else f" self.{name} = {value}")
    if has_post_init:
        lines.append(" self.__post_init__()")
    known: dict[str, Any] = {"_set": object.__setattr__, "_Factory": _Factory}
    exec("\n".join(lines), known)
    made: FunctionType = known["__init__"]
    return made


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


@cache
def _new_pattern(count: int) -> FunctionType:
    """Return `__new__` of a named tuple with so many fields."""
    names = "".join(f"f{number}, " for number in range(count))
    made: FunctionType = eval(f"lambda _cls, {names}: _new(_cls, ({names}))", {"_new": tuple.__new__})
    return made


def _new(owner: str, names: tuple[str, ...], defaults: tuple[Any, ...]) -> FunctionType:
    """Return `__new__` with these arguments: the code of the pattern, in which they have other names."""
    pattern = _new_pattern(len(names))
    code = pattern.__code__.replace(co_varnames=("_cls", *names), co_name="__new__")
    made = FunctionType(code, pattern.__globals__, "__new__", defaults)
    made.__qualname__ = f"{owner}.__new__"
    return made


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
        new = _new(body["__qualname__"], names, tuple(defaults.values()))
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
