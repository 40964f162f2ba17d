"""The values that a settings file gets, and the variables that it sets.  Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Optional

from ..settings_edit.edit_record import Edit, decoded
from ..settings_edit.json_edit import ByName, JsonTextError, get_path
from ..settings_edit.json_text import BOM, is_blank, parse

__all__ = ["TARGETS", "edits_for", "names_of", "require_strict", "variables_in"]

TARGETS = ("claude", "vscode")
EDITOR_KEY = "claudeCode.environmentVariables"


def edits_for(target: str, variables: Mapping[str, str]) -> list[Edit]:
    """Return the edits that set `variables`; `target` is one of TARGETS."""
    if target == "claude":
        return [Edit(("env", name), value) for name, value in variables.items()]
    return [
        Edit((EDITOR_KEY, ByName(name)), {"name": name, "value": value}) for name, value in variables.items()
    ]


def names_of(edits: Sequence[Edit]) -> list[str]:
    """Return the names of the variables that the edits set."""
    return [_name(edit) for edit in edits]


def _name(edit: Edit) -> str:
    step = edit.path[-1]
    return step.name if isinstance(step, ByName) else step


def variables_in(target: str, data: Optional[bytes]) -> dict[str, str]:
    """Return the environment variables that a settings file sets; raise JsonTextError if it is not JSON."""
    text = decoded(data)
    if target == "claude":
        found = get_path(text, ("env",))
        pairs = list(found.items()) if isinstance(found, dict) else []
    else:
        found = get_path(text, (EDITOR_KEY,))
        entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
        pairs = [(entry.get("name"), entry.get("value")) for entry in entries]
    return {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}


def require_strict(data: Optional[bytes]) -> None:
    """Raise JsonTextError unless Claude Code can read the file.

    It ignores a file with comments or trailing commas as a whole (measured, 2.1.112 and 2.1.332).
    """
    text = decoded(data)
    plain = text.lstrip(BOM)
    try:
        json.loads(plain or "{}")
    except ValueError:
        if not plain.strip():
            return
        if not is_blank(text):
            parse(text)  # says where it is wrong
        raise JsonTextError(
            "has comments or trailing commas, for which Claude Code ignores the whole file"
        ) from None
