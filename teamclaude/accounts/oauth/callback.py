"""The result of the authorize page: from the browser's redirect, or pasted by a person."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from ..config.value_types import safe_repr

__all__ = ["Callback", "from_paste", "from_query"]


class Callback(NamedTuple):
    """An authorization code with its state, or the error that came instead."""

    code: str = ""
    state: str = ""
    error: str = ""
    description: str = ""

    def __repr__(self) -> str:
        return "Callback(***)"

    @property
    def error_text(self) -> str:
        """The error for a terminal: `access_denied ("The user said no")`."""
        told = f" ({safe_repr(self.description)})" if self.description else ""
        return safe_repr(self.error).strip('"') + told


def from_query(query: str) -> Callback:
    """Parse the query of a redirect (RFC 6749, 4.1.2); missing and repeated parameters are empty."""
    try:
        found = parse_qs(query, max_num_fields=20)
    except ValueError:
        return Callback()
    names = ("code", "state", "error", "error_description")
    return Callback(*("".join(found[name]) if len(found.get(name, ())) == 1 else "" for name in names))


def from_paste(text: str) -> Callback:
    """Parse `code#state`, as the page shows it, or the whole URL that the browser ended on.

    Return an empty Callback for anything else.
    """
    text = text.strip().strip("\"'<>")
    if "://" in text or text.startswith(("localhost", "127.0.0.1")):
        try:
            return from_query(urlsplit(text).query)
        except ValueError:
            return Callback()
    code, _, state = text.partition("#")
    return Callback(code, state) if code and state and " " not in text else Callback()
