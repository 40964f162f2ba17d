"""Find the token of `claude setup-token` in what a person copied from the terminal.

The client prints it (2.1.332 at 80 columns; 2.1.112 the same without the indent), and copying keeps the
line break:

     ✔ Long-lived authentication token created

     Your OAuth token (valid for 1 year):

     sk-ant-oat01-FAKEfake0123456789-_FAKEfake0123456789-_FAKEfake0123456789-_FAKEfa
     ke0123456789-_FAKEfa-FAKEAA

     Store this token securely. You won't be able to see it again.

Such a token has the scope user:inference alone, no refresh token, and lives for a year.
No text made here contains a credential.
"""

from __future__ import annotations

import re
from typing import Optional

from ...errors import TeamClaudeError
from ...values import NamedTuple

__all__ = ["SetupToken", "find_setup_token"]

PREFIX = "sk-ant-oat"
# The escape sequences of colours and of a bracketed paste (ECMA-48, 5.4), and of links (OSC).
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\].*?(?:\x07|\x1b\\))")
TOKEN = re.compile(r"sk-ant-oat[0-9A-Za-z_-]*")
TOKEN_PART = re.compile(r"[0-9A-Za-z_-]+")
# What may stand around a token in its line: quotes, assignments, frames of boxes.
DECORATION = " \t\"'`;,│┃|\\"
VALID_FOR = re.compile(r"valid\s+for\s+(\d{1,3})\s+(hour|day|week|month|year)s?\b")
DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.0, "year": 365.0}
# Of 2.1.332 they have about 108 characters.  Shorter ones are probably cut at a line break.
SHORT = 80
IN_JSON = ("claudeAiOauth", "refreshToken", "refresh_token")
JSON_LOGIN = "this is a login in JSON, which can be renewed: use teamclaude import --json -"
OTHERS = (
    ("sk-ant-api", "this is an API key: use teamclaude login --api"),
    ("sk-ant-admin", "this is an admin key, which can't call models; use a token of claude setup-token"),
    ("sk-ant-ort", "this is a refresh token, which is no use alone: use teamclaude login or import"),
)
NOT_ONE = "this is not a token of claude setup-token: they begin with sk-ant-oat"


class SetupToken(NamedTuple):
    """A token, and the seconds that the text around it says it lives; None: it does not say."""

    token: str
    life_sec: Optional[float] = None

    @property
    def is_short(self) -> bool:
        """Whether a part is probably missing."""
        return len(self.token) < SHORT

    def __repr__(self) -> str:
        return f"SetupToken(life_sec={self.life_sec})"


def find_setup_token(text: str) -> SetupToken:
    """Return the one token in `text`; lines that continue it are joined.

    Raise TeamClaudeError when there is none, another kind of credential, or several tokens.
    """
    plain = ESCAPES.sub("", text.replace("\0", ""))
    lines = [line.strip(DECORATION + "\r") for line in plain.split("\n")]
    tokens = {_token_at(lines, number) for number, line in enumerate(lines) if PREFIX in line}
    tokens.update(other for line in lines for other in TOKEN.findall(line)[1:])
    if not plain.strip():
        raise TeamClaudeError("no token was given: paste what claude setup-token prints, or give it on stdin")
    if any(mark in plain for mark in IN_JSON):
        raise TeamClaudeError(JSON_LOGIN)
    if not tokens:
        raise TeamClaudeError(next((what for mark, what in OTHERS if mark in plain), NOT_ONE))
    if len(tokens) > 1:
        raise TeamClaudeError(f"there are {len(tokens)} tokens in this: give one at a time")
    (token,) = tokens
    if len(token) <= len(PREFIX) + 3:
        raise TeamClaudeError("this is only the beginning of a token: copy all of it")
    lives = VALID_FOR.search(plain)
    return SetupToken(token, float(lives[1]) * DAYS[lives[2]] * 86400 if lives else None)


def _token_at(lines: list[str], number: int) -> str:
    """Return the token that begins in a line, with the lines after it that are nothing but its rest."""
    line = lines[number]
    found = TOKEN.search(line)
    assert found is not None
    token = found[0]
    if found.end() < len(line):
        return token
    for rest in lines[number + 1 :]:
        # A terminal's lines are equally long, and the last one is the shortest.
        if not TOKEN_PART.fullmatch(rest) or len(rest) > len(line) or rest.startswith("sk-ant-"):
            break
        token += rest
    return token
