"""The words of a claude command: what they say about settings, and where an option of ours goes.  Pure.

Measured with 2.1.332 and 2.1.112 (2026-11):

1. Of two `--settings` 2.1.332 takes the last and 2.1.112 the first; they are never merged.
2. Some commands are found only as the first word: `claude --settings F daemon status` is a conversation about
   "daemon status".  They, and those that keep settings of their own, get no option.
3. Behind a word that is a prompt the option works; a command that does not know it refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from ...values import NamedTuple

__all__ = ["ClaudeWords", "read_words", "with_settings"]

# Of `claude --help`, and those it does not list.  `agents` takes settings, for all that it starts.
_LIST = """
attach auth auto-mode config daemon doctor gateway import install kill logs mcp migrate-installer plugin
plugins project ps purge rc remote-control respawn rm setup-token stop ultrareview update upgrade
"""
COMMANDS = frozenset(_LIST.split())
_ONE_WORD = re.compile(r"[a-z][a-z-]*")


class ClaudeWords(NamedTuple):
    """The words without `--settings`, whose value is `settings`; None when there was none.

    `place` is where the option goes: the index in `words`, None for a command that takes none.
    """

    words: tuple[str, ...]
    place: Optional[int]
    settings: Optional[str] = None
    sources: Optional[tuple[str, ...]] = None  # of --setting-sources
    is_bare: bool = False  # --bare: the client uses no login


def read_words(words: Sequence[str]) -> ClaudeWords:
    """Read the words after `claude`; those of a command that takes no settings stay as they are."""
    if words and words[0] in COMMANDS:
        return ClaudeWords(tuple(words), None)
    end = list(words).index("--") if "--" in words else len(words)
    kept: list[str] = []
    values: dict[str, str] = {}
    place = 0
    while place < end:
        option, equals, value = words[place].partition("=")
        if option not in ("--settings", "--setting-sources") or (not equals and place + 1 == end):
            kept.append(words[place])
            place += 1
            continue
        width = 1 if equals else 2
        values[option] = value if equals else words[place + 1]
        if option == "--setting-sources":
            kept += words[place : place + width]
        place += width
    names = values.get("--setting-sources")
    sources = None if names is None else tuple(name.strip() for name in names.split(","))
    # One word is a prompt, or a command that is newer than this list: it must not become a prompt.
    behind = bool(kept) and kept[0] != "agents" and bool(_ONE_WORD.fullmatch(kept[0]))
    place = len(kept) if behind else 0
    return ClaudeWords(
        (*kept, *words[end:]), place, values.get("--settings"), sources, is_bare="--bare" in kept
    )


def with_settings(words: ClaudeWords, file: str) -> list[str]:
    """Return the words with `--settings FILE`; the command must take it."""
    place = words.place or 0
    return [*words.words[:place], "--settings", file, *words.words[place:]]
