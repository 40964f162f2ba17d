"""What is known in memory of one account's tokens, and what is to be done about them."""

from __future__ import annotations

import threading
from typing import Optional

from .freshness import (
    MIN_REFRESH_INTERVAL_SEC,
    NEVER,
    WARN_SEC,
    RefreshNeed,
    Usability,
    TokenStatus,
    refresh_margin_sec,
    refresh_need,
    backoff_sec,
)
from .pair import NO_TOKENS, TokenPair
from .refresh import RefreshResult, UnsavedPair, refused_text
from .renewer import TokenRefresher

__all__ = ["Slot"]

# A token that was renewed so recently and is refused would not be better after another renewal.
YOUNG_SEC = 60.0
NEVER_YET = float("-inf")


class Slot:
    """`flight` is held, across I/O, by the one thread that renews the tokens; all else here is quick.

    Readers of `pair` take no lock: it is frozen and replaced whole.
    """

    def __init__(self, renewer: TokenRefresher, origin: object = None) -> None:
        self.name = ""
        self.idle = False  # disabled by its owner: not renewed ahead
        self.renewer = renewer
        self.origin = origin  # what of the config the renewer was made from
        self.flight = threading.Lock()
        self.pair: TokenPair = NO_TOKENS
        self.refused = ""  # why only a new login helps
        self.trouble = ""  # why the last renewal failed
        self.retry_at = 0.0
        self.unsaved: Optional[UnsavedPair] = None
        self.unfinished = False  # the token may be spent already, and the answer is not here
        self._lock = threading.Lock()  # guards every change of the six above and of these:
        self._condemned: Optional[str] = None  # the access token that the API refused
        self._spent: set[str] = set()  # refresh tokens that this process has spent
        self._renewed_at = NEVER_YET
        self._failures = 0
        self._told_out = False
        self._warned_of: Optional[float] = None  # the end of the login that was warned of

    # --- what happens -------------------------------------------------------------------------------

    def offer(self, pair: TokenPair) -> bool:
        """A pair was read from the store; False when it is ours, or older than ours."""
        with self._lock:
            if pair.tokens == self.pair.tokens:
                # A time may have been put right.  Claude Code's file does not tell when they were issued.
                issued_at = self.pair.issued_at if pair.issued_at is None else pair.issued_at
                self.pair = pair._replace(issued_at=issued_at)
                return False
            if self._is_old(pair):
                return False
            if self.unsaved is not None:  # the owner logged in again, which is newer than ours
                self.unsaved.discard()
                self.unsaved = None
            self._replace(pair)
            return True

    def renewed(self, renewal: RefreshResult, now: float) -> bool:
        """A renewal succeeded; True when the access token is another one now."""
        with self._lock:
            changed = renewal.pair.access_token != self.pair.access_token
            if renewal.issued:
                self._renewed_at = now
            if renewal.spent is not None and renewal.spent != renewal.pair.refresh_token:
                self._spent.add(renewal.spent)
            self._replace(renewal.pair)
            self.unsaved = renewal.unsaved
            if self.unsaved is not None:
                self._hold_off(now, renewal.note, None)
            return changed

    def saved(self, pair: TokenPair) -> None:
        """What was in memory only is stored now, or a newer login was found there."""
        with self._lock:
            self.unsaved = None
            self._replace(pair)

    def condemn(self, token: str, now: float) -> str:
        """The API refused an access token (401); why a renewal is no help, empty when it may be."""
        with self._lock:
            if token == self.pair.access_token:
                if 0 <= now - self._renewed_at < YOUNG_SEC:
                    return "the API refuses a token that was renewed just now"
                self._condemned = token
            return ""

    def refuse(self, words: str) -> None:
        """The authorization server does not know the login any more."""
        with self._lock:
            self.refused, self.unfinished = words, False

    def recall(self) -> None:
        """Take in what an earlier process noted of our refresh token."""
        token = self.pair.refresh_token
        intent = None if token is None else self.renewer.journal(token)
        if intent is None:
            return
        with self._lock:
            self.unfinished = intent.started_at is not None
            if intent.refused_at is not None:
                self.refused = refused_text(intent.refused_at)

    def fail(self, now: float, words: str, wish: Optional[float] = None) -> bool:
        """A renewal came to nothing; `wish`: seconds the server asked for.  True when that is news."""
        with self._lock:
            news = words != self.trouble
            self._hold_off(now, words, wish)
            return news

    def close(self) -> None:
        """The account is gone: nothing is kept for it."""
        with self._lock:
            if self.unsaved is not None:
                self.unsaved.discard()
                self.unsaved = None

    def _replace(self, pair: TokenPair) -> None:
        self.pair = pair
        self.refused = self.trouble = ""
        self.retry_at, self._failures = 0.0, 0
        self.unfinished = self._told_out = False

    def _hold_off(self, now: float, words: str, wish: Optional[float]) -> None:
        self._failures += 1
        self.trouble = words
        self.retry_at = now + backoff_sec(self._failures, wish)

    def _is_old(self, pair: TokenPair) -> bool:
        """A reload that began before our last renewal brings what was there before it."""
        if pair.refresh_token is None:
            return False
        earlier = (pair.expires_at or 0.0) < (self.pair.expires_at or 0.0)
        return pair.refresh_token in self._spent or (
            pair.refresh_token == self.pair.refresh_token and earlier
        )

    # --- questions ----------------------------------------------------------------------------------

    @property
    def condemned(self) -> Optional[str]:
        """The current access token when the API refused it."""
        token = self.pair.access_token
        return token if token == self._condemned else None

    def need(self, now: float) -> RefreshNeed:
        """As need_of; a token that the API refused is not usable."""
        refused = self._condemned is not None and self.condemned
        return RefreshNeed.MANDATORY if refused else refresh_need(self.pair, now)

    def wants(self, now: float) -> bool:
        """Whether a renewal should be tried now."""
        if self.refused or self.unsaved is not None or now < self._next_try(now):
            return False
        need = self.need(now)
        # What another program renews is looked at when it is needed, and when its file changes.
        return need is RefreshNeed.MANDATORY or (self.renewer.spends and (self.unfinished or need is RefreshNeed.ADVISORY))

    def standing(self, now: float) -> Usability:
        """Whether requests may be sent with the token we have."""
        if self.need(now) is not RefreshNeed.MANDATORY:
            return Usability(True)
        if self.refused:
            return Usability(False, self.refused)
        words = self.trouble or "its token has expired and is being renewed"
        # Where another program renews, a refused token is refused until that has happened.
        waits = self.renewer.spends or not self.condemned
        return Usability(False, words, max(self._next_try(now), now + 1.0) if waits else None)

    def next_look(self, now: float) -> float:
        """When the timer is to renew or to store here (epoch seconds)."""
        if self.unsaved is not None:
            return self.retry_at
        if self.idle or self.refused:
            return NEVER
        soonest = max(now, self._next_try(now))
        if self.wants(soonest):
            return soonest
        ends = self.pair.expires_at
        margin = refresh_margin_sec(self.pair) if self.renewer.spends else 0.0
        return NEVER if ends is None else max(soonest, ends - margin)

    def _next_try(self, now: float) -> float:
        """Before then no renewal is tried; a clock that was set back does not put it off."""
        distant = self._renewed_at + MIN_REFRESH_INTERVAL_SEC if self._renewed_at <= now else NEVER_YET
        return max(self.retry_at, distant)

    def take_out(self, now: float) -> str:
        """Why only a new login brings the account back; told once, and empty while it can be used."""
        with self._lock:
            if not self.refused or self._told_out or self.need(now) is not RefreshNeed.MANDATORY:
                return ""
            self._told_out = True
            return self.refused

    def take_warning(self, now: float) -> Optional[float]:
        """When the login ends, told once, some days before."""
        with self._lock:
            ends = self.pair.last_use_ends_at
            if ends is None or ends == self._warned_of or not 0 < ends - now <= WARN_SEC:
                return None
            self._warned_of = ends
            return ends

    def state(self, now: float) -> TokenStatus:
        """For display."""
        pair, words = self.pair, self.refused or self.trouble
        if self.refused:
            return TokenStatus("re-login needed", pair.expires_at, pair.last_use_ends_at, words)
        fresh = self.need(now) is RefreshNeed.NONE
        return TokenStatus("valid" if fresh else "refresh due", pair.expires_at, pair.last_use_ends_at, words)
