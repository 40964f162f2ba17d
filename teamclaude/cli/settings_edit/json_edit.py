"""Edit one value in JSON text and leave every other character as it is.  Pure.

Rules:
1. Order, indentation, comments, trailing commas, line ends, the byte order mark and a missing final newline
   stay.  A new item goes to the end of its container, in the layout of its neighbours.
2. Only `set_path` needs a container where the path leads through one; the others find nothing there.  All
   raise JsonTextError for text that is not JSON.
3. `remove_path` takes away what `set_path` has added, character for character; only the blanks in a container
   that was empty before can differ.
4. Of a key that stands twice the last one is read and replaced; `remove_path` removes them all.

A path is a sequence of keys.  Its last step may be a `ByName`: the object with this "name" in an array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Optional, Union

from ...values import NamedTuple, dataclass
from .json_text import BOM, Item, JsonTextError, Node, comments, is_blank, parse

__all__ = [
    "ByName",
    "JsonTextError",
    "Path",
    "Step",
    "created_path",
    "get_path",
    "has_path",
    "is_empty_container",
    "raw_path",
    "remove_path",
    "set_path",
]

BLANKS = " \t\r\n"
_LEADING = re.compile(r"[ \t]*")


class ByName(NamedTuple):
    """The element of an array that is an object whose "name" is `name`."""

    name: str


Step = Union[str, ByName]
Path = Sequence[Step]


def get_path(text: str, path: Path, default: Any = None) -> Any:
    """Return the value at `path`, else `default`."""
    node = _find(text, path)
    return default if node is None else node.value


def has_path(text: str, path: Path) -> bool:
    """Return whether there is a value at `path`."""
    return _find(text, path) is not None


def raw_path(text: str, path: Path) -> Optional[str]:
    """Return the value at `path` as it is written, None if there is none."""
    node = _find(text, path)
    return None if node is None else text[node.start : node.end]


def is_empty_container(text: str, path: Path) -> bool:
    """Return whether there is an object or array at `path` with neither an item nor a comment in it."""
    node = _find(text, path)
    if node is None or node.value not in ({}, []):
        return False
    return not list(comments(text, node.start + 1, node.end - 1))


def created_path(text: str, path: Path) -> Optional[Path]:
    """Return the shortest part of `path` that `set_path` would create, None if all of it exists."""
    for length in range(1, len(path) + 1):
        if not has_path(text, path[:length]):
            return tuple(path[:length])
    return None


def set_path(text: str, path: Path, value: Any, raw: Optional[str] = None) -> str:
    """Return `text` with `value` at `path`, missing containers made; `raw` is how to write the value.

    Raise JsonTextError for text that is not JSON, or with something else where a container is needed.
    """
    text = _with_root(text)
    layout = _Layout(text, parse(text))
    node, multi_line = layout.root, True
    for depth, step in enumerate(path):
        multi_line = layout.is_multi_line(node, multi_line)
        _require_container(node, path[: depth + 1])
        item = _item_of(node, step)
        if item is None:
            rest = path[depth:]
            inner = raw if len(rest) == 1 else None
            return layout.append(node, rest[0], _wrapped(rest[1:], value), inner, multi_line)
        node = item.node
    if _same(node.value, value):
        return text
    if raw is None:
        raw = layout.dump(value, layout.line_indent(node.start), multi_line)
    return text[: node.start] + raw + text[node.end :]


def remove_path(text: str, path: Path) -> str:
    """Return `text` without the value at `path`; its containers stay, even if they are empty now."""
    while True:
        node = _find(text, path[:-1])
        item = None if node is None else _item_of(node, path[-1])
        if node is None or item is None:
            return text
        text = _without(text, node, item)


def _find(text: str, path: Path) -> Optional[Node]:
    node = None if is_blank(text) else parse(text)
    for step in path:
        item = None if node is None else _item_of(node, step)
        node = None if item is None else item.node
    return node


def _item_of(node: Node, step: Step) -> Optional[Item]:
    return next((item for item in reversed(node.items) if _is_at(item, step)), None)


def _require_container(node: Node, path: Path) -> None:
    """Raise JsonTextError unless the last step of `path` can be in `node`."""
    wanted, kind = (list, "array") if isinstance(path[-1], ByName) else (dict, "object")
    if not isinstance(node.value, wanted):
        where = ".".join(str(step) for step in path[:-1])
        raise JsonTextError(f"expected an {kind} in {where}" if where else "expected a JSON object")


def _is_at(item: Item, step: Step) -> bool:
    if isinstance(step, ByName):
        return isinstance(item.node.value, dict) and item.node.value.get("name") == step.name
    return item.key == step


def _with_root(text: str) -> str:
    """Return `text` with an empty object if there was nothing but blanks and comments."""
    if not is_blank(text):
        return text
    newline = _newline(text)
    between = newline if text.strip(BOM + BLANKS) and not text.endswith("\n") else ""
    return f"{text}{between}{{}}{newline}"


def _wrapped(rest: Path, value: Any) -> Any:
    for step in reversed(rest):
        value = [value] if isinstance(step, ByName) else {step: value}
    return value


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON (in Python True == 1)."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


@dataclass(frozen=True)
class _Layout:
    """How `text` is laid out: what an added item needs to look like its neighbours."""

    text: str
    root: Node

    def is_multi_line(self, node: Node, parent: bool) -> bool:
        """Return whether a container's items are on lines of their own; `parent`: those around it are."""
        if node.items:
            return "\n" in self.text[node.start : node.items[0].start]
        return parent or "\n" in self.text[node.start : node.end]

    def line_indent(self, place: int) -> str:
        """Return the blanks at the start of the line."""
        found = _LEADING.match(self.text, self.text.rfind("\n", 0, place) + 1)
        return "" if found is None else found.group()

    def append(self, node: Node, step: Step, value: Any, raw: Optional[str], multi_line: bool) -> str:
        """Return the text with an item at the end of the container `node`."""
        newline, text = _newline(self.text), self.text
        inside = node.items[-1].end if node.items else node.start + 1
        start, place = _last_comment(text, inside, node.end - 1)
        if text.startswith("//", start) and start < place:
            multi_line = True  # nothing can follow on the line of such a comment
        outer = self.line_indent(node.start)
        indent = self._items_indent(node, outer)
        written = raw if raw is not None else self.dump(value, indent, multi_line)
        if not isinstance(step, ByName):
            written = f"{json.dumps(step, ensure_ascii=False)}:{self._colon_blank(multi_line)}{written}"
        before = newline + indent if multi_line else ""
        if not node.items:
            rest = text[place : node.end - 1]
            if multi_line and "\n" not in rest:
                rest = newline + outer
            return text[:place] + before + written + rest + text[node.end - 1 :]
        last = node.items[-1]
        comma, trailing = ("", ",") if last.comma is not None else (",", "")
        kept = comma + text[last.node.end : place]
        blank = before or self._comma_blank(node)
        return text[: last.node.end] + kept + blank + written + trailing + text[place:]

    def dump(self, value: Any, indent: str, multi_line: bool) -> str:
        """Return `value` as JSON whose further lines start with `indent`."""
        if multi_line:
            lines = json.dumps(value, indent=self._unit(), ensure_ascii=not _is_encodable(value)).split("\n")
            return (_newline(self.text) + indent).join(lines)
        blank = self._colon_blank(multi_line)
        separators = ("," + blank, ":" + blank)
        return json.dumps(value, ensure_ascii=not _is_encodable(value), separators=separators)

    def _unit(self) -> str:
        """Return the indentation of one level: that of the first item of the whole."""
        first = self.root.items[0] if self.root.items else None
        if first is None or "\n" not in self.text[self.root.start : first.start]:
            return "  "
        return self.line_indent(first.start) or "  "

    def _items_indent(self, node: Node, outer: str) -> str:
        for item in reversed(node.items):
            line = self.text.rfind("\n", 0, item.start) + 1
            if not self.text[line : item.start].strip(" \t"):
                return self.text[line : item.start]
        return outer + self._unit()

    def _colon_blank(self, multi_line: bool) -> str:
        """Return what stands behind the first colon; a blank if there is none or lines are broken."""
        first = self.root.items[0] if self.root.items else None
        if multi_line or first is None:
            return " "
        return " " if self.text[first.node.start - 1] in " \t\r\n" else ""

    def _comma_blank(self, node: Node) -> str:
        if len(node.items) > 1:
            gap = self.text[node.items[-2].end : node.items[-1].start]
            return "" if gap == "" else " "
        return self._colon_blank(False)


def _last_comment(text: str, start: int, end: int) -> tuple[int, int]:
    """Return start and end of the last comment in text[start:end], which is nothing else but blanks."""
    return ([(start, start), *comments(text, start, end)])[-1]


def _is_encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 encoding: escape it
        return False
    return True


def _without(text: str, node: Node, item: Item) -> str:
    """Return `text` without one item of the container `node`."""
    index = node.items.index(item)
    inside = node.items[index - 1].end if index else node.start + 1
    comment, start = _last_comment(text, inside, item.start)
    end = item.end
    behind = text[end : node.end - 1]
    if len(node.items) == 1 and start == inside and not behind.strip(BLANKS):
        return text[: node.start + 1] + text[node.end - 1 :]
    blanks = len(text[end:]) - len(text[end:].lstrip(BLANKS))
    ends_line = start > inside and text.startswith("//", comment)
    if "\n" not in text[end : end + blanks] and (ends_line or (index == 0 and len(node.items) > 1)):
        # What follows is on the same line: the blanks behind the item go, those before it stay.
        start, end = item.start, end + blanks
    if index and index == len(node.items) - 1 and item.comma is None:
        comma = node.items[index - 1].comma
        if comma is not None:
            return text[:comma] + text[comma + 1 : start] + text[end:]
    return text[:start] + text[end:]
