"""One value is edited, and every other character of the text stays."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from teamclaude.cli.settings_edit.json_edit import (
    ByName,
    JsonTextError,
    created_path,
    get_path,
    has_path,
    is_empty_container,
    raw_path,
    remove_path,
    set_path,
)
from teamclaude.cli.settings_edit.json_text import parse

ENV = ("env", "URL")

# text, and the same text with "URL": "u" in "env"
TEXTS = {
    "two blanks": (
        '{\n  "a": 1,\n  "env": {\n    "X": "x"\n  }\n}\n',
        '{\n  "a": 1,\n  "env": {\n    "X": "x",\n    "URL": "u"\n  }\n}\n',
    ),
    "four blanks, no env": (
        '{\n    "a": 1\n}\n',
        '{\n    "a": 1,\n    "env": {\n        "URL": "u"\n    }\n}\n',
    ),
    "tabs": (
        '{\n\t"a": [\n\t\t1\n\t]\n}\n',
        '{\n\t"a": [\n\t\t1\n\t],\n\t"env": {\n\t\t"URL": "u"\n\t}\n}\n',
    ),
    "CRLF": ('{\r\n  "a": 1\r\n}\r\n', '{\r\n  "a": 1,\r\n  "env": {\r\n    "URL": "u"\r\n  }\r\n}\r\n'),
    "byte order mark": ('\ufeff{\n  "a": 1\n}', '\ufeff{\n  "a": 1,\n  "env": {\n    "URL": "u"\n  }\n}'),
    "one line": ('{"a": 1, "b": 2}', '{"a": 1, "b": 2, "env": {"URL": "u"}}'),
    "minified": ('{"a":1,"b":2}', '{"a":1,"b":2,"env":{"URL":"u"}}'),
    "one line within lines": ('{\n  "env": { "X": "x" }\n}', '{\n  "env": { "X": "x", "URL": "u" }\n}'),
    "empty env": ('{\n  "env": {},\n  "a": 1\n}', '{\n  "env": {\n    "URL": "u"\n  },\n  "a": 1\n}'),
    "trailing commas": (
        '{\n  "env": {\n    "X": "x",\n  },\n}\n',
        '{\n  "env": {\n    "X": "x",\n    "URL": "u",\n  },\n}\n',
    ),
    "comments": (
        '// mine\n{\n  // of a\n  "a": 1, /* b */\n  "env": {\n    "X": "x" // c\n    // d\n  } // e\n}\n',
        '// mine\n{\n  // of a\n  "a": 1, /* b */\n  "env": {\n    "X": "x", // c\n    // d\n    "URL": "u"\n'
        "  } // e\n}\n",
    ),
    "a comment that ends the line of an object": (
        '{"a": 1 // x\n}',
        '{"a": 1, // x\n  "env": {\n    "URL": "u"\n  }\n}',
    ),
    "a comment in an empty object": (
        '{\n  "env": {\n    // none yet\n  }\n}',
        '{\n  "env": {\n    // none yet\n    "URL": "u"\n  }\n}',
    ),
    "env twice: the last one counts": (
        '{\n  "env": {"X": "1"},\n  "env": {"X": "2"}\n}',
        '{\n  "env": {"X": "1"},\n  "env": {"X": "2", "URL": "u"}\n}',
    ),
    "braces on lines of their own": (
        '{\n  "env":\n  {\n    "X": "x"\n  }\n}\n',
        '{\n  "env":\n  {\n    "X": "x",\n    "URL": "u"\n  }\n}\n',
    ),
    "commas first": ('{ "a": 1\n, "b": 2\n}', '{ "a": 1\n, "b": 2, "env": {"URL": "u"}\n}'),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_set_is_like_its_neighbours_and_goes_again(name: str) -> None:
    before, after = TEXTS[name]
    made = created_path(before, ENV)
    assert made is not None
    changed = set_path(before, ENV, "u")
    assert changed == after
    assert get_path(changed, ENV) == "u"
    assert remove_path(changed, made) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "env": {\n    "URL": "u"\n  }\n}\n'),
        ("\ufeff", '\ufeff{\n  "env": {\n    "URL": "u"\n  }\n}\n'),
        ("\r\n", '\r\n{\r\n  "env": {\r\n    "URL": "u"\r\n  }\r\n}\r\n'),
        ("// mine", '// mine\n{\n  "env": {\n    "URL": "u"\n  }\n}\n'),
        ("{}", '{\n  "env": {\n    "URL": "u"\n  }\n}'),
        ("{\n}\n", '{\n  "env": {\n    "URL": "u"\n  }\n}\n'),
        ("{ }", '{\n  "env": {\n    "URL": "u"\n  }\n}'),
    ],
)
def test_an_empty_text_gets_an_object(before: str, after: str) -> None:
    assert set_path(before, ENV, "u") == after
    assert is_empty_container(remove_path(after, ("env",)), ())


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ('{"a": 1, "b": 2}', ("a",), '{"b": 2}'),
        ('{"a": 1, "b": 2}', ("b",), '{"a": 1}'),
        ('{"a": 1, "b": 2, "c": 3}', ("b",), '{"a": 1, "c": 3}'),
        ('{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}', ("a",), '{\n  "b": 2,\n  "c": 3\n}'),
        ('{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}', ("b",), '{\n  "a": 1,\n  "c": 3\n}'),
        ('{\n  "a": 1,\n  "b": 2,\n}', ("b",), '{\n  "a": 1,\n}'),
        ('{\n  // of a\n  "a": 1, "b": 2\n}', ("a",), '{\n  // of a\n  "b": 2\n}'),
        ('{\n  "a": 1, // of a\n  "b": 2\n}', ("b",), '{\n  "a": 1 // of a\n}'),
        ('{"a": 1, // of a\n "b": 2}', ("b",), '{"a": 1 // of a\n }'),
        ('{"a": 1, "b": 2, "a": 3}', ("a",), '{"b": 2}'),
        ('{"a": {"b": 1}}', ("a", "b"), '{"a": {}}'),
        ('{"a": { /* why */ "b": 1 }}', ("a", "b"), '{"a": { /* why */ }}'),
        ('{"a": 1}', ("b",), '{"a": 1}'),
        ('{"a": 1}', ("b", "c"), '{"a": 1}'),
        ("", ("a",), ""),
    ],
)
def test_remove(before: str, path: tuple[str, ...], after: str) -> None:
    assert remove_path(before, path) == after


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ('{\n\t"a": {"b": 1}, // x\n}', 2, '{\n\t"a": 2, // x\n}'),
        ('{\n\t"a": 1\n}', {"b": [1, {}]}, '{\n\t"a": {\n\t\t"b": [\n\t\t\t1,\n\t\t\t{}\n\t\t]\n\t}\n}'),
        ('{"a":1,"b":2}', {"c": [1, 2]}, '{"a":{"c":[1,2]},"b":2}'),
        ('{"a": 1, "a": 2}', 3, '{"a": 1, "a": 3}'),
        ('{"a": true}', 1, '{"a": 1}'),
        ('{"a": "\\u00e9"}', "é", '{"a": "\\u00e9"}'),
        ('{"a": 1}', 'é\n"', '{"a": "é\\n\\""}'),
        ('{"a": 1}', "\udcff", '{"a": "\\udcff"}'),
    ],
)
def test_replace(before: str, value: Any, after: str) -> None:
    assert set_path(before, ("a",), value) == after


def test_elements_of_an_array_by_name() -> None:
    path = ("e.v", ByName("URL"))
    before = '{\n    "e.v": [\n        { "name": "X", "value": "x" }, // theirs\n        "odd"\n    ],\n}'
    changed = set_path(before, path, {"name": "URL", "value": "u"})
    assert get_path(changed, path) == {"name": "URL", "value": "u"}
    assert remove_path(changed, path) == before
    assert '{ "name": "X", "value": "x" }, // theirs\n' in changed
    again = set_path(changed, path, {"name": "URL", "value": "v"})
    assert again == changed.replace('"value": "u"', '"value": "v"')
    assert remove_path(again, ("e.v", ByName("X"))).count("{") == 2
    new = set_path("{}", path, {"name": "URL", "value": "u"})
    assert json.loads(new) == {"e.v": [{"name": "URL", "value": "u"}]}


def test_the_raw_text_of_a_value_goes_back_as_it_was() -> None:
    before = '{\n  "a": [1,   2],\n  "b": 1\n}'
    raw = raw_path(before, ("a",))
    assert raw == "[1,   2]"
    changed = set_path(before, ("a",), "x")
    assert set_path(changed, ("a",), [1, 2], raw) == before
    gone = remove_path(before, ("b",))
    assert set_path(gone, ("b",), 1, "1") == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1, column 2: expected a key in double quotes or }"),
        ('{\n  "a": 1\n  "b": 2\n}', "line 3, column 3: expected a comma or }"),
        ('{"a" 1}', "line 1, column 6: expected a colon"),
        ('{"a": }', "line 1, column 7: expected a value"),
        ('{"a": nope}', "line 1, column 7: expected a value"),
        ('{"a": 01}', "line 1, column 7: expected a value"),
        ('{"a": NaN}', "line 1, column 7: expected a value"),
        ("{'a': 1}", "line 1, column 2: expected a key in double quotes or }"),
        ('{"a": "x\ny"}', "line 1, column 9: invalid control character at"),
        ('{"a": "x}', "line 1, column 7: unterminated string starting at"),
        ("{} {}", "line 1, column 4: expected nothing more"),
        ("{,}", "line 1, column 2: expected a key in double quotes or }"),
        ("{} /* open", "line 1, column 4: expected nothing more"),
        ('{"a": %s}' % ("[" * 100000), "is nested too deeply"),
        ('{"a": %s}' % ("1" * 6000), "line 1, column 7: the number is too long"),
    ],
)
def test_what_can_not_be_read_is_refused_in_one_line(text: str, problem: str) -> None:
    for edit in (
        lambda: set_path(text, ENV, "u"),
        lambda: remove_path(text, ENV),
        lambda: get_path(text, ENV),
    ):
        with pytest.raises(JsonTextError) as refusal:
            edit()
        assert str(refusal.value) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "expected a JSON object"),
        ('"x"', "expected a JSON object"),
        ('{"env": []}', "expected an object in env"),
        ('{"env": null}', "expected an object in env"),
        ('{"env": "x"}', "expected an object in env"),
    ],
)
def test_nothing_else_is_replaced_by_a_container(text: str, problem: str) -> None:
    with pytest.raises(JsonTextError) as refusal:
        set_path(text, ENV, "u")
    assert str(refusal.value) == problem
    assert not has_path(text, ENV)
    assert get_path(text, ENV, 7) == 7
    assert remove_path(text, ENV) == text
    with pytest.raises(JsonTextError) as refusal:
        set_path('{"a": {}}', ("a", ByName("x")), {"name": "x"})
    assert str(refusal.value) == "expected an array in a"


# --- random texts ---------------------------------------------------------------------------------------


class Writer:
    """Writes a random value in a random layout, as no two editors do."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.newline = rng.choice(["\n", "\r\n"])
        self.unit = rng.choice(["  ", "    ", "\t"])
        self.comments, self.trailing = rng.random() < 0.5, rng.random() < 0.3
        self.minified = rng.random() < 0.2

    def text(self, value: Any) -> str:
        mark = self.rng.choice(["", "", "\ufeff"])
        return (
            mark + self.blank() + self.write(value, "") + self.blank() + self.rng.choice(["", self.newline])
        )

    def blank(self) -> str:
        if self.minified or self.rng.random() < 0.7:
            return ""
        choices = [" ", "  ", "\t", self.newline]
        if self.comments:
            choices += ['/* { " */', f"// }} ,{self.newline}"]
        return self.rng.choice(choices)

    def write(self, value: Any, indent: str) -> str:
        if not isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=self.rng.random() < 0.5)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        if not value:
            return opening + closing
        lines = not self.minified and self.rng.random() < 0.6
        inner = indent + self.unit
        parts = []
        for item in value.items() if isinstance(value, dict) else value:
            if isinstance(value, dict):
                parts.append(
                    json.dumps(item[0]) + self.blank() + ":" + self.blank() + self.write(item[1], inner)
                )
            else:
                parts.append(self.write(item, inner))
        before = self.newline + inner if lines else self.blank()
        body = "".join(
            before + part + self.blank() + ("," if n < len(parts) - 1 or self.trailing else "") + self.blank()
            for n, part in enumerate(parts)
        )
        return opening + body + (self.newline + indent if lines else "") + closing


def random_value(rng: random.Random, depth: int = 3) -> Any:
    kind = rng.randrange(7 if depth else 5)
    if kind == 5:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {
            rng.choice("abcdeXY") + rng.choice(["", "é"]): random_value(rng, depth - 1)
            for _ in range(rng.randrange(4))
        }
    return [
        None,
        True,
        rng.randrange(-9, 10**6),
        rng.random(),
        rng.choice(["", "x", "}", "//", "é\n", '\\"']),
    ][kind]


def random_document(rng: random.Random) -> dict[str, Any]:
    document = {key: random_value(rng) for key in rng.sample("abcdef", rng.randrange(5))}
    if rng.random() < 0.6:
        document["env"] = dict.fromkeys(rng.sample(["A", "B", "URL"], rng.randrange(4)), "x")
    keys = list(document)
    rng.shuffle(keys)
    return {key: document[key] for key in keys}


@pytest.mark.parametrize("part", range(4))
def test_an_edit_is_the_edit_of_the_dict_and_goes_again(part: int) -> None:
    for seed in range(part * 100, (part + 1) * 100):
        check_edit(seed)


def check_edit(seed: int) -> None:
    rng = random.Random(seed)
    document = random_document(rng)
    text = Writer(rng).text(document)
    assert parse(text).value == document
    value = random_value(rng)
    path = rng.choice([ENV, ("a",), ("new",), ("env", "NEW")])
    expected = copy.deepcopy(document)
    (expected.setdefault(path[0], {}) if len(path) == 2 else expected)[path[-1]] = value
    changed = set_path(text, path, value)
    assert parse(changed).value == expected
    assert list(parse(changed).value) == list(expected)
    made = created_path(text, path)
    if made is None:
        raw = raw_path(text, path)
        assert set_path(changed, path, get_path(text, path), raw) == text
    else:
        assert not has_path(text, made)
        gone = remove_path(changed, made)
        assert parse(gone).value == document
        if not is_empty_container(text, made[:-1]):
            assert gone == text
    # What is removed leaves the rest as it is.
    if document:
        victim = rng.choice(list(document))
        rest = parse(remove_path(text, (victim,))).value
        assert rest == {key: value for key, value in document.items() if key != victim}
