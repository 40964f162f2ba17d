"""Measure text in terminal cells, make it safe to print, line it up in columns, reduce it to ASCII.

Names, titles and paths come from outside: a control character in one could move the cursor, rename the window
or reverse the text.  `clean` removes control characters; the other functions expect clean text.

Widths follow what terminals do with Unicode Standard Annex 11 (wide and fullwidth: 2) and emoji sequences:
a joined sequence, a flag and an emoji with a skin tone take the two cells of one emoji.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from ...values import NamedTuple, replace

__all__ = [
    "Column",
    "ascii_text",
    "clean",
    "clip",
    "clusters",
    "pad",
    "printable",
    "supports_unicode",
    "table_lines",
    "width",
]

T = TypeVar("T", bound=Any)
ZWJ, EMOJI_SELECTOR = "\u200d", "\ufe0f"
# C0, DEL, C1; line and paragraph separators; marks that reorder text (Trojan Source); zero-width spaces;
# tags.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SPACES = re.compile(r"\s+")


def clean(text: str) -> str:
    """Return `text` as one printable line: collapse white space, remove control characters.

    A whole escape sequence is removed, not only its first character: `ESC [31m` leaves no `[31m` behind.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()  # the usual case; each request's log line makes six of these calls
    text = _ESCAPES.sub("", text)
    text = _SPACES.sub(" ", text)
    return "".join(c for c in _UNSAFE.sub("", text) if not 0xD800 <= ord(c) <= 0xDFFF).strip()


def printable(value: T) -> T:
    """Return a copy of a dataclass or named tuple with each of its own texts clean."""
    if isinstance(value, tuple):
        return type(value)(*[clean(held) if isinstance(held, str) else held for held in value])
    texts = {name: clean(held) for name, held in vars(value).items() if isinstance(held, str)}
    return replace(value, **texts)


# CSI, OSC (ended by BEL or ST) and two-character escapes, in 7- and 8-bit form.
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?|\x1b[@-_]"
)


@lru_cache(maxsize=4096)
def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def clusters(text: str) -> list[tuple[str, int]]:
    """Return (characters drawn together, their cells): a letter with marks, an emoji sequence, a flag."""
    out: list[tuple[str, int]] = []
    for char in text:
        if out:
            last, cells = out[-1]
            joined = last.endswith(ZWJ) and cells == 2
            flag = _is_regional(char) and len(last) == 1 and _is_regional(last)
            tone = "\U0001f3fb" <= char <= "\U0001f3ff" and cells == 2
            if joined or tone:
                out[-1] = (last + char, 2)
                continue
            if flag or char == EMOJI_SELECTOR:
                out[-1] = (last + char, 2)
                continue
            if _char_width(char) == 0:
                out[-1] = (last + char, cells)
                continue
        out.append((char, _char_width(char)))
    return out


@lru_cache(maxsize=8192)  # a screen shows the same names again and again
def _width(text: str) -> int:
    return sum(cells for _, cells in clusters(text))


def width(text: str) -> int:
    """Return the number of terminal cells that `text` takes."""
    if text.isascii():
        return len(text)
    return _width(text)


def clip(text: str, cells: int) -> str:
    """Return `text` in at most `cells` cells; an ellipsis replaces what is cut off."""
    if width(text) <= cells:
        return text
    if cells <= 0:
        return ""
    kept, used = [], 1  # the ellipsis
    for cluster, size in clusters(text):
        if used + size > cells:
            break
        kept.append(cluster)
        used += size
    return "".join(kept).rstrip() + "…"


def pad(text: str, cells: int, right: bool = False) -> str:
    """Return `text` in exactly `cells` cells, filled with spaces; `right` aligns it to the right."""
    text = clip(text, cells)
    fill = " " * (cells - width(text))
    return fill + text if right else text + fill


_ASCII_OF = {
    **dict.fromkeys("─╌", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("├┌┐┤", "+"),
    **dict.fromkeys("└┘", "`"),
    "█": "#",
    "░": ".",
    "▇": "#",
    "‖": "=",
    **dict(zip("▁▂▃▄▅▆", "_.:-=+")),
    "·": "|",
    "…": "~",
    "—": "-",
    "–": "-",
    "×": "x",
    "◆": "*",
    "◇": "o",
    "○": "o",
    "►": ">",
    "▸": ">",
    "▾": "v",
    "▲": "^",
    "▼": "v",
    "↑": "^",
    "↓": "v",
    "→": ">",
    "←": "<",
    "☂": "L",
    "↳": "+",
    "⚙": "%",
    "Σ": "S",
    "⎇": "@",
    "•": "*",
    "⠋": "|",
    "⠙": "/",
    "⠹": "-",
    "⠸": "\\",
    "⠼": "|",
    "⠴": "/",
    "⠦": "-",
    "⠧": "\\",
    "⠇": "|",
    "⠏": "/",
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("\u00a0\u2009\u202f", " "),
}


def ascii_text(text: str) -> str:
    """Return `text` in ASCII, as wide as before; a character without a substitute becomes `?`."""
    if text.isascii():
        return text
    return "".join(
        cluster if cluster.isascii() else _ASCII_OF.get(cluster, "?" * size)
        for cluster, size in clusters(text)
    )


def supports_unicode(env: Mapping[str, str], encoding: str) -> bool:
    """Return whether the locale in `env` and the `encoding` of stdout can show box characters and emoji.

    A C locale cannot.  Python overrides it (PEP 538 sets LC_CTYPE), so `env` must be the environment at
    the start of the process.  The Linux console has no glyphs for most of these characters.
    """
    if env.get("TERM", "").partition("-")[0] in ("linux", "vt100", "vt102", "vt220", "ansi"):
        return False
    names = (env.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in names if name), "C").lower()
    if locale in ("c", "posix"):
        return False
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf16", "utf32", "cp65001")


class Column(NamedTuple):
    """A column with its heading, at most `max_cells` wide (0: no limit).

    When the table is too wide, the column with the largest `drop_order` is dropped first; 0 is never dropped.
    """

    heading: str
    align_right: bool = False
    max_cells: int = 0
    drop_order: int = 0


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], cells: int) -> list[str]:
    """Return the headings and the rows as lines of at most `cells` cells.

    The texts are cleaned here: rows may hold names from outside.
    """
    everything = [[column.heading for column in columns]]
    everything += [[clean(text) for text in row] for row in rows]
    widths = [max(width(row[place]) for row in everything) for place in range(len(columns))]
    widths = [min(size, c.max_cells) if c.max_cells else size for size, c in zip(widths, columns)]
    kept = _kept_columns(columns, widths, cells)
    return [clip(_line(row, columns, widths, kept), cells) for row in everything]


def _kept_columns(columns: Sequence[Column], widths: Sequence[int], cells: int) -> list[int]:
    """Return the indices of the columns that fit."""
    kept = list(range(len(columns)))
    while sum(widths[place] + 2 for place in kept) - 2 > cells:
        dropped = max(kept, key=lambda place: columns[place].drop_order)
        if not columns[dropped].drop_order:
            break
        kept.remove(dropped)
    return kept


def _line(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int]) -> str:
    return "  ".join(pad(row[place], widths[place], columns[place].align_right) for place in kept).rstrip()
