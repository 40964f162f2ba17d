"""Small pieces of the sentences that commands print."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "plural"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "status"?`, or nothing when no known word is near."""
    import difflib

    matches = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def plural(count: int, noun: str) -> str:
    """`1 account`, `3 accounts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
