"""Scan JSON text with comments into nodes that know their place in it.  Pure.

The dialect is the one of VS Code's settings files: RFC 8259, and also comments (`//`, `/* */`), a comma after
the last item, and a byte order mark.  Of a key that stands twice the last one counts, as in JSON.parse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Optional

from ...values import dataclass

__all__ = ["BOM", "Item", "JsonTextError", "Node", "comments", "is_blank", "next_token", "parse"]

BOM = "\ufeff"
_DECODER = json.JSONDecoder()
_BLANKS = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.S)
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD_END = re.compile(r"[\w.+-]")


class JsonTextError(ValueError):
    """The text is not JSON, or has another shape than an edit needs; one line without its content."""


@dataclass(frozen=True)
class Node:
    """A value from text[start] to text[end - 1]; `items` are the members or elements of a container."""

    start: int
    end: int
    value: Any
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Item:
    """A member of an object (with `key`) or an element of an array, which starts at `start`."""

    start: int
    key: Optional[str]
    node: Node
    comma: Optional[int]
    """The index of the comma behind it."""

    @property
    def end(self) -> int:
        """The index behind the item and its comma."""
        return self.node.end if self.comma is None else self.comma + 1


def parse(text: str) -> Node:
    """Return the only value in `text`; raise JsonTextError with line and column."""
    scanner = _Scanner(text)
    try:
        node = scanner.node(_start(text))
    except RecursionError:
        raise JsonTextError("is nested too deeply") from None
    if next_token(text, node.end) < len(text):
        raise scanner.error("expected nothing more", next_token(text, node.end))
    return node


def is_blank(text: str) -> bool:
    """Return whether there is nothing but blanks and comments."""
    return _start(text) == len(text)


def next_token(text: str, place: int) -> int:
    """Return the index of the first character from `place` on that is neither blank nor in a comment."""
    while True:
        place = _blanks_end(text, place)
        comment = _COMMENT.match(text, place)
        if comment is None:
            return place
        place = comment.end()


def comments(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each comment in text[start:end], in which nothing else but blanks is."""
    place = _blanks_end(text, start)
    while place < end:
        comment = _COMMENT.match(text, place)
        if comment is None:
            return
        yield comment.span()
        place = _blanks_end(text, comment.end())


def _start(text: str) -> int:
    return next_token(text, len(BOM) if text.startswith(BOM) else 0)


def _blanks_end(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    return place if found is None else found.end()


class _Scanner:
    """Recursive descent over one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def error(self, problem: str, place: int) -> JsonTextError:
        line = self.text.count("\n", 0, place) + 1
        column = place - self.text.rfind("\n", 0, place)
        return JsonTextError(f"line {line}, column {column}: {problem}")

    def node(self, place: int) -> Node:
        char = self.text[place : place + 1]
        if char == "{":
            items, end = self._items(place, "}")
            return Node(place, end, {item.key: item.node.value for item in items}, items)
        if char == "[":
            items, end = self._items(place, "]")
            return Node(place, end, [item.node.value for item in items], items)
        if char == '"':
            value, end = self._string(place)
            return Node(place, end, value)
        return self._scalar(place)

    def _items(self, start: int, close: str) -> tuple[tuple[Item, ...], int]:
        """Return the items of the container that opens at `start`, and the index behind it."""
        items: list[Item] = []
        place = next_token(self.text, start + 1)
        while self.text[place : place + 1] != close:
            if items and items[-1].comma is None:
                raise self.error(f"expected a comma or {close}", place)
            item = self._item(place, close)
            items.append(item)
            place = next_token(self.text, item.end)
        return tuple(items), place + 1

    def _item(self, start: int, close: str) -> Item:
        key, place = None, start
        if close == "}":
            if self.text[start : start + 1] != '"':
                raise self.error("expected a key in double quotes or }", start)
            key, place = self._string(start)
            place = next_token(self.text, place)
            if self.text[place : place + 1] != ":":
                raise self.error("expected a colon", place)
            place = next_token(self.text, place + 1)
        node = self.node(place)
        comma = next_token(self.text, node.end)
        return Item(start, key, node, comma if self.text[comma : comma + 1] == "," else None)

    def _string(self, place: int) -> tuple[str, int]:
        try:
            return _DECODER.raw_decode(self.text, place)
        except json.JSONDecodeError as error:
            raise self.error(error.msg[:1].lower() + error.msg[1:], error.pos) from None

    def _scalar(self, place: int) -> Node:
        found = _SCALAR.match(self.text, place)
        if found is None or _WORD_END.match(self.text, found.end()):
            raise self.error("expected a value", place)
        try:
            return Node(place, found.end(), json.loads(found.group()))
        except ValueError:  # Python refuses numbers of thousands of digits
            raise self.error("the number is too long", place) from None
