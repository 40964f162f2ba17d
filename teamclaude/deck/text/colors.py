"""Colours by meaning, as ANSI sequences for a terminal that shows them.

The background stays the terminal's own.  With 256 colours they are ones that can be read on black and on
white; with fewer they are the terminal's theme's.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["usage_style", "colored", "sgr_codes"]

# style: (attributes without colours, with 8 colours, with 16, with 256)
_CODES = {
    "good": ("", "32", "32", "38;5;34"),
    "warn": ("", "33", "33", "38;5;172"),
    "bad": ("1", "31", "31", "38;5;196"),
    "accent": ("", "36", "36", "38;5;32"),
    "dim": ("", "2", "90", "38;5;244"),
    "strong": ("1", "1", "1", "1"),
    "reverse": ("7", "7", "7", "7"),
}
_BY_STATUS = {"active": "good", "benched": "warn", "auth_failed": "bad", "disabled": "dim"}


@lru_cache(maxsize=512)
def sgr_codes(style: str, depth: int) -> str:
    """The SGR parameters of one or more styles for `depth` colours: 1 (none), 8, 16 or 256."""
    place = 3 if depth >= 256 else 2 if depth >= 16 else 1 if depth >= 8 else 0
    names = [_BY_STATUS.get(name, name) for name in style.split()]
    if "reverse" in names and "dim" in names:  # grey letters on a bar are hard to read
        names.remove("dim")
    return ";".join(codes for name in names if (codes := _CODES[name][place] if name in _CODES else ""))


def colored(text: str, style: str, color: bool) -> str:
    """`text` in a style (`good`, `warn`, `bad`, `dim`, `strong`, or the status of an account)."""
    code = _BASIC_CODES.get(_BY_STATUS.get(style, style), "")
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


_BASIC_CODES = {name: codes[1] for name, codes in _CODES.items()}


def usage_style(utilization: float) -> str:
    """The style of a used share: below 70 % good, below 90 % warn, then bad."""
    return "good" if utilization < 0.7 else "warn" if utilization < 0.9 else "bad"
