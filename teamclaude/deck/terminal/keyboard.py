"""Decode the bytes that a terminal sends into keys: letters, arrows, the mouse wheel, pasted text.  Pure.

The sequences are those of ECMA-48 and xterm (ctlseqs, "PC-Style Function Keys", "SGR mouse mode", "Bracketed
Paste Mode"), which the Linux console, screen and tmux send as well.
"""

from __future__ import annotations

import re
from typing import Optional

from ...values import NamedTuple

__all__ = ["Key", "KeyDecoder"]

MAX_SEQUENCE = 64  # bytes; a longer sequence is no key
MAX_PASTE = 1 << 16


class Key(NamedTuple):
    """A key by its name (`a`, `enter`, `paste`...), its pasted `text` or its clicked screen `row`."""

    name: str
    text: str = ""
    row: int = 0


_NAMED = {
    "A": "up",
    "B": "down",
    "H": "home",
    "F": "end",
    "Z": "backtab",
    "1~": "home",
    "4~": "end",
    "5~": "pageup",
    "6~": "pagedown",
    "7~": "home",
    "8~": "end",
}
_CONTROLS = {
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x15": "ctrl-u",
    "\x0c": "ctrl-l",
    "\x1b": "esc",
}
_CSI = re.compile(rb"\x1b\[([0-?]*)([ -/]*)([@-~])")
_MOUSE = re.compile(r"<(\d{1,5});(\d{1,5});(\d{1,5})")
_OLD_MOUSE = b"\x1b[M"  # three bytes follow
_PASTE, _PASTE_END = b"\x1b[200~", b"\x1b[201~"


class KeyDecoder:
    """Decode bytes incrementally; a sequence may be split anywhere.

    A lone Esc looks like the beginning of a sequence until nothing follows: call `flush` after a pause.
    """

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def has_partial(self) -> bool:
        """Whether an incomplete sequence is buffered."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Key]:
        """Buffer `data`; return the keys that are complete now."""
        self._buffer += data
        keys: list[Key] = []
        while self._buffer:
            taken = self._next_key()
            if taken is None:
                break
            size, key = taken
            self._buffer = self._buffer[size:]
            if key is not None:
                keys.append(key)
        return keys

    def flush(self) -> list[Key]:
        """Nothing followed within the pause: return what the incomplete sequence stands for, and drop it."""
        rest, self._buffer = self._buffer, b""
        if rest.startswith(_PASTE):  # its end was lost
            return [_pasted(rest[len(_PASTE) :])]
        return [Key("esc")] if rest == b"\x1b" else []

    def _next_key(self) -> Optional[tuple[int, Optional[Key]]]:
        """Return (bytes, key) of the first sequence; None while it is incomplete."""
        rest = self._buffer
        if rest[0] != 0x1B:
            return _character(rest)
        if rest.startswith(_PASTE):
            end = rest.find(_PASTE_END)
            if end < 0 and len(rest) < MAX_PASTE:
                return None
            cut = end if end >= 0 else len(rest)
            return cut + (len(_PASTE_END) if end >= 0 else 0), _pasted(rest[len(_PASTE) : cut])
        if len(rest) == 1:
            return None
        if rest[1:2] == b"[":
            return _sequence(rest)
        if rest[1:2] == b"O":
            return None if len(rest) < 3 else (3, Key("enter") if rest[2:3] == b"M" else _named(chr(rest[2])))
        return (1, Key("esc")) if rest[1] == 0x1B else (2, None)  # Alt with a key is ignored


def _character(rest: bytes) -> Optional[tuple[int, Optional[Key]]]:
    first = rest[0]
    size = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if len(rest) < size:
        return None
    try:
        text = rest[:size].decode("utf-8")
    except UnicodeDecodeError:
        return 1, None
    if text in _CONTROLS:
        return size, Key(_CONTROLS[text])
    return size, Key(text) if text.isprintable() else None


def _sequence(rest: bytes) -> Optional[tuple[int, Optional[Key]]]:
    if rest.startswith(_OLD_MOUSE):
        return None if len(rest) < 6 else (6, _mouse(rest[3] - 32, rest[5] - 33, True))
    if rest.startswith(b"\x1b[["):  # function keys of the Linux console
        return None if len(rest) < 4 else (4, None)
    found = _CSI.match(rest)
    if found is None:
        # Incomplete, or no sequence at all: then `ESC [` is skipped.
        return None if len(rest) < MAX_SEQUENCE and re.fullmatch(rb"\x1b\[[0-?]*[ -/]*", rest) else (2, None)
    parameters, final = found[1].decode("ascii"), found[3].decode("ascii")
    mouse = _MOUSE.fullmatch(parameters)
    if mouse is not None:
        return found.end(), _mouse(int(mouse[1]), int(mouse[3]) - 1, final == "M")
    # Shift, Ctrl and Alt come as a second parameter; they are ignored.
    number = parameters.partition(";")[0]
    return found.end(), _named(number + "~" if final == "~" else final)


def _named(name: str) -> Optional[Key]:
    return Key(_NAMED[name]) if name in _NAMED else None


def _mouse(button: int, row: int, down: bool) -> Optional[Key]:
    kind = button & ~0x1C  # without Shift, Alt and Ctrl
    if kind in (64, 65):
        return Key("wheelup" if kind == 64 else "wheeldown")
    return Key("click", row=max(0, row)) if kind == 0 and down else None


def _pasted(data: bytes) -> Key:
    return Key("paste", data.decode("utf-8", "replace"))
