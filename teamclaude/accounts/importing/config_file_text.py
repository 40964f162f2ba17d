"""Recognise a config file among the files that `import` is given, and read it strictly.

1. JSON as the config file's own, or TOML (Python 3.11 or later reads it), with a byte order mark or not.
2. It is a config file if it has `accounts` and no login of Claude Code.
3. Keys in snake_case become camelCase, where this program has such a key.
No text made here contains a credential.
"""

from __future__ import annotations

import importlib
import json
import re
import typing
from collections.abc import Iterator
from typing import Any, Optional

from ...errors import TeamClaudeError
from ..config.config import Config
from ..config.json_file import decode, decode_text
from ..config.schema import INLINE, Declaration, declarations, is_section, unwrap_optional
from .claude_login import LOGIN_KEY, MAX_BYTES, LoginSource

__all__ = ["read_config_text"]

TOML_LINE = re.compile(r"^\s*(?:\[\[?[\w.\"-]+\]\]?|[\w-]+\s*=)", re.M)
ACCOUNTS = re.compile(r"""["']?accounts["']?\s*[:=]|^\s*\[\[?accounts\b""", re.M)
COMMENT = re.compile(r"^\s*(?://|/\*)", re.M)
YAML = re.compile(r"^accounts\s*:", re.M)


def read_config_text(source: LoginSource) -> Optional[dict[str, Any]]:
    """Return the config that a source holds, None if it holds something else.

    Raise TeamClaudeError, in one line with the place, for a config file that can't be read.
    """
    text = decode_text(source.text[: MAX_BYTES + 1], "replace")
    if not ACCOUNTS.search(text):
        return None
    if len(source.text) > MAX_BYTES:
        raise TeamClaudeError(f"{source.label}: is longer than {MAX_BYTES >> 20} MiB: it is no config file")
    raw = _parsed(source, text)
    if raw is None or LOGIN_KEY in raw or not isinstance(raw.get("accounts"), (list, dict)):
        return None
    return _in_our_spelling(raw)


def _parsed(source: LoginSource, text: str) -> Optional[dict[str, Any]]:
    """Return the object in the text; None for JSON of another kind."""
    is_json = text.lstrip().startswith(("{", "[")) or COMMENT.match(text)
    if not is_json or _is_table(text):
        return _toml(source, text)
    try:
        if not isinstance(json.loads(text), dict):
            return None
    except (ValueError, RecursionError):  # said with its place below
        pass
    try:
        return decode(source.text, source.label)
    except TeamClaudeError as error:
        hint = "; comments are not JSON: remove them" if COMMENT.search(text) else ""
        raise TeamClaudeError(f"{error}{hint}") from None


def _is_table(text: str) -> bool:
    """Return whether a text that begins with `[` is TOML: `[proxy]` alone on its line."""
    return re.match(r"\s*\[\[?[\w.-]+\]\]?\s*(?:#.*)?$", text, re.M) is not None


def _toml(source: LoginSource, text: str) -> Optional[dict[str, Any]]:
    if not TOML_LINE.search(text):
        if YAML.search(text):
            raise TeamClaudeError(f"{source.label}: is neither JSON nor TOML; save it as JSON")
        return None
    try:
        tomllib: Any = importlib.import_module("tomllib")
    except ImportError:
        raise TeamClaudeError(
            f"{source.label}: is TOML, which needs Python 3.11 or later to be read; save it as JSON"
        ) from None
    try:
        return dict(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"\(at .*\)$", str(error))
        raise TeamClaudeError(f"{source.label}: is not TOML {place[0] if place else ''}".rstrip()) from None


# --- spelling -----------------------------------------------------------------------------------


def _in_our_spelling(raw: dict[str, Any]) -> dict[str, Any]:
    accounts = raw["accounts"]
    if isinstance(accounts, dict):  # a table by name
        accounts = [
            {"name": name, **entry} if isinstance(entry, dict) else entry for name, entry in accounts.items()
        ]
    return _respelled(Config, {**raw, "accounts": accounts})


def _respelled(section: type, entries: dict[str, Any]) -> dict[str, Any]:
    """Return the entries with the keys of a section as it spells them, also those of sections inside.

    A key that is in our spelling already goes before the other.
    """
    declared = {entry.name: entry for entry in _declarations(section)}
    by_key = {entry.key: entry for entry in declared.values()}
    result = {}
    for key, value in entries.items():
        entry = by_key.get(key) or declared.get(key.replace("-", "_"))
        if entry is None or (key != entry.key and entry.key in entries):
            result[key] = value
        else:
            result[entry.key] = _respelled_value(entry.hint, value)
    return result


def _respelled_value(hint: Any, value: Any) -> Any:
    kind, _ = unwrap_optional(hint)
    if is_section(kind) and isinstance(value, dict):
        return _respelled(kind, value)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return [_respelled_value(typing.get_args(kind)[0], item) for item in value]
    return value


def _declarations(section: type) -> Iterator[Declaration]:
    """Yield the declarations of a section, and of those that are inline."""
    for entry in declarations(section):
        if entry.key == INLINE:
            yield from _declarations(entry.hint)
        else:
            yield entry
