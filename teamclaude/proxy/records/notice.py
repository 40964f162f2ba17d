"""One log line about an account, a held request, a login, an API, a tunnel, a client key or the server."""

from __future__ import annotations

import time

from ...values import NamedTuple

__all__ = [
    "API",
    "BENCH",
    "CLIENT",
    "HELD",
    "LIMIT",
    "LOGIN",
    "MAX_REASON_CHARS",
    "RESET",
    "SERVER",
    "TUNNEL",
    "Notice",
    "clock_line",
    "clock_text",
]

BENCH, HELD, LIMIT, LOGIN = "BENCH", "HELD", "LIMIT", "LOGIN"
RESET, SERVER, TUNNEL, CLIENT, API = "RESET", "SERVER", "TUNNEL", "CLIENT", "API"
MAX_REASON_CHARS = 300


class Notice(NamedTuple):
    """One line without its time."""

    kind: str
    subject: str
    text: str
    account: str = ""  # the name of the account it is about, if it is about one

    def __str__(self) -> str:
        """Return the line, printable characters only."""
        text = f"{self.kind} {self.subject}: {self.text}"
        return "".join(char if char.isprintable() else " " for char in text)


def clock_line(notice: Notice, now: float) -> str:
    """Return `13:58:40 LIMIT alice: the 5h window is full (102%), ...`."""
    return f"{clock_text(now)} {notice}"


def clock_text(at: float) -> str:
    """Return the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))
