"""One refresh, in the order in which no crash and no race loses a login that could be kept.

A refresh token is good once, and its answer is given once:

1. take the account's lock, which threads and processes share;
2. read the store again: whoever was first has left a newer pair there, which is adopted;
3. note durably which token is about to be spent (`intent`); where that is impossible, don't spend it;
4. spend it;
5. store the new pair durably, before anybody may use it;
6. take the note away.

A crash before 4 leaves the old token good, one after 5 the new one.  In between the answer may be
lost: the note stays, the old token is tried again later, and if it is refused the words say when
and how the login was lost.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

from ..errors import ConfigError, LoginRefused, TeamClaudeError, TokenEndpointBusy
from .freshness import Need, need_of
from .grants import TokenGrant
from .intent import SpendRecord
from .lock import FileLock
from .pair import TokenPair
from .tokenstore import TokenStore

__all__ = ["AGAIN", "Refresher", "Renewal", "Spend", "Unsaved", "refused_words"]

# Longer than one call to the token endpoint takes: the second one in waits for the first one's pair.
LOCK_SEC = 90.0
AGAIN = "log in again: teamclaude login"

Spend = Callable[[str], TokenGrant]


class Unsaved:
    """A pair that could not be stored.  As long as it is not, no other process gets the lock: it
    would read the old token and spend it a second time, which ends the login."""

    def __init__(self, pair: TokenPair, save: Callable[[], TokenPair], held: contextlib.ExitStack) -> None:
        self.pair = pair
        self._save = save
        self._held = held

    def save(self) -> TokenPair:
        """Try again: the stored pair, as of TokenStore.write, and the lock is free.  ConfigError."""
        self.pair = self._save()
        self.drop()
        return self.pair

    def drop(self) -> None:
        """Give up the pair and the lock."""
        self._held.close()


@dataclass(frozen=True)
class Renewal:
    """The pair to use from now on.

    `spent`: the refresh token that bought it, None when it was found in the store.  `note`: what the
    owner should know.  `unsaved`: set when the pair is in memory only, with `note` saying why.
    """

    pair: TokenPair
    spent: Optional[str] = field(default=None, repr=False)
    note: str = ""
    unsaved: Optional[Unsaved] = None


class Refresher:
    """A Renewer of the tokens in `store`.  `side`: where the account's lock and record are (`side_path`)."""

    spends = True

    def __init__(self, side: str, store: TokenStore, clock: Callable[[], float] = time.time) -> None:
        self._side = side
        self._store = store
        self._clock = clock

    def record(self) -> SpendRecord:
        """What is noted now; to look at only."""
        return SpendRecord(f"{self._side}.json")

    def read(self) -> TokenPair:
        return self._store.read()

    def changed(self) -> bool:
        return self._store.changed()

    def renew(self, spend: Spend, condemned: Optional[str] = None) -> Renewal:
        """A pair that is fresh and not the `condemned` access token.

        Raises LoginRefused (log in again), TokenEndpointBusy, or another TeamClaudeError when the store
        or the note is out of reach; nothing is spent then.
        """
        with contextlib.ExitStack() as held:
            self._lock(held)
            stored, record = self._store.read(), self.record()
            token = stored.refresh_token
            good = need_of(stored, self._clock()) is Need.NONE and stored.access_token != condemned
            # Where the refresh token may be spent, it is better to know now than in some hours.
            if good and (token is None or record.begun(token) is None):
                return Renewal(stored)
            if token is None:
                raise LoginRefused(f"there is no refresh token to renew it with; {AGAIN}")
            return self._spend(stored, token, record, spend, held)

    def _lock(self, held: contextlib.ExitStack) -> None:
        try:
            held.enter_context(FileLock(f"{self._side}.lock", LOCK_SEC))
        except TimeoutError as error:
            raise ConfigError(str(error)) from None
        except OSError as error:
            raise ConfigError(f"{self._side}.lock: can't lock it: {error.strerror or error}") from None
        held.enter_context(self._store.others())

    def _spend(
        self,
        stored: TokenPair,
        token: str,
        record: SpendRecord,
        spend: Spend,
        held: contextlib.ExitStack,
    ) -> Renewal:
        at = record.refused(token)
        if at is not None:
            raise LoginRefused(refused_words(at))
        left = record.begun(token)
        self._begin(record, token)
        try:
            grant = spend(token)
        except LoginRefused as error:
            with contextlib.suppress(OSError):  # then it is at worst refused once more
                record.refuse(token, self._clock())
            raise LoginRefused(_lost(left, error)) from None
        except TokenEndpointBusy as error:
            if left is None and not error.may_be_spent:
                with contextlib.suppress(OSError):
                    record.clear(token)
            raise
        note = "" if left is None else f"{_interrupted(left)}, but its refresh token was still good"
        return self._keep(stored.followed_by(grant), token, record, note, held)

    def _begin(self, record: SpendRecord, token: str) -> None:
        try:
            record.begin(token, self._clock())
        except OSError as error:
            raise ConfigError(
                f"{self._side}.json: can't write it: {error.strerror or error}; no refresh token is "
                "spent that could not be replaced"
            ) from None

    def _keep(
        self, pair: TokenPair, token: str, record: SpendRecord, note: str, held: contextlib.ExitStack
    ) -> Renewal:
        def save() -> TokenPair:
            try:
                there = self._store.write(token, pair)
            except OSError as error:
                raise ConfigError(f"can't write the new tokens: {error.strerror or error}") from None
            with contextlib.suppress(OSError):  # a note of a token that is nobody's any more does no harm
                record.clear(token)
            return there

        try:
            return Renewal(save(), token, note)
        except TeamClaudeError as error:
            words = f"the new tokens are in memory only and lost at a restart: {error}"
            return Renewal(pair, token, words, Unsaved(pair, save, held.pop_all()))


def refused_words(at: float) -> str:
    """Why a refresh token that was refused `at` (epoch seconds) is not sent again."""
    return f"its refresh token was refused at {_moment(at)}; {AGAIN}"


def _lost(left: Optional[float], error: LoginRefused) -> str:
    if left is None:
        return str(error)
    return f"{_interrupted(left)}: that answer probably held the new tokens. Now {error}"


def _interrupted(at: float) -> str:
    return f"the answer to a refresh at {_moment(at)} was never stored (a crash, or a broken connection)"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
