"""One refresh, in the order in which no crash and no race loses a login that could be kept.

A refresh token is good once, and its answer is given once:

1. take the account's lock, which threads and processes share;
2. read the store again: whoever was first has left a newer pair there, which is adopted;
3. note durably which token is about to be spent (`intent`); where that is impossible, don't spend it;
4. spend it, and put the answer beside the note in one write;
5. store the new pair durably, before anybody may use it;
6. take the note away.

A crash before 4 leaves the old token good.  After it the note holds the new pair, which the next one
in puts where it belongs.  When the answer was lost on its way, the old token is tried again later;
if it is refused, the words say when and how the login was lost.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Callable, NamedTuple, Optional

from ...errors import ConfigError, LoginRefusedError, TeamClaudeError, TokenEndpointUnavailableError
from ..config.file_lock import FileLock
from ..oauth.token_response import TokenGrant
from .expiry import RefreshNeed, refresh_need
from .refresh_journal import RefreshJournal
from .token_pair import TokenPair
from .token_store import TokenStore

__all__ = ["LOGIN_AGAIN", "SpendingRefresher", "RefreshResult", "Spend", "UnsavedPair", "refused_text"]

# Longer than one call to the token endpoint takes: the second one in waits for the first one's pair.
LOCK_TIMEOUT_SEC = 90.0
LOGIN_AGAIN = "log in again: teamclaude login"

Spend = Callable[[str], TokenGrant]


class UnsavedPair:
    """A pair that could not be stored.  As long as it is not, no other process gets the lock: it
    would read the old token and spend it a second time, which ends the login.
    """

    def __init__(self, save: Callable[[], TokenPair], held: contextlib.ExitStack) -> None:
        self._save = save
        self._held = held

    def save(self) -> TokenPair:
        """Try again: the stored pair, as of TokenStore.write, and the lock is free.  ConfigError."""
        pair = self._save()
        self.discard()
        return pair

    def discard(self) -> None:
        """Give up the pair and the lock."""
        self._held.close()


class RefreshResult(NamedTuple):
    """The pair to use from now on.

    `spent`: the refresh token that bought it, None when it was in the store.  `issued`: it was just
    now.  `note`: what the owner should know.  `unsaved`: set when it could not be stored, and `note`
    says why.
    """

    pair: TokenPair
    spent: Optional[str] = None
    issued: bool = False
    note: str = ""
    unsaved: Optional[UnsavedPair] = None

    def __repr__(self) -> str:
        return f"Renewal(pair={self.pair!r}, issued={self.issued}, note={self.note!r})"


class SpendingRefresher:
    """A Renewer of the tokens in `store`.  `side`: where the account's lock and record are (`side_path`)."""

    spends = True

    def __init__(self, side: str, store: TokenStore, clock: Callable[[], float] = time.time) -> None:
        self._side = side
        self._store = store
        self._clock = clock

    def journal(self, token: str) -> RefreshJournal:
        """What is noted of this refresh token now; to look at only."""
        return RefreshJournal(os.path.dirname(self._side), token)

    def read(self) -> TokenPair:
        return self._store.read()

    def changed(self) -> bool:
        return self._store.changed()

    def refresh(
        self, spend: Spend, rejected_token: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> RefreshResult:
        """A pair that is fresh and not the `condemned` access token.

        `held` is what the caller has: where the store has vanished or can't be understood, the login goes on
        with it, and the new pair is unsaved until the store is back.
        Raises LoginRefused (log in again), TokenEndpointBusy, or another TeamClaudeError when the store
        or the note is out of reach; nothing is spent then.
        """
        with contextlib.ExitStack() as locks:
            self._lock(locks)
            found = self._stored_or_journaled(self._store.read(held), locks)
            pair, token = found.pair, found.pair.refresh_token
            if found.unsaved is not None:
                return found
            intent = self.journal(token) if token is not None else None
            good = (
                refresh_need(pair, self._clock()) is RefreshNeed.NONE and pair.access_token != rejected_token
            )
            # Where the refresh token may be spent, it is better to know now than in some hours.
            if good and (intent is None or intent.started_at is None):
                return found
            if token is None or intent is None:
                raise LoginRefusedError(f"there is no refresh token to renew it with; {LOGIN_AGAIN}")
            return self._spend(pair, token, intent, spend, locks)

    def _lock(self, held: contextlib.ExitStack) -> None:
        try:
            held.enter_context(FileLock(f"{self._side}.lock", LOCK_TIMEOUT_SEC))
        except TimeoutError as error:
            raise ConfigError(str(error)) from None
        except OSError as error:
            raise ConfigError(f"{self._side}.lock: can't lock it: {error.strerror or error}") from None
        held.enter_context(self._store.exclude_other_programs())

    def _stored_or_journaled(self, stored: TokenPair, held: contextlib.ExitStack) -> RefreshResult:
        """What is stored, or what an interrupted refresh bought for it."""
        token = stored.refresh_token
        intent = self.journal(token) if token is not None else None
        if token is None or intent is None or intent.answer is None:
            return RefreshResult(stored)
        words = f"a refresh at {_local_time(intent.started_at or 0.0)} was interrupted; its tokens are found and stored"
        return self._store_pair(intent.answer, token, intent, words, held)

    def _spend(
        self, stored: TokenPair, token: str, intent: RefreshJournal, spend: Spend, held: contextlib.ExitStack
    ) -> RefreshResult:
        if intent.refused_at is not None:
            raise LoginRefusedError(refused_text(intent.refused_at))
        self._journal_start(intent)
        try:
            grant = spend(token)
        except LoginRefusedError as error:
            with contextlib.suppress(OSError):  # then it is at worst refused once more
                intent.write_refusal(self._clock())
            raise LoginRefusedError(_login_lost_text(intent.started_at, error)) from None
        except TokenEndpointUnavailableError as error:
            if intent.started_at is None and not error.may_be_spent:
                intent.remove()
            raise
        pair = stored.after_refresh(grant)
        if pair.refresh_token != token:
            with contextlib.suppress(OSError):  # then the store alone must do
                intent.write_answer(pair)
        note = (
            ""
            if intent.started_at is None
            else f"{_lost_answer_text(intent.started_at)}, but its refresh token was still good"
        )
        return self._store_pair(pair, token, intent, note, held)._replace(issued=True)

    def _journal_start(self, intent: RefreshJournal) -> None:
        try:
            intent.write_start(self._clock())
        except OSError as error:
            raise ConfigError(
                f"{intent.path}: can't write it: {error.strerror or error}; no refresh token is spent "
                "whose answer could not be kept"
            ) from None

    def _store_pair(
        self, pair: TokenPair, token: str, intent: RefreshJournal, note: str, held: contextlib.ExitStack
    ) -> RefreshResult:
        """The pair is in its place, or it is unsaved and the lock with it."""

        def save() -> TokenPair:
            try:
                there = self._store.write(token, pair)
            except OSError as error:
                raise self._store_error(token, error.strerror or str(error)) from None
            except TeamClaudeError as error:
                raise self._store_error(token, str(error)) from None
            intent.remove()
            return there

        try:
            return RefreshResult(save(), token, note=note)
        except ConfigError as error:
            return RefreshResult(pair, token, note=str(error), unsaved=UnsavedPair(save, held.pop_all()))

    def _store_error(self, token: str, why: str) -> ConfigError:
        kept = self.journal(token).answer is not None
        where = f"kept in {os.path.dirname(self._side)}" if kept else "in memory only, and lost at a restart"
        return ConfigError(f"the new tokens can't be stored and are {where}: {why}")


def refused_text(at: float) -> str:
    """Why a refresh token that was refused `at` (epoch seconds) is not sent again."""
    return f"its refresh token was refused at {_local_time(at)}; {LOGIN_AGAIN}"


def _login_lost_text(left: Optional[float], error: LoginRefusedError) -> str:
    if left is None:
        return str(error)
    return f"{_lost_answer_text(left)}: that answer probably held the new tokens. Now {error}"


def _lost_answer_text(at: float) -> str:
    return f"the answer to a refresh at {_local_time(at)} was never stored (a crash, or a broken connection)"


def _local_time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
