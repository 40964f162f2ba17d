"""Helpers for printed sentences."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "plural"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "status"?`, or an empty text when no known word is similar."""
    import difflib

    matches = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def plural(count: int, noun: str) -> str:
    """Return `1 account`, `3 accounts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
