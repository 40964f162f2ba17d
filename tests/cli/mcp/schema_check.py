"""Check a value by the few forms of JSON schema that the tools use; the e2e tests use a real validator."""

from __future__ import annotations

from typing import Any

__all__ = ["faults"]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def faults(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """Return where `value` is not as the schema says."""
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    fits = [name for name in names if isinstance(value, _TYPES[name])]
    if isinstance(value, bool):
        fits = [name for name in names if name == "boolean"]
    if not fits:
        return [f"{place}: {value!r} is no {names}"]
    found = []
    if isinstance(value, dict):
        properties = schema["properties"]
        found += [f"{place}: no {name}" for name in schema.get("required", []) if name not in value]
        found += [f"{place}: {name} is not declared" for name in value if name not in properties]
        for name in properties.keys() & value.keys():
            found += faults(value[name], properties[name], f"{place}.{name}")
    if isinstance(value, list):
        for number, each in enumerate(value):
            found += faults(each, schema["items"], f"{place}[{number}]")
    return found
