"""What is declared behaves as a frozen dataclass does."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from teamclaude.settings import Settings, config_key, setting


class Knobs(Settings):
    warm_sec: float = setting(5.0, "warmth", unit="s")
    names: dict[str, int] = setting({}, "names", key="nameTable")
    key: str = setting(dataclasses.MISSING, "a key without a default")


def test_values_come_by_place_by_name_and_from_their_declarations() -> None:
    knobs = Knobs(7.0, key="k")
    assert (knobs.warm_sec, knobs.names, knobs.key) == (7.0, {}, "k")
    assert knobs.names is not Knobs(key="k").names, "each has its own"
    assert dataclasses.replace(knobs, key="l") == Knobs(7.0, {}, "l")
    assert [config_key(field) for field in dataclasses.fields(Knobs)] == ["warmSec", "nameTable", "key"]
    assert repr(knobs) == "Knobs(warm_sec=7.0, names={}, key='k')"


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1.0,), {"warm_sec": 2.0, "key": "k"}), ((), {"key": "k", "x": 1}), ((1, {}, "k", 4), {})],
)
def test_a_missing_double_or_unknown_value_is_refused(values: tuple, named: dict) -> None:
    with pytest.raises(TypeError):
        Knobs(*values, **named)


def test_nothing_changes_and_equal_values_are_equal() -> None:
    knobs = Knobs(key="k")
    with pytest.raises(dataclasses.FrozenInstanceError):
        knobs.key = "l"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del knobs.key
    assert knobs == Knobs(key="k") == copy.deepcopy(knobs)
    assert knobs != Knobs(key="l")
    assert knobs != ("k",)

    class Plain(Settings):
        warm_sec: float = setting(5.0, "warmth")

    class Other(Settings):
        warm_sec: float = setting(5.0, "warmth")

    assert Plain() != Other()
    assert hash(Plain()) == hash(Plain(5.0))
