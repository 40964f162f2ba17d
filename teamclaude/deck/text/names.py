"""Shorten names so that they remain distinct: two accounts of a team often begin with the same letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .cells import clip, clusters, width

__all__ = ["distinct_names", "short_names"]

MIN_HEAD = 2  # cells kept of the common beginning, if they fit


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return names for narrow columns: emails without their domain where they remain distinct."""
    known = list(names)
    locals_ = [name.partition("@")[0] for name in known]
    return {name: part if part and locals_.count(part) == 1 else name for name, part in zip(known, locals_)}


def distinct_names(names: Iterable[str], cells: int) -> dict[str, str]:
    """Return short names of at most `cells` cells, different for different names.

    Names that would be cut to the same text show the letters in which they differ (`team…01`); where that
    does not fit, they are numbered.
    """
    shorts = short_names(names)
    shown = {name: clip(short, cells) for name, short in shorts.items()}
    for alike in _alike(shown):
        shown.update(_by_difference([(name, shorts[name]) for name in alike], cells))
    for alike in _alike(shown):
        for number, name in enumerate(sorted(alike), 1):
            mark = f"…{number}"
            head = clip(shorts[name], max(0, cells - width(mark) + 1)).rstrip("…")
            shown[name] = clip(head + mark, cells) if cells > 2 else str(number)
    return shown


def _alike(shown: dict[str, str]) -> list[list[str]]:
    """Return the groups of names that are shown by the same text."""
    groups: dict[str, list[str]] = {}
    for name, text in shown.items():
        groups.setdefault(text, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _by_difference(pairs: Sequence[tuple[str, str]], cells: int) -> dict[str, str]:
    """Return for each (name, short name) its beginning and what follows the common beginning of all."""
    parts = [[text for text, _ in clusters(short)] for _, short in pairs]
    common = 0
    while all(len(part) > common and part[common] == parts[0][common] for part in parts):
        common += 1
    # A number or a word is shown whole if it fits: `…-12`, not `…2`.
    word = common
    while word and (part := parts[0])[word - 1].isalnum() and part[word - 1].isascii():
        word -= 1
    if max(sum(width(text) for text in part[word:]) for part in parts) <= cells - MIN_HEAD - 1:
        common = word
    shown = {}
    for (name, _), part in zip(pairs, parts):
        rest = "".join(part[common:])
        tail = clip(rest, max(1, cells - MIN_HEAD - 1))
        head = clip("".join(part[:common]), cells - width(tail))
        if not head.endswith("…"):
            head = clip(head, cells - width(tail) - 1).rstrip("…") + "…"
        shown[name] = clip(head + tail, cells)
    return shown
