"""What was edited in a settings file, and what the file is with more or fewer of these edits.  Pure.

Rules:
1. A record keeps the file's original bytes and the edits of each owner (a command, for example `setup
   claude`).  While the file is as it was written last, the original with the remaining edits replaces it;
   without any edit that is the original, byte for byte.
2. A file that somebody else has changed since keeps these changes: of ours, exactly the values that are
   still ours are taken back to what they were in the original.  What that gives is the new original.
3. A file that was missing is removed again when nothing but our values was in it.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ...values import NamedTuple, dataclass
from .json_edit import (
    ByName,
    JsonTextError,
    Path,
    get_path,
    has_path,
    is_empty_container,
    raw_path,
    remove_path,
    set_path,
)

__all__ = ["Edit", "Record", "Step", "add_edits", "decoded", "drop_edits"]


class Edit(NamedTuple):
    """The value that a path must have."""

    path: Path
    value: Any


@dataclass(frozen=True)
class Record:
    """The edits in one file; `original` is None if there was none, `made` are the directories it needed."""

    file: str
    original: Optional[bytes]
    digest: str
    """SHA-256 of the bytes that were written last."""
    edits: Mapping[str, Sequence[Edit]]
    made: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON; the original is in base64."""
        return {
            "file": self.file,
            "original": None if self.original is None else base64.b64encode(self.original).decode(),
            "digest": self.digest,
            "made": list(self.made),
            "edits": {owner: [_edit_json(edit) for edit in edits] for owner, edits in self.edits.items()},
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Record:
        """Return the record that `to_json` wrote; another shape raises ValueError, KeyError or TypeError."""
        original = raw["original"]
        edits = {owner: [_edit_of(edit) for edit in edits] for owner, edits in raw["edits"].items()}
        data = None if original is None else base64.b64decode(original, validate=True)
        return Record(str(raw["file"]), data, raw["digest"], edits, tuple(raw["made"]))


class Step(NamedTuple):
    """What to do: keep `record` (None: forget it) and replace the file by `data` (None: remove it).

    `kept` are paths that somebody else has given another value, and which stay.
    """

    record: Optional[Record]
    data: Optional[bytes]
    kept: Sequence[Path] = ()


def add_edits(
    record: Optional[Record], file: str, current: Optional[bytes], owner: str, edits: Sequence[Edit]
) -> Step:
    """Return the step that makes `edits` the edits of `owner`; its earlier ones are taken back.

    Raise JsonTextError when the file can't be read.
    """
    before = {} if record is None else dict(record.edits)
    after = {**before, owner: list(edits)}
    if record is None or _is_unchanged(record, current):
        original = current if record is None else record.original
        data = _applied(original, after)
    else:
        original = _reverted(record, current, _all(before))[0]
        dropped = [edit for edit in before.get(owner, ()) if edit.path not in [new.path for new in edits]]
        data = _applied(_reverted(record, current, dropped)[0], after)
    if record is None and data == current:
        return Step(None, current)
    made = () if record is None else record.made
    return Step(Record(file, original, _digest(data), after, made), data)


def drop_edits(record: Record, current: Optional[bytes], owner: str) -> Step:
    """Return the step that takes back the edits of `owner`; raise JsonTextError as `add_edits` does."""
    rest = {other: edits for other, edits in record.edits.items() if other != owner}
    if current is None:
        return Step(None, None)
    kept: Sequence[Path] = ()
    if _is_unchanged(record, current):
        original = record.original
        data = _applied(original, rest) if rest else original
    else:
        original = _reverted(record, current, _all(record.edits))[0]
        wanted = [edit.path for edit in _all(rest)]
        mine = [edit for edit in record.edits.get(owner, ()) if edit.path not in wanted]
        data, kept = _reverted(record, current, mine)
    if not rest:
        return Step(None, data, kept)
    return Step(Record(record.file, original, _digest(data), rest, record.made), data, kept)


def _applied(data: Optional[bytes], edits: Mapping[str, Sequence[Edit]]) -> bytes:
    text = decoded(data)
    for path, value in _all(edits):
        text = set_path(text, path, value)
    return text.encode(_encoding(data))


def _reverted(
    record: Record, data: Optional[bytes], edits: Sequence[Edit]
) -> tuple[Optional[bytes], Sequence[Path]]:
    """Return `data` with our values as they were in the original, and the paths that others have changed."""
    if data is None:
        return None, ()
    text, original, kept = decoded(data), decoded(record.original), []
    for edit in reversed(edits):
        found, was = has_path(text, edit.path), has_path(original, edit.path)
        if found and was and _is_same(get_path(text, edit.path), get_path(original, edit.path)):
            continue  # somebody has taken it back already
        if found and not _is_same(get_path(text, edit.path), edit.value):
            theirs = _without_our_lines(text, original, edit)
            text = text if theirs is None else set_path(text, edit.path, theirs)
            kept += [edit.path] if theirs is None else []
        elif found and not was:
            text = _pruned(remove_path(text, edit.path), original, edit.path)
        elif found:
            text = set_path(text, edit.path, get_path(original, edit.path), raw_path(original, edit.path))
    is_empty = record.original is None and is_empty_container(text, ())
    return None if is_empty else text.encode(_encoding(data)), kept


def _without_our_lines(text: str, original: str, edit: Edit) -> Optional[str]:
    """Return a value that somebody has changed without the lines we had put in; None if they are gone.

    ANTHROPIC_CUSTOM_HEADERS has a header in each line, and one of ours is a key.
    """
    value, before = get_path(text, edit.path), get_path(original, edit.path, "")
    if not isinstance(value, str) or not isinstance(edit.value, str):
        return None
    ours = set(edit.value.split("\n")) - set(before.split("\n") if isinstance(before, str) else ())
    lines = value.split("\n")
    rest = [line for line in lines if line not in ours]
    return "\n".join(rest) if rest and len(rest) < len(lines) else None


def _pruned(text: str, original: str, path: Path) -> str:
    """Return `text` without the containers of `path` that are empty and that the original has not."""
    for length in range(len(path) - 1, 0, -1):
        part = path[:length]
        if has_path(original, part) or not is_empty_container(text, part):
            break
        text = remove_path(text, part)
    return text


def _all(edits: Mapping[str, Sequence[Edit]]) -> list[Edit]:
    return [edit for part in edits.values() for edit in part]


def _is_unchanged(record: Record, current: Optional[bytes]) -> bool:
    return current is not None and _digest(current) == record.digest


def _digest(data: Optional[bytes]) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _is_same(value: Any, edit: Any) -> bool:
    return json.dumps(value, sort_keys=True) == json.dumps(edit, sort_keys=True)


def decoded(data: Optional[bytes]) -> str:
    """Return the text of a file, a byte order mark included; raise JsonTextError if it is none.

    UTF-16 with a byte order mark is what PowerShell writes, and Claude Code reads it (measured, 2.1.332).
    """
    data = data or b""
    try:
        return data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JsonTextError(f"line {line}: is not UTF-8 text") from None


def _encoding(data: Optional[bytes]) -> str:
    return "utf-16-le" if data and data.startswith(codecs.BOM_UTF16_LE) else "utf-8"


def _edit_json(edit: Edit) -> dict[str, Any]:
    path = [{"name": step.name} if isinstance(step, ByName) else step for step in edit.path]
    return {"path": path, "value": edit.value}


def _edit_of(raw: Mapping[str, Any]) -> Edit:
    path = tuple(step if isinstance(step, str) else ByName(step["name"]) for step in raw["path"])
    return Edit(path, raw["value"])
