"""What was read on disk as JSON, for a Deck on another machine, and back.

Read as strictly as what comes from a stranger: texts are cleaned and cut, what does not fit is left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from ...settings import camel_case
from ..text.cells import clean
from ..text.format import finite_number
from .sources import NO_SOURCES, Sources

__all__ = ["sources_to_json", "sources_from_json"]

MAX_TEXT_CHARS = 500  # characters of a text
MAX_ENTRIES = 2000  # entries of a mapping


def sources_to_json(sources: Sources) -> dict[str, Any]:
    """For `fleet` of GET /teamclaude/deck; what is empty or unknown is left out."""
    found: dict[str, Any] = _to_json(sources)
    return found


def sources_from_json(value: Any) -> Sources:
    """The sources in an answer; nothing where there are none."""
    found = _from_json(Sources, value)
    return found if isinstance(found, Sources) else NO_SOURCES


def _to_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((name, getattr(value, name)) for name in _types(type(value)))
        # Zero is something that is known.
        return {camel_case(name): _to_json(held) for name, held in fields if held or isinstance(held, float)}
    if isinstance(value, Mapping):
        return {key: _to_json(held) for key, held in value.items()}
    return value


@lru_cache(maxsize=64)
def _types(owner: type) -> dict[str, Any]:
    return get_type_hints(owner)


def _from_json(wanted: Any, value: Any) -> Any:
    """`value` as the type, or None where it is none."""
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        if not isinstance(value, dict):
            return None
        found = {
            name: held
            for name, kind in _types(wanted).items()
            if (held := _from_json(kind, value.get(camel_case(name)))) is not None
        }
        try:
            return wanted(**found)
        except TypeError:  # what it can't be without is missing
            return None
    if get_origin(wanted) is Union:
        return _from_json(get_args(wanted)[0], value)
    if wanted is str:
        return clean(value)[:MAX_TEXT_CHARS] if isinstance(value, str) else None
    if wanted is bool:
        return value if isinstance(value, bool) else None
    if wanted is float:
        return finite_number(value)
    return _mapping(get_args(wanted)[1], value)


def _mapping(wanted: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    read = (
        (clean(str(key))[:MAX_TEXT_CHARS], _from_json(wanted, held))
        for key, held in list(value.items())[:MAX_ENTRIES]
    )
    return {key: held for key, held in read if held is not None}
