"""Say that a server is of a version whose answers this one may read wrongly."""

from __future__ import annotations

from typing import Any

from ..terminal import note

__all__ = ["note_if_newer"]


def note_if_newer(url: str, answer: Any, known: int) -> None:
    """Print a line if the `schema` of an answer is beyond `known`: a key has another meaning there."""
    schema = answer.get("schema") if isinstance(answer, dict) else None
    if isinstance(schema, int) and known < schema < 1_000_000:
        note(
            f"teamclaude: {url} is of a newer version (schema {schema}, known here: {known}): some of this "
            "may be missing or wrong; update teamclaude here"
        )
