"""The in-memory state of one account's tokens: the pair, its errors, its next refresh."""

from __future__ import annotations

import threading
from typing import Optional

from ...dial.proxies import ProxyAddress
from ...snapshot import TokenView
from .refresh import RefreshResult, UnsavedPair, refused_text
from .refreshers import TokenRefresher
from .token_pair import (
    MIN_REFRESH_INTERVAL_SEC,
    NEVER,
    NO_TOKENS,
    WARN_SEC,
    RefreshNeed,
    TokenPair,
    Usability,
    backoff_sec,
    fresh_until,
    refresh_need,
)

__all__ = ["AccountTokens"]

# If a token refreshed so recently is refused, another refresh would not help.
JUST_REFRESHED_SEC = 60.0
LONG_AGO = float("-inf")


class AccountTokens:
    """One account's tokens.

    `refresh_lock` is held, across I/O, by the one thread that refreshes; every other method is quick.
    Readers of `pair` and `fresh_until` take no lock: the pair is immutable and replaced as a whole.  A
    `fresh_until` that is read before `pair` holds for it: the pair is replaced first.
    """

    def __init__(self, refresher: TokenRefresher, refresher_key: object = None) -> None:
        self.name = ""
        self.disabled = False  # by its owner: not refreshed ahead of need
        self.proxy: Optional[ProxyAddress] = None  # the account's own, for refreshes as well
        self.refresher = refresher
        self.refresher_key = refresher_key  # the config values that the refresher was made from
        self.refresh_lock = threading.Lock()
        self.pair: TokenPair = NO_TOKENS
        self.fresh_until = LONG_AGO  # requests need not ask for more before that (epoch seconds)
        self.login_error = ""  # why only a new login helps
        self.last_error = ""  # why the last refresh failed
        self.retry_at = 0.0
        self.unsaved: Optional[UnsavedPair] = None
        self.maybe_spent = False  # the refresh token may be spent and its answer lost
        self._lock = threading.Lock()  # guards changes of the seven attributes above and of these:
        self._rejected_token: Optional[str] = None  # the access token that the API refused
        self._spent: set[str] = set()  # refresh tokens that this process has spent
        self._refreshed_at = LONG_AGO
        self._failures = 0
        self._auth_failure_reported = False
        self._warned_end: Optional[float] = None  # the login end for which a warning was given

    # --- events -------------------------------------------------------------------------------------

    def adopt(self, pair: TokenPair) -> bool:
        """Adopt a pair read from the store; return False when it is ours or older than ours."""
        with self._lock:
            if pair.tokens == self.pair.tokens:
                # Its times may have been corrected.  Claude Code's file does not say when it was issued.
                issued_at = self.pair.issued_at if pair.issued_at is None else pair.issued_at
                self._set_pair(pair._replace(issued_at=issued_at))
                return False
            if self._is_outdated(pair):
                return False
            if self.unsaved is not None:  # the owner's new login is newer than ours
                self.unsaved.discard()
                self.unsaved = None
            self._replace(pair)
            return True

    def record_refresh(self, result: RefreshResult, now: float) -> bool:
        """Record a successful refresh; return whether the account can be used again, or has another token."""
        with self._lock:
            changed = result.pair.access_token != self.pair.access_token
            reported = self._auth_failure_reported
            if result.issued or self.runs_program:
                self._refreshed_at = now
            if result.spent is not None and result.spent != result.pair.refresh_token:
                self._spent.add(result.spent)
            self._replace(result.pair)
            self.unsaved = result.unsaved
            if self.unsaved is not None:
                self._back_off(now, result.note, None)
            return changed or reported

    def record_saved(self, pair: TokenPair) -> None:
        """Record that the unsaved pair is stored, or that the store has a newer login (`pair`)."""
        with self._lock:
            self.unsaved = None
            self._replace(pair)

    def record_401(self, token: str, now: float) -> str:
        """Record that the API refused an access token (401).

        Return why a refresh would not help, or an empty text when it may.
        """
        with self._lock:
            if token == self.pair.access_token:
                if self.refresher.spends and 0 <= now - self._refreshed_at < JUST_REFRESHED_SEC:
                    return "the API refuses a token that was renewed just now"
                self._rejected_token, self.fresh_until = token, LONG_AGO
            return ""

    def record_login_refused(self, words: str) -> None:
        """Record that the authorization server refused the login: only a new login helps."""
        with self._lock:
            self.login_error, self.maybe_spent = words, False

    def load_journal(self) -> None:
        """Load what an earlier process recorded about our refresh token."""
        token = self.pair.refresh_token
        journal = None if token is None else self.refresher.journal(token)
        if journal is None:
            return
        with self._lock:
            self.maybe_spent = journal.started_at is not None
            if journal.refused_at is not None:
                self.login_error = refused_text(journal.refused_at, journal.refused_elsewhere)

    def record_failure(self, now: float, words: str, retry_after: Optional[float] = None) -> bool:
        """Record a failed refresh and back off, at least `retry_after` seconds.

        Return whether the error differs from the last one.
        """
        with self._lock:
            is_new = words != self.last_error
            self._back_off(now, words, retry_after)
            return is_new

    def ask_again(self) -> None:
        """Have the program run again soon; what it printed before serves meanwhile."""
        with self._lock:
            self._set_pair(self.pair._replace(ask_again_at=LONG_AGO))
            self.retry_at, self._refreshed_at = 0.0, LONG_AGO

    def try_again(self) -> None:
        """Let the token be used again that the API refused, and be renewed without a pause.

        A login that the authorization server refused stays so: only a new one helps.
        """
        with self._lock:
            self._rejected_token, self._auth_failure_reported = None, False
            self.retry_at, self._failures = 0.0, 0
            self._set_pair(self.pair)

    def close(self) -> None:
        """Discard an unsaved pair and release its lock: the account is gone, or the process ends."""
        with self._lock:
            if self.unsaved is not None:
                self.unsaved.discard()
                self.unsaved = None

    def _set_pair(self, pair: TokenPair) -> None:
        self.pair = pair
        self.fresh_until = fresh_until(pair) if self.rejected_token is None else LONG_AGO

    def _replace(self, pair: TokenPair) -> None:
        self._set_pair(pair)
        self.login_error = self.last_error = ""
        self.retry_at, self._failures = 0.0, 0
        self.maybe_spent = self._auth_failure_reported = False

    def _back_off(self, now: float, words: str, retry_after: Optional[float]) -> None:
        self._failures += 1
        self.last_error = words
        self.retry_at = now + backoff_sec(self._failures, retry_after)

    def _is_outdated(self, pair: TokenPair) -> bool:
        """Return whether the pair is older than ours: a reload may have begun before our last refresh."""
        if pair.refresh_token is None:
            return False
        earlier = (pair.expires_at or 0.0) < (self.pair.expires_at or 0.0)
        return pair.refresh_token in self._spent or (
            pair.refresh_token == self.pair.refresh_token and earlier
        )

    # --- queries ------------------------------------------------------------------------------------

    @property
    def runs_program(self) -> bool:
        """Whether the credential is what a program prints (credentialCommand)."""
        return self.refresher.ahead and not self.refresher.spends

    @property
    def _being_renewed(self) -> str:
        if not self.runs_program:
            return "its token has expired and is being renewed"
        return "the API refused it" if self.rejected_token else "its credentialCommand has not answered yet"

    @property
    def rejected_token(self) -> Optional[str]:
        """The current access token if the API refused it, else None."""
        token = self.pair.access_token
        return token if token == self._rejected_token else None

    def need(self, now: float) -> RefreshNeed:
        """Return the refresh need at `now`; a token that the API refused is not usable."""
        refused = self._rejected_token is not None and self.rejected_token
        return RefreshNeed.MANDATORY if refused else refresh_need(self.pair, now)

    def is_refresh_due(self, now: float) -> bool:
        """Return whether a refresh should be attempted at `now`."""
        if self.login_error or self.unsaved is not None or now < self._next_attempt(now):
            return False
        need = self.need(now)
        # Another program's file is read when a token is needed and when the file changes.
        return need is RefreshNeed.MANDATORY or (
            self.refresher.ahead and (self.maybe_spent or need is RefreshNeed.ADVISORY)
        )

    def usability(self, now: float) -> Usability:
        """Return whether requests may be sent with the current token, and if not, why and until when."""
        if self.need(now) is not RefreshNeed.MANDATORY:
            return Usability(True)
        if self.login_error:
            return Usability(False, self.login_error)
        words = self.last_error or self._being_renewed
        # If another program refreshes, a refused token stays refused until it has done so.
        waits = self.refresher.spends or not self.rejected_token
        return Usability(False, words, max(self._next_attempt(now), now + 1.0) if waits else None)

    def next_due(self, now: float) -> float:
        """Return when the timer must refresh or store next (epoch seconds; NEVER: not at all)."""
        if self.unsaved is not None:
            return self.retry_at
        if self.disabled or self.login_error:
            return NEVER
        soonest = max(now, self._next_attempt(now))
        if self.is_refresh_due(soonest):
            return soonest
        ends = NEVER if self.pair.expires_at is None else self.pair.expires_at
        return max(soonest, fresh_until(self.pair) if self.refresher.ahead else ends)

    def _next_attempt(self, now: float) -> float:
        """Return the earliest time of the next refresh; a clock set back does not postpone it."""
        distant = self._refreshed_at + MIN_REFRESH_INTERVAL_SEC if self._refreshed_at <= now else LONG_AGO
        return max(self.retry_at, distant)

    def consume_auth_failure(self, now: float) -> str:
        """Return, once, why only a new login helps; empty while the access token can still be used."""
        with self._lock:
            usable = self.need(now) is not RefreshNeed.MANDATORY
            why = self.login_error or (self.last_error if self.runs_program else "")
            if not why or self._auth_failure_reported or usable:
                return ""
            self._auth_failure_reported = True
            return why

    def consume_expiry_warning(self, now: float) -> Optional[float]:
        """Return, once, when the login ends, if that is within WARN_SEC; else None."""
        with self._lock:
            ends = self._login_ends_at
            if ends is None or ends == self._warned_end or not 0 < ends - now <= WARN_SEC:
                return None
            self._warned_end = ends
            return ends

    def view(self, now: float) -> TokenView:
        """Return what displays show of the login."""
        fresh = self.need(now) is RefreshNeed.NONE
        status = "re-login needed" if self.login_error else "valid" if fresh else "refresh due"
        reason = self.login_error or self.last_error or None
        return TokenView(status, self.pair.expires_at, self._login_ends_at, reason)

    @property
    def _login_ends_at(self) -> Optional[float]:
        """When somebody has to log in again: never, where a program is asked for the next credential."""
        return None if self.runs_program else self.pair.last_use_ends_at
