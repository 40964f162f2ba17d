"""The page of keys and signs behind `?`."""

from __future__ import annotations

from ..text.spans import Line, line
from .options import Page

__all__ = ["help_page"]

WRITE_KEYS = (
    ("s", "pin all work, or the session under the cursor, to an account"),
    ("a", "add an account: an API key, or the login of Claude Code"),
    ("r", "remove an account from the config file"),
    ("R", "read the config file again"),
    ("d", "disable an account, or enable it again"),
)
READ_KEYS = (
    ("j k ↓ ↑", "move the cursor (a click does, too); Esc takes it away"),
    ("Enter", "the row under the cursor in full"),
    ("e", "explain: why a request went where it went"),
    ("PgDn PgUp", "scroll; so do the mouse wheel, Space, Home (g) and End (G)"),
    ("Tab", "to the next section; Shift-Tab goes back"),
    ("/", "show only rows with these letters in them"),
    ("t", "fold or unfold the trees"),
    ("i", "show all issues, or the first eight"),
    ("b", "mute the bell, which rings when something new needs you"),
    ("q", "quit"),
)
SIGNS = (
    ("►", "bad strong", "needs you: blocked, in review, or waiting for an answer"),
    ("◆", "warn", "before a session: another one is pinned to the same issue"),
    ("☂ ↳", "accent", "leads others; works for the one above"),
    ("⚙ ~", "good", "a tool is executing; a model is answering"),
    ("Σ", "accent", "tokens of a whole branch of a tree"),
    ("◆ ◇", "good", "an account with a subscription; one with an API key"),
    ("[██  ]", "good", "what is used of a window of quota; in it the time to its reset"),
    ("↑ →", "good", "the account is behind its line and has room; it keeps to it"),
    ("↓5h", "warn", "ahead of its line: full in five hours if it goes on like that"),
)


def help_page(read_only: bool) -> Page:
    """What the keys do and what the signs mean."""
    lines: list[Line] = [()]
    lines += [_row(key, "accent", text) for key, text in READ_KEYS]
    if not read_only:
        lines += [(), *(_row(key, "accent", text) for key, text in WRITE_KEYS)]
    lines += [(), *(_row(*sign) for sign in SIGNS)]
    lines += [(), line(("  To select text with the mouse hold Shift. More: teamclaude help deck", "dim"))]
    return Page("Keys and signs", tuple(lines), indent=13)


def _row(sign: str, style: str, text: str) -> Line:
    return line(f"  {' ' * (9 - len(sign))}", (sign, style), f"  {text}")
