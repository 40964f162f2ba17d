"""Format what happened as one line: text for a person, or one JSON object for a program.

Called in the printing threads.  Nothing here has a colour unless the stream is a terminal; text of others
(models, reasons, names) can't begin a line of its own: what is not printable is replaced or escaped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TextIO, Union

from ...values import NamedTuple
from ..deck_page import shows_ascii
from ..terminal import has_color

if TYPE_CHECKING:
    from ...proxy.records.exchange import Exchange
    from ...proxy.records.notices import Notice

__all__ = ["Line", "Message", "Told", "dated_line", "json_line", "text_line"]

WARNING, MESSAGE, TEXT = "warning", "message", "text"


class Told(NamedTuple):
    """What happened at `at` to an account, a held request or the server."""

    notice: Notice
    at: float


class Message(NamedTuple):
    """A line of our own: a warning, a message, or a finished text such as the banner."""

    kind: str
    text: str
    at: float


Line = Union["Exchange", Told, Message]  # a request that has ended


def text_line(stream: TextIO, is_file: bool = False) -> Callable[[Line], str]:
    """Return the function that formats a line of text for `stream`, in its colours and characters.

    `is_file`: without colours, even if the environment asks for them everywhere.
    """

    @cache
    def request_formatter() -> Callable[[Exchange], str]:
        # Loaded with the first request, after its response: 1.5 ms.
        from ...deck.view.activity_line import activity_line
        from ...proxy.records.journal import activity_of

        color, ascii = not is_file and has_color(stream), shows_ascii(stream)
        return lambda exchange: activity_line(activity_of(exchange), color, ascii)

    def format_notice(notice: Notice, at: float) -> str:
        from ...deck.text.cells import ascii_text
        from ...proxy.records.notices import clock_line

        line = clock_line(notice, at)
        return ascii_text(line) if shows_ascii(stream) else line

    def line(of: Line) -> str:
        if isinstance(of, Message):
            return of.text if of.kind == TEXT else f"teamclaude: {of.text}"
        return format_notice(*of) if isinstance(of, Told) else request_formatter()(of)

    return line


def dated_line(stream: TextIO) -> Callable[[Line], str]:
    """Return the same for a file: every line has its date, a message also its time."""
    plain = text_line(stream, is_file=True)

    def line(of: Line) -> str:
        if isinstance(of, Message):
            text = "".join(char if char.isprintable() else " " for char in of.text)
            return f"{_local('%Y-%m-%d %H:%M:%S', of.at)} {of.kind.upper()} {text}"
        return f"{_local('%Y-%m-%d', of.at)} {plain(of)}"  # of a request, as in its line, when it began

    return line


def json_line(of: Line) -> str:
    """Return a JSON object in ASCII: `type`, `time` (ISO 8601), and the record of the request or notice."""
    at = of.at if isinstance(of, (Message, Told)) else of.at + of.duration
    return _encode({"type": _type(of), "time": _iso(at), **_record(of)})


_encode = json.JSONEncoder(separators=(",", ":")).encode  # as `dumps`, which makes an encoder for each line


def _type(of: Line) -> str:
    if isinstance(of, Message):
        return of.kind
    return "notice" if isinstance(of, Told) else "request"


def _record(of: Line) -> dict[str, Any]:
    if isinstance(of, Message):
        return {"text": of.text}
    if isinstance(of, Told):
        kind, subject, text, account = of.notice
        return {"kind": kind, "subject": subject, "text": text, "account": account or None}
    from ...proxy.records.journal import activity_of
    from ...typed_json import to_json

    return to_json(activity_of(of))


def _iso(at: float) -> str:
    second, part = divmod(at, 1.0)
    milliseconds = int(second) * 1000 + round(part * 1e6) // 1000
    return f"{_utc(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4)  # lines of one second follow each other
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _local(pattern: str, at: float) -> str:
    return _local_text(pattern, int(at))


@lru_cache(maxsize=4)
def _local_text(pattern: str, second: int) -> str:
    return time.strftime(pattern, time.localtime(second))
