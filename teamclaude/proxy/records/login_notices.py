"""Log lines about logins: renewed, lost, usable again, near their end.

A line reports a difference between two looks; a login that is lost, or ends soon, at the first look has none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from ...routing.view import AccountState
from ...snapshot import TokenView
from ...values import NamedTuple
from .notice import LOGIN, MAX_REASON_CHARS, Notice
from .wait_texts import duration_text

__all__ = ["ENDING_SEC", "LoginNotices", "LoginState", "login_states"]

ENDING_SEC = 3 * 86400.0  # before the end of a login
LOST = "re-login needed"  # the state of a TokenView


class LoginState(NamedTuple):
    """One login at one instant; times are epoch seconds."""

    name: str
    lost: str = ""  # why only its owner can make it usable
    valid_until: Optional[float] = None  # the end of its token
    ends_at: Optional[float] = None  # of the login itself


def login_states(accounts: Sequence[AccountState], tokens: Mapping[str, TokenView]) -> dict[str, LoginState]:
    """Return the logins by account key; an API key is one, too."""
    return {
        account.key: _login_state(account, tokens.get(account.key) or TokenView()) for account in accounts
    }


def _login_state(account: AccountState, token: TokenView) -> LoginState:
    refused = (token.reason or "its login has ended") if token.state == LOST else ""
    return LoginState(account.name, account.auth_failed or refused, token.expires_at, token.login_ends_at)


class LoginNotices:
    """What the last look has seen; call it from one thread at a time."""

    def __init__(self) -> None:
        self._before: Optional[Mapping[str, LoginState]] = None
        self._looked_at = 0.0

    def update(self, logins: Mapping[str, LoginState], now: float) -> list[Notice]:
        """Return the lines for what has changed since the last call."""
        known, self._before = self._before, logins
        looked_at, self._looked_at = self._looked_at, now
        if known is None:
            return []
        return [
            Notice(LOGIN, after.name, text, after.name)
            for key, after in logins.items()
            if key in known
            for text in _changes(known[key], after, looked_at, now)
        ]


def _changes(before: LoginState, after: LoginState, looked_at: float, now: float) -> Iterator[str]:
    if after.lost and not before.lost:
        yield f"lost: {after.lost}"[:MAX_REASON_CHARS]
    elif before.lost and not after.lost:
        yield "usable again"
    elif after.valid_until is not None and after.valid_until > (before.valid_until or 0.0):
        yield f"renewed, its token is good for {duration_text(max(0.0, after.valid_until - now))}"
    if _ends_soon(after.ends_at, now) and not (
        before.ends_at == after.ends_at and _ends_soon(before.ends_at, looked_at)
    ):
        assert after.ends_at is not None
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(after.ends_at))
        yield f"ends in {duration_text(after.ends_at - now)} ({day}): log in again before that"


def _ends_soon(ends_at: Optional[float], now: float) -> bool:
    return ends_at is not None and 0.0 < ends_at - now <= ENDING_SEC
