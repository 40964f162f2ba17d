"""Ask for a secret on the terminal, without echo; what is pasted may have several lines.

A token that a terminal wrapped is pasted with a line break inside, and often without one at its end.  So the
terminal's line editing is off while the secret is read, and lines that come at once belong together.
"""

from __future__ import annotations

import os
import select
import sys

__all__ = ["ask_secret", "typed_text"]

# What a terminal sends of one paste arrives in that time, also over ssh.
PASTE_PAUSE_S = 0.3
MAX_BYTES = 1 << 16
ERASE, ERASE_LINE, END = (0x08, 0x7F), 0x15, 0x04  # backspace, Ctrl-U, Ctrl-D


def ask_secret(question: str) -> str:
    """Print the question on stderr and return what is typed or pasted; empty at the end of input."""
    try:
        import termios
    except ImportError:  # Windows
        import getpass

        return getpass.getpass(question + " ")
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    silent = [*before[:3], before[3] & ~(termios.ECHO | termios.ICANON), *before[4:]]
    try:
        # Before the question: what is pasted at once must not be echoed either.
        termios.tcsetattr(keyboard, termios.TCSADRAIN, silent)
        print(question, end=" ", file=sys.stderr, flush=True)
        return typed_text(_typed(keyboard))
    finally:
        # The rest of a paste is dropped: the shell must not get it.
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)
        print(file=sys.stderr, flush=True)


def _typed(keyboard: int) -> bytes:
    """Return the bytes up to a line end after which nothing comes, or to Ctrl-D."""
    typed = b""
    while len(typed) < MAX_BYTES:
        more = os.read(keyboard, 4096)
        typed += more
        ended = not more or END in more
        if ended or (typed.endswith(b"\n") and not select.select([keyboard], [], [], PASTE_PAUSE_S)[0]):
            break
    return typed


def typed_text(typed: bytes) -> str:
    """Return the text of what was typed, with the erasing keys applied to it."""
    text = bytearray()
    for byte in typed.split(bytes([END]))[0]:
        if byte in ERASE:
            del text[-1:]
        elif byte == ERASE_LINE:
            del text[text.rfind(b"\n") + 1 :]
        else:
            text.append(byte)
    return text.decode("utf-8", "replace")
