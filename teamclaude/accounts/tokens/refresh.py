"""One token refresh, ordered so that no crash and no race loses a login that could be kept.

A refresh token can be used once, and its answer is given once:

1. take the account's lock, shared by threads and processes;
2. reread the store: a refresh that was first has left a newer pair there, which is adopted;
3. record durably which token is about to be spent (the refresh journal); if impossible, don't spend it;
4. send it, and write the answer into the journal in one write;
5. store the new pair durably, before anything uses it;
6. remove the journal.

A refused token that we never sent before was spent by somebody else, or revoked: the store is read once more,
in case another process has put a newer pair there whose lock we don't see; else the error says so, now and
after each restart, and the token is never sent again: two programs do not take turns in spending one login.

A crash before 4 leaves the old token valid.  After 4 the journal holds the new pair, which the next
refresh stores.  If the answer was lost on the network, the old token is tried again later; if it is
refused then, the error says when and how the login was lost.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Callable, Optional

from ...errors import ConfigError, LoginRefusedError, TeamClaudeError, TokenEndpointUnavailableError
from ...values import NamedTuple
from ..config.file_lock import FileLock
from ..oauth.token_response import TokenGrant
from .refresh_journal import RefreshJournal, token_directory, token_side_path
from .token_pair import RefreshNeed, TokenPair, refresh_need
from .token_store import TokenStore

__all__ = [
    "LOGIN_AGAIN",
    "USED_ELSEWHERE",
    "RefreshResult",
    "Spend",
    "SpendingRefresher",
    "UnsavedPair",
    "refused_text",
]

# Longer than one call to the token endpoint: a second refresh waits for the pair of the first.
LOCK_TIMEOUT_SEC = 90.0
LOGIN_AGAIN = "log in again: teamclaude login"
USED_ELSEWHERE = (
    "It was revoked, or another server or Claude Code has the same login and renewed it first: give each a "
    "login of its own (teamclaude help accounts)"
)

Spend = Callable[[str], TokenGrant]


class UnsavedPair:
    """A pair that could not be stored, with the account's lock.

    The lock stays held until the pair is stored: another process would read the old token and spend it a
    second time, which ends the login.
    """

    def __init__(self, save: Callable[[], TokenPair], held: contextlib.ExitStack) -> None:
        self._save = save
        self._held = held

    def save(self) -> TokenPair:
        """Store the pair and release the lock; return as TokenStore.write does.  Raise ConfigError."""
        pair = self._save()
        self.discard()
        return pair

    def discard(self) -> None:
        """Discard the pair and release the lock."""
        self._held.close()


class RefreshResult(NamedTuple):
    """The pair to use from now on.

    `spent`: the refresh token it was exchanged for, None when it came from the store.  `issued`: it was
    issued just now.  `note`: a warning for the owner.  `unsaved`: set when the pair could not be stored;
    `note` then says why.
    """

    pair: TokenPair
    spent: Optional[str] = None
    issued: bool = False
    note: str = ""
    unsaved: Optional[UnsavedPair] = None

    def __repr__(self) -> str:
        return f"RefreshResult(pair={self.pair!r}, issued={self.issued}, note={self.note!r})"


class SpendingRefresher:
    """Refresh the tokens in `store` at the token endpoint (a TokenRefresher).

    Its lock and journal lie beside the file `config`; accounts with the same `identity` share the lock.
    `remedy`: what its owner can do when the login has ended.
    """

    spends = True
    ahead = True

    def __init__(
        self,
        config: Path,
        identity: str,
        store: TokenStore,
        clock: Callable[[], float] = time.time,
        remedy: str = LOGIN_AGAIN,
    ) -> None:
        self._config, self._identity = config, identity
        self.store = store
        self._clock = clock
        self.remedy = remedy

    def journal(self, token: str) -> RefreshJournal:
        """Return this refresh token's journal as it is now, for reading only."""
        return RefreshJournal(token_directory(self._config), token)

    def refresh(
        self, spend: Spend, rejected_token: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> RefreshResult:
        """Return a fresh pair whose access token is not `rejected_token`.

        `held` is the caller's pair: if the store has vanished or can't be parsed, the login goes on with it,
        and the new pair is unsaved until the store is back.
        Raise LoginRefusedError (log in again), TokenEndpointUnavailableError, or another TeamClaudeError
        when the store or the journal can't be accessed; nothing is spent then.
        """
        with contextlib.ExitStack() as locks:
            self._lock(locks)
            found = self._stored_or_journaled(self.store.read(held), locks)
            pair, token = found.pair, found.pair.refresh_token
            if found.unsaved is not None:
                return found
            journal = self.journal(token) if token is not None else None
            good = (
                refresh_need(pair, self._clock()) is RefreshNeed.NONE and pair.access_token != rejected_token
            )
            # A refresh token that may be spent is tried now: better to know than to find out in hours.
            if good and (journal is None or journal.started_at is None):
                return found
            if token is None or journal is None:
                raise LoginRefusedError(self._ended_text(rejected_token is not None))
            return self._spend(pair, token, journal, spend, locks)

    def _ended_text(self, refused: bool) -> str:
        what = "the API refused its token" if refused else "its token is at its end"
        why = ", and there is no refresh token" if self.remedy is LOGIN_AGAIN else ""
        return f"{what}{why}; {self.remedy}"

    def _lock(self, held: contextlib.ExitStack) -> None:
        path = f"{token_side_path(self._config, self._identity)}.lock"
        try:
            held.enter_context(FileLock(path, LOCK_TIMEOUT_SEC))
        except TimeoutError as error:
            raise ConfigError(str(error)) from None
        except OSError as error:
            raise ConfigError(f"{path}: can't lock it: {error.strerror or error}") from None
        held.enter_context(self.store.exclude_other_programs())

    def _stored_or_journaled(self, stored: TokenPair, held: contextlib.ExitStack) -> RefreshResult:
        """Return the stored pair, or the journaled answer of an interrupted refresh, which is stored now."""
        token = stored.refresh_token
        journal = self.journal(token) if token is not None else None
        if token is None or journal is None or journal.answer is None:
            return RefreshResult(stored)
        started = _local_time(journal.started_at or 0.0)
        note = f"a refresh at {started} was interrupted; its tokens are found and stored"
        return self._store_pair(journal.answer, token, journal, note, held)

    def _spend(
        self, stored: TokenPair, token: str, journal: RefreshJournal, spend: Spend, held: contextlib.ExitStack
    ) -> RefreshResult:
        if journal.refused_at is not None:
            raise LoginRefusedError(refused_text(journal.refused_at, journal.refused_elsewhere))
        self._journal_start(journal)
        try:
            grant = spend(token)
        except LoginRefusedError as error:
            now = self._clock()
            elsewhere = journal.started_at is None and _ends_later(stored, error, now)
            with contextlib.suppress(OSError):  # at worst it is refused once more
                journal.write_refusal(now, elsewhere)
            newer = self._newer_pair(token) if elsewhere else None
            if newer is not None:
                return RefreshResult(newer)
            raise LoginRefusedError(_login_lost_text(journal.started_at, error, elsewhere)) from None
        except TokenEndpointUnavailableError as error:
            if journal.started_at is None and not error.may_be_spent:
                journal.remove()
            raise
        pair = stored.after_refresh(grant)
        if pair.refresh_token != token:
            with contextlib.suppress(OSError):  # the store alone must do
                journal.write_answer(pair)
        note = (
            ""
            if journal.started_at is None
            else f"{_lost_answer_text(journal.started_at)}, but its refresh token was still good"
        )
        return self._store_pair(pair, token, journal, note, held)._replace(issued=True)

    def _newer_pair(self, token: str) -> Optional[TokenPair]:
        """Return what the store holds by now, if that is another login than the one with `token`."""
        with contextlib.suppress(OSError, TeamClaudeError):
            found = self.store.read()
            if found.access_token is not None and found.refresh_token != token:
                return found
        return None

    def _journal_start(self, journal: RefreshJournal) -> None:
        try:
            journal.write_start(self._clock())
        except OSError as error:
            raise ConfigError(
                f"{journal.path}: can't write it: {error.strerror or error}; no refresh token is spent "
                "whose answer could not be kept"
            ) from None

    def _store_pair(
        self, pair: TokenPair, token: str, journal: RefreshJournal, note: str, held: contextlib.ExitStack
    ) -> RefreshResult:
        """Store the pair; if that fails, return it as unsaved, with the lock still held."""

        def save() -> TokenPair:
            try:
                stored = self.store.write(token, pair)
            except OSError as error:
                raise self._store_error(token, error.strerror or str(error)) from None
            except TeamClaudeError as error:
                raise self._store_error(token, str(error)) from None
            journal.remove()
            return stored

        try:
            return RefreshResult(save(), token, note=note)
        except ConfigError as error:
            return RefreshResult(pair, token, note=str(error), unsaved=UnsavedPair(save, held.pop_all()))

    def _store_error(self, token: str, why: str) -> ConfigError:
        kept = self.journal(token).answer is not None
        where = "in memory only, and lost at a restart"
        if kept:
            where = f"kept in {token_directory(self._config)}"
        return ConfigError(f"the new tokens can't be stored and are {where}: {why}")


def refused_text(at: float, elsewhere: bool = False) -> str:
    """Say why a refresh token that was refused `at` (epoch seconds) is not sent again.

    `elsewhere`: it was refused before its end, and we had not spent it.
    """
    text = f"its refresh token was refused at {_local_time(at)}; {LOGIN_AGAIN}"
    return f"{text}. {USED_ELSEWHERE}" if elsewhere else text


def _ends_later(pair: TokenPair, error: LoginRefusedError, now: float) -> bool:
    """Return whether the login should not have ended yet: who ended it is somebody else.

    Only 400 invalid_grant is a word about the token; 401 and 403 may be about the way to the server.
    """
    return error.answered == 400 and (pair.login_ends_at is None or now < pair.login_ends_at)


def _login_lost_text(left: Optional[float], error: LoginRefusedError, elsewhere: bool) -> str:
    if left is None:
        return f"{error}. {USED_ELSEWHERE}" if elsewhere else str(error)
    return f"{_lost_answer_text(left)}: that answer probably held the new tokens. Now {error}"


def _lost_answer_text(at: float) -> str:
    return f"the answer to a refresh at {_local_time(at)} was never stored (a crash, or a broken connection)"


def _local_time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
