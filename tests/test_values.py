"""Dataclasses and named tuples of the package behave as those of the standard library do."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
from functools import cached_property
from typing import Any, ClassVar, Optional

import pytest

from teamclaude import values
from teamclaude.values import NamedTuple, dataclass, field, fields, is_dataclass, replace
from tests.test_floors import SOURCES, imports


@dataclass(frozen=True)
class Frozen:
    name: str
    self_made: list[int] = field(default_factory=list)
    secret: str = field(default="s", repr=False)
    note: str = field(default="", compare=False)
    kind: ClassVar[str] = "kind"

    @cached_property
    def upper(self) -> str:
        return self.name.upper()


@dataclass(frozen=True)
class Longer(Frozen):
    name: str = "long"
    end: int = 0


@dataclass
class Open:
    f0: int
    total: int = field(init=False)
    f1: int = 2

    def __post_init__(self) -> None:
        self.total = self.f0 + self.f1


@dataclass(eq=False, repr=False)
class Identity:
    at: float = 0.0


class Point(NamedTuple):
    y: int
    x: int = 5
    f0: Optional[str] = None

    @property
    def sum(self) -> int:
        return self.x + self.y


class Empty(NamedTuple):
    pass


def test_a_frozen_value_compares_prints_and_refuses_changes() -> None:
    one = Frozen("a", note="n")
    assert one == Frozen("a", [], "s", "other") != Frozen("b")
    assert one.self_made is not Frozen("a").self_made
    assert repr(one) == "Frozen(name='a', self_made=[], note='n')"
    assert (one.upper, one.kind, Frozen.secret) == ("A", "kind", "s")
    assert not hasattr(Frozen, "self_made")
    with pytest.raises(AttributeError, match="cannot assign to name"):
        one.name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot delete name"):
        del one.name
    assert len({Longer(self_made=()), Longer(self_made=())}) == 1  # type: ignore[arg-type]


def test_fields_of_a_base_come_first_and_may_be_declared_again() -> None:
    assert [entry.name for entry in fields(Longer)] == ["name", "self_made", "secret", "note", "end"]
    assert (Longer().name, Longer(end=3).end) == ("long", 3)
    frozen: object = Frozen("long")
    assert Longer() != frozen


def test_an_open_value_can_be_changed_and_is_not_hashed() -> None:
    value = Open(1)
    value.f1 = 7
    assert repr(value) == "Open(f0=1, total=3, f1=7)"
    assert value != Open(1, 7)  # whose total is 8
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)
    assert Identity() != Identity()
    assert len({Identity(), Identity()}) == 2


def test_copies_and_replacements() -> None:
    one = Frozen("a", [1])
    assert replace(one, name="b") == Frozen("b", [1])
    assert replace(Open(1), f1=5) == Open(1, 5)
    assert copy.deepcopy(one) == one == pickle.loads(pickle.dumps(one))
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
    assert [is_dataclass(value) for value in (Frozen, one, Point, 3)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("cls", "values", "named"),
    [
        (Frozen, (), {}),
        (Frozen, ("a",), {"nme": "b"}),
        (Frozen, ("a",), {"name": "b"}),
        (Point, (), {}),
        (Point, (1, 2, None, 4), {}),
    ],
)
def test_wrong_arguments_are_refused(cls: Any, values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"__(init|new)__\(\)"):
        cls(*values, **named)


@pytest.mark.parametrize("frozen", [True, False])
def test_the_first_instance_of_a_class_is_made_like_all_others(frozen: bool) -> None:
    def new_class() -> Any:
        hints = {"name": "str", "made": "list", "note": "str"}
        made: Any = field(default_factory=list)
        cls = type("Made", (), {"__annotations__": dict(hints), "made": made, "note": "n"})
        return dataclass(frozen=frozen)(cls)

    good: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        (("a",), {}),
        ((), {"name": "a"}),
        (("a",), {"note": "m"}),
        (("a", [1]), {"note": "m"}),
        (("a", [1], "m"), {}),
    ]
    for words, named in good:
        cls = new_class()
        first, second = cls(*words, **named), cls(*words, **named)
        assert first == second
        assert vars(first) == vars(second)
        assert (first.made is second.made) == (len(words) > 1)
    bad: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        (("a",), {"name": "b"}),
        (("a",), {"nme": "b"}),
        (("a", [], "n", 4), {}),
    ]
    for words, named in bad:
        cls = new_class()
        for _ in range(2):
            with pytest.raises(TypeError, match=r"__init__\(\)"):
                cls(*words, **named)
        assert cls("a").note == "n"


def test_a_named_tuple_is_a_tuple_with_names() -> None:
    point: Any = Point(1, f0="t")
    assert point == (1, 5, "t")
    assert (point.y, point.x, point.f0, point.sum) == (1, 5, "t", 6)
    assert repr(point) == "Point(y=1, x=5, f0='t')"
    assert point._replace(y=3, f0=None) == Point(3) == Point._make([3, 5, None])
    assert point._asdict() == {"y": 1, "x": 5, "f0": "t"}
    assert (Point._fields, Point._field_defaults) == (("y", "x", "f0"), {"x": 5, "f0": None})
    assert (Empty(), Point.__dict__["__match_args__"]) == ((), Point._fields)
    assert typing.get_type_hints(Point) == {"y": int, "x": int, "f0": Optional[str]}
    with pytest.raises(ValueError, match="unexpected field names"):
        point._replace(z=1)
    with pytest.raises(TypeError, match="Expected 3 arguments, got 1"):
        Point._make([1])
    with pytest.raises(AttributeError):
        point.y = 2
    with pytest.raises(AttributeError):
        point.other = 2


def test_each_class_has_the_arguments_of_its_own_names() -> None:
    assert list(inspect.signature(Point).parameters) == ["y", "x", "f0"]
    Open(1)
    assert list(inspect.signature(Open).parameters) == ["f0", "f1"]
    assert inspect.signature(Point).parameters["x"].default == 5


def test_a_default_before_a_field_without_one_is_refused() -> None:
    with pytest.raises(TypeError, match="is an argument"):
        values.Field(default_factory=list, init=False)
    with pytest.raises(TypeError, match="a field without a default follows"):
        dataclass(type("Bad", (), {"__annotations__": {"a": "int", "b": "int"}, "a": 1}))
    body = {"__annotations__": {"a": "int", "b": "int"}, "a": 1, "__qualname__": "Bad", "__module__": "bad"}
    with pytest.raises(TypeError, match="a field without a default follows"):
        values._NamedTupleMaker("Bad", (values._NamedTuple,), body)


def test_the_package_makes_its_values_here() -> None:
    """One class of `dataclasses` would load inspect, ast and tokenize again."""
    found = [
        f"{path.name}:{line}"
        for path in SOURCES
        for line, target in imports(path)
        if target == "dataclasses" and path.name != "values.py"
    ]
    assert found == []
