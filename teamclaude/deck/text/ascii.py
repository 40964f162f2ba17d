"""What a terminal shows that knows ASCII alone: one character for each of ours, of the same width."""

from __future__ import annotations

from collections.abc import Mapping

from .cells import clusters
from .spans import Line, Span

__all__ = ["ascii_line", "ascii_text", "supports_unicode"]

_ASCII_OF = {
    **dict.fromkeys("─╌", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("├┌┐┤", "+"),
    **dict.fromkeys("└┘", "`"),
    "█": "#",
    "░": ".",
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
    """`text` in ASCII, as wide as before; what has no likeness is a question mark."""
    if text.isascii():
        return text
    return "".join(
        cluster if cluster.isascii() else _ASCII_OF.get(cluster, "?" * size)
        for cluster, size in clusters(text)
    )


def ascii_line(of: Line) -> Line:
    """A line for a terminal that knows ASCII alone."""
    return tuple(span if span.text.isascii() else Span(ascii_text(span.text), span.style) for span in of)


def supports_unicode(env: Mapping[str, str], encoding: str) -> bool:
    """Whether the locale in `env` and the `encoding` of stdout allow for box characters and emoji.

    A C locale does not, whatever Python made of it (PEP 538 sets LC_CTYPE for itself: `env` is the
    environment as it was at the start).  The Linux console has no glyphs for most of them.
    """
    if env.get("TERM", "").partition("-")[0] in ("linux", "vt100", "vt102", "vt220", "ansi"):
        return False
    names = (env.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in names if name), "C").lower()
    if locale in ("c", "posix"):
        return False
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf16", "utf32", "cp65001")
