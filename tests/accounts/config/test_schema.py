"""The schema: hints, nulls, misspelt keys, unknown keys, and writing JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Optional

import pytest

from teamclaude.accounts.config.schema import (
    INLINE,
    REQUIRED,
    Section,
    declarations,
    read,
    to_json,
    type_description,
)
from teamclaude.errors import ConfigError
from teamclaude.settings import Settings, setting
from teamclaude.values import NamedTuple


class Point(NamedTuple):
    x: float
    y: float


class Knobs(Settings):
    warm_sec: float = setting(5.0, "warmth", unit="s")


class Part(Section):
    name: str = setting(REQUIRED, "name")
    token: Optional[str] = setting(None, "token", secret=True)
    ends_at: Optional[float] = setting(None, "end", unit="ms")


class Whole(Section):
    part: Optional[Part] = setting(None, "one part")
    parts: tuple[Part, ...] = setting((), "many parts")
    knobs: Knobs = setting(Knobs, "knobs", key=INLINE)
    mode: Literal[True, False, "any"] = setting(True, "mode")
    words: tuple[str, ...] = setting(("a",), "words")
    points: tuple[Point, ...] = setting((), "points")
    named: Mapping[str, Point] = setting({}, "points by name")
    max_mib: int = setting(1, "size", key="maxMiB")

    def problem(self) -> str:
        return "mode and part exclude each other" if self.mode == "any" and self.part else ""


FULL: dict[str, Any] = {
    "part": {"name": "p", "token": "sk-FAKE", "endsAt": 1774384968427},
    "parts": [{"name": "q"}],
    "warmSec": 7,
    "mode": False,
    "words": ["b", "c"],
    "points": [{"x": 1, "y": 2}],
    "named": {"n": {"x": 3, "y": 4.5}},
    "maxMiB": 2,
}


def fault(raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(Whole, raw)
    return str(caught.value)


def test_an_empty_object_is_all_defaults() -> None:
    assert read(Whole, {}) == Whole()
    assert read(Whole, {}).knobs.warm_sec == 5.0


def test_every_kind_of_hint_is_read() -> None:
    whole = read(Whole, FULL)
    assert whole == Whole(
        part=Part("p", "sk-FAKE", 1774384968.427),
        parts=(Part("q"),),
        knobs=Knobs(7.0),
        mode=False,
        words=("b", "c"),
        points=(Point(1.0, 2.0),),
        named={"n": Point(3.0, 4.5)},
        max_mib=2,
    )


def test_json_and_back_is_the_same() -> None:
    assert to_json(read(Whole, FULL)) == FULL
    assert to_json(Whole()) == {}


@pytest.mark.parametrize(
    "key", [entry.key for entry in declarations(Whole) if entry.key != INLINE] + ["warmSec"]
)
def test_null_is_the_default(key: str) -> None:
    assert read(Whole, {key: None}) == Whole()


def test_an_optional_value_may_be_empty_text_a_required_one_may_not() -> None:
    assert read(Part, {"name": "p", "token": "", "endsAt": ""}) == Part("p")
    with pytest.raises(ConfigError, match=r'^name: expected text, got ""$'):
        read(Part, {"name": ""})


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ([], "expected an object, got a list"),
        ({"part": 5}, "part: expected an object with name, token, endsAt, got 5"),
        ({"part": {}}, "part.name: is missing; expected text"),
        ({"parts": {}}, "parts: expected a list, got an object"),
        ({"parts": [{"name": "a"}, 7]}, "parts[1]: expected an object with name, token, endsAt, got 7"),
        ({"parts": [{"name": "a", "token": 77}]}, "parts[0].token: expected text, got a hidden number"),
        ({"parts": [{"name": "a", "endsAt": "x"}]}, 'parts[0].endsAt: expected milliseconds, got "x"'),
        ({"warmSec": "x"}, 'warmSec: expected seconds from 0 to 2592000 (30 days), got "x"'),
        ({"mode": 1}, 'mode: expected true, false or "any", got 1'),
        ({"mode": "all"}, 'mode: expected true, false or "any", got "all"'),
        ({"words": ["a", None]}, "words[1]: expected text, got null"),
        ({"points": [{"x": 1}]}, "points[0].y: is missing; expected a number, 0 or more"),
        ({"named": {"n": 1}}, "named.n: expected an object with x, y, got 1"),
        ({"named": {"a\nb": 1}}, 'named["a\\nb"]: expected an object with x, y, got 1'),
        ({"mode": "any", "part": {"name": "p"}}, "mode and part exclude each other"),
    ],
)
def test_a_bad_value_names_its_path(raw: Any, text: str) -> None:
    assert fault(raw) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"prat": {}}, 'prat: is not a setting; did you mean "part"?'),
        ({"point": []}, 'point: is not a setting; did you mean "points"?'),
        (
            {"warm_sec": 1},
            'warm_sec: is not a setting; did you mean "warmSec"? '
            "(teamclaude import --from FILE takes over a whole file that is spelled so)",
        ),
        ({"maxmib": 1}, 'maxmib: is not a setting; did you mean "maxMiB"?'),
        (
            {"parts": [{"name": "a", "tokne": "sk-FAKE"}]},
            'parts[0].tokne: is not a setting; did you mean "token"?',
        ),
        ({"points": [{"X": 1, "y": 1}]}, 'points[0].X: is not a setting; did you mean "x"?'),
    ],
)
def test_a_misspelt_key_gets_a_hint(raw: Any, text: str) -> None:
    assert fault(raw) == text


def test_other_unknown_keys_are_ignored() -> None:
    assert read(Whole, {"somethingElse": {"deep": [1]}, "part": {"name": "p", "email": 5}}).part == Part("p")


def test_a_key_similar_to_a_present_one_is_no_misspelling() -> None:
    assert read(Whole, {"words": ["b"], "word": "kept"}).words == ("b",)


def test_repr_hides_what_is_secret_at_every_depth() -> None:
    text = repr(read(Whole, FULL))
    assert "sk-FAKE" not in text
    assert "token=***" in text
    assert "name='p'" in text
    assert "token=None" in text


@pytest.mark.parametrize(
    ("hint", "unit", "text"),
    [
        (Optional[str], "", "text"),
        (tuple[str, ...], "", "a list of text"),
        (tuple[Part, ...], "", "a list of objects"),
        (Literal["a"], "", '"a"'),
        (Literal["a", "b", True], "", '"a", "b" or true'),
        (Mapping[str, Point], "", "an object"),
        (float, "ms", "milliseconds"),
        (bool, "", "true or false"),
    ],
)
def test_types_in_words(hint: Any, unit: str, text: str) -> None:
    assert type_description(hint, unit) == text
