"""What a tool is: its description for the client, its JSON schemas, its function.  Pure.

A tool asks the proxy through a function that it is given, and returns a text for people, and the same as a
JSON object for programs.  Schemas are built here from a few forms; arguments are checked by the same schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from ...errors import UsageError
from ...values import NamedTuple

__all__ = [
    "Ask",
    "Json",
    "Tool",
    "ToolResult",
    "checked_arguments",
    "integer",
    "iso_time",
    "list_of",
    "nullable",
    "number",
    "object_of",
    "text",
    "truth",
]

Json = dict[str, Any]
# GET of one of the proxy's own endpoints: path -> JSON.  Raises TeamClaudeError.
Ask = Callable[[str], Any]


class ToolResult(NamedTuple):
    """The result of a call; `structured` is None for an error."""

    text: str
    structured: Optional[Json] = None


class Tool(NamedTuple):
    """One tool.

    `run(ask, arguments, session)` gets arguments that match `input_schema`, and the id of the session that
    calls, None if unknown; it raises TeamClaudeError.  `search_hint` is for clients that look tools up.
    """

    name: str
    title: str
    description: str
    search_hint: str
    input_schema: Json
    output_schema: Json
    run: Callable[[Ask, Mapping[str, Any], Optional[str]], ToolResult]


# --- schemas ---------------------------------------------------------------------------------------------


def text(about: str = "", **more: Any) -> Json:
    """Return the schema of a string; `more`: other keywords."""
    return _schema("string", about, **more)


def integer(about: str = "", **more: Any) -> Json:
    """Return the schema of a whole number."""
    return _schema("integer", about, **more)


def number(about: str = "", **more: Any) -> Json:
    """Return the schema of a number."""
    return _schema("number", about, **more)


def truth(about: str = "") -> Json:
    """Return the schema of a boolean."""
    return _schema("boolean", about)


def nullable(schema: Json) -> Json:
    """Return the schema that allows null as well: unknown, or there is none."""
    return {**schema, "type": [schema["type"], "null"]}


def list_of(item: Json, about: str = "") -> Json:
    """Return the schema of an array."""
    return {**_schema("array", about), "items": item}


def object_of(properties: Mapping[str, Json], optional: bool = False) -> Json:
    """Return the schema of an object with these properties, all required unless `optional`, and no other."""
    schema: Json = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if not optional:
        schema["required"] = list(properties)
    return schema


def _schema(type_name: str, about: str, **more: Any) -> Json:
    schema: Json = {"type": type_name}
    if about:
        schema["description"] = about
    return {**schema, **more}


# --- arguments -------------------------------------------------------------------------------------------


def checked_arguments(schema: Json, arguments: Mapping[str, Any]) -> Json:
    """Return the arguments with the defaults of the schema; raise UsageError for a wrong one.

    A null is as good as a missing argument: models write it.  A whole number may be written as `5.0`.
    """
    properties: Mapping[str, Json] = schema["properties"]
    for name in arguments:
        if name not in properties:
            known = ", ".join(properties) or "none"
            raise UsageError(f'no argument is called "{name[:80]}"; there are: {known}')
    return {
        name: _checked(name, each, arguments[name])
        if arguments.get(name) is not None
        else each.get("default")
        for name, each in properties.items()
    }


def _checked(name: str, schema: Json, value: Any) -> Any:
    if schema["type"] == "integer":
        return _checked_integer(name, schema, value)
    allowed = schema.get("enum")
    if not isinstance(value, str) or len(value) > schema.get("maxLength", len(value)):
        raise UsageError(f"{name} is a text of at most {schema.get('maxLength', 200)} characters")
    if allowed is not None and value not in allowed:
        raise UsageError(f"{name} is one of: {', '.join(allowed)}")
    return value


def _checked_integer(name: str, schema: Json, value: Any) -> int:
    low, high = schema["minimum"], schema["maximum"]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or value != int(value):
        raise UsageError(f"{name} is a whole number from {low} to {high}")
    return int(value)


def iso_time(moment: Optional[float]) -> Optional[str]:
    """Return epoch seconds as a UTC time in ISO 8601; None for none or for what no calendar has."""
    try:
        return (
            None if moment is None else f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        )
    except (ValueError, OverflowError, OSError):
        return None
