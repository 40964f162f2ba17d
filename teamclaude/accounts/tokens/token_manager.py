"""Keep the tokens of all accounts fresh while the proxy runs.

Rules:
1. A request whose account has a fresh token reads it from `tokens`: no call, no lock, no I/O.
2. One refresh per account at a time: a request that comes meanwhile waits for it and uses its result.
3. A token that is still valid stays in use while a background thread refreshes it.
4. Callbacks are called with no lock held; they may call back.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Callable, Optional

from ...errors import LoginRefusedError, TeamClaudeError, TokenEndpointUnavailableError
from ...snapshot import TokenView
from ..config.config import AccountConfig, Config
from ..config.config_file import ConfigFile
from ..oauth import token_endpoint
from ..oauth.token_endpoint import OutboundRoute
from ..oauth.token_response import TokenGrant
from .account_tokens import AccountTokens
from .refreshers import refresher_for
from .token_pair import NEVER, NO_TOKENS, USABLE, RefreshNeed, TokenPair, Usability

__all__ = ["TokenManager"]

# Polled: nothing notifies us that a followed file has changed or that the machine has slept.
MAX_TICK_SEC = 10.0
MIN_TICK_SEC = 1.0
# A refresh in progress at shutdown must not lose its answer: wait as long as a call may take.
STOP_SEC = 2 * token_endpoint.TIMEOUT_SEC + 5.0

SpendByRoute = Callable[[Config, OutboundRoute, str], TokenGrant]


class TokenManager:
    """The tokens of all OAuth accounts, by account key; times are epoch seconds by `clock`.

    `on_new_tokens(key)`: the account has another access token.  `on_auth_failed(key, reason)`: it can't
    be used until its owner logs in again.  `warn` gets one line of text at a time.  `spend` and `spawn`
    replace the token endpoint and threads in tests.
    """

    def __init__(
        self,
        config_file: ConfigFile,
        config: Config,
        *,
        on_new_tokens: Callable[[str], None],
        on_auth_failed: Callable[[str, str], None],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        spend: Optional[SpendByRoute] = None,
        spawn: Optional[Callable[[Callable[[], None]], None]] = None,
    ) -> None:
        self._file = config_file
        self._config = config
        self._on_new_tokens = on_new_tokens
        self._on_auth_failed = on_auth_failed
        self._warn = warn
        self._clock = clock
        self._spend: SpendByRoute = spend or partial(_spend_refresh_token, clock)
        self._spawn = spawn or _spawn
        self.tokens: Mapping[str, AccountTokens] = {}  # replaced whole
        self._stopping = threading.Event()
        self._not_ahead = threading.Event()  # only what a request waits for is refreshed
        self._timer: Optional[threading.Thread] = None
        self.configure(config)

    # --- configuration, start and stop ---------------------------------------------------------------

    def configure(self, config: Config, ask: bool = False) -> list[str]:
        """Adopt a configuration; return the keys of known accounts whose tokens it changes.

        Tokens refreshed since the file was read stay.  `ask`: programs that print credentials are run again.
        One call at a time.
        """
        known, tokens_by_key, changed = self.tokens, {}, []
        for account in config.accounts:
            if account.type == "oauth" or account.credential_command:
                tokens_by_key[account.key] = tokens = self._tokens_for(
                    account, config, known.get(account.key)
                )
                if self._adopt_stored(tokens, account) and account.key in known:
                    changed.append(account.key)
                if tokens is not known.get(account.key):
                    tokens.load_journal()
        self._config, self.tokens = config, tokens_by_key
        for tokens in known.values():
            if tokens not in tokens_by_key.values():
                tokens.close()
        for key, tokens in tokens_by_key.items():
            if tokens.runs_program and known:
                if ask and tokens is known.get(key):
                    tokens.ask_again()
                self._refresh_in_background(key, tokens, self._clock())
        return changed

    def _tokens_for(
        self, account: AccountConfig, config: Config, known: Optional[AccountTokens]
    ) -> AccountTokens:
        remedy = account.source == "token" and account.name
        program = account.credential_command, account.credential_ttl_sec, account.type
        refresher_key = (account.import_from, config.refresh_imported, remedy, program)
        tokens = known
        if tokens is None or tokens.refresher_key != refresher_key:
            refresher = refresher_for(self._file, account, config, self._clock, self._stopping.is_set)
            tokens = AccountTokens(refresher, refresher_key)
            if known is not None and known.runs_program and tokens.runs_program:
                tokens.adopt(known.pair)  # until the other program has answered
                tokens.ask_again()
        tokens.name, tokens.disabled, tokens.proxy = account.name, account.disabled, account.proxy_address
        return tokens

    def _adopt_stored(self, tokens: AccountTokens, account: AccountConfig) -> bool:
        if account.credential_command:
            return False
        stored = TokenPair.from_account(account)
        if not account.import_from:
            return tokens.adopt(stored)
        if tokens.pair is NO_TOKENS:  # until the file can be read
            tokens.adopt(stored)
        return self._reread_followed(tokens)

    def _reread_followed(self, tokens: AccountTokens) -> bool:
        """Reread a followed file if it has changed; return whether it holds other tokens."""
        if not tokens.refresher.store.changed():
            return False
        try:
            return tokens.adopt(tokens.refresher.store.read())
        except TeamClaudeError as error:
            if tokens.record_failure(self._clock(), str(error)):
                self._warn(f"{tokens.name}: {error}")
            return False

    def start(self) -> None:
        """Start the timer thread, which refreshes ahead of expiry, unfinished refreshes first."""
        self._timer = threading.Thread(target=self._run, name="token-timer", daemon=True)
        self._timer.start()

    def stop_ahead(self) -> None:
        """Refresh no more ahead of expiry: another process does so for the same logins."""
        self._not_ahead.set()

    def stop(self, timeout_s: float = STOP_SEC) -> None:
        """Start no more refreshes and wait up to `timeout_s` seconds for those in progress.

        Tokens that can't be stored even now are in the refresh journal, where the next process finds them.
        """
        self._stopping.set()
        self._not_ahead.set()
        deadline = time.monotonic() + timeout_s
        if self._timer is not None:
            self._timer.join(timeout_s)
        for tokens in self.tokens.values():
            if tokens.refresh_lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                try:
                    self._save(tokens)
                    tokens.close()
                finally:
                    tokens.refresh_lock.release()

    def statuses(self) -> dict[str, TokenView]:
        """Return the state of each login's tokens for display, by account key."""
        now = self._clock()
        return {key: tokens.view(now) for key, tokens in self.tokens.items()}

    def pairs(self) -> dict[str, TokenPair]:
        """Return the current token pairs by account key."""
        return {key: tokens.pair for key, tokens in self.tokens.items()}

    # --- called by requests -------------------------------------------------------------------------

    def must_wait(self, key: str) -> bool:
        """Return whether before_dispatch would wait for a refresh, perhaps for seconds."""
        tokens = self.tokens.get(key)
        return tokens is not None and tokens.need(self._clock()) is RefreshNeed.MANDATORY

    def refresh_in_background(self, key: str) -> None:
        """Start a background refresh of a token that can't be used any more."""
        tokens = self.tokens.get(key)
        if tokens is not None:
            self._refresh_in_background(key, tokens, self._clock())

    def before_dispatch(self, key: str) -> Usability:
        """Return whether a request may be sent; wait for a refresh only if the token can't be used."""
        tokens = self.tokens.get(key)
        if tokens is None:
            return USABLE
        now = self._clock()
        need = tokens.need(now)
        if need is RefreshNeed.NONE:
            return USABLE
        if need is RefreshNeed.MANDATORY:
            self._refresh(key, tokens)
        else:
            self._refresh_in_background(key, tokens, now)
        return tokens.usability(self._clock())

    def after_401(self, key: str, failed_token: str) -> Usability:
        """Return whether the account has a newer token than `failed_token`, which the API refused.

        Refresh only if the failed token is still the current one.
        """
        tokens = self.tokens.get(key)
        if tokens is None:
            return Usability(False)
        why = tokens.record_401(failed_token, self._clock())
        if why:
            return Usability(False, why)
        self._refresh(key, tokens)
        return tokens.usability(self._clock())

    # --- called by an operator ----------------------------------------------------------------------

    def try_again(self, key: str) -> str:
        """Forget that the API refused the account's token; return why it can't be used all the same."""
        tokens = self.tokens.get(key)
        if tokens is None:
            return ""
        tokens.try_again()
        needs_login = tokens.login_error and tokens.need(self._clock()) is RefreshNeed.MANDATORY
        return tokens.login_error if needs_login else ""

    # --- called by the timer ------------------------------------------------------------------------

    def _run(self) -> None:
        pause = 0.0
        while not self._not_ahead.wait(pause):
            pause = MAX_TICK_SEC
            with self._guarded():
                pause = self.run_due()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn an internal error in a thread of ours into a warning."""
        try:
            yield
        except Exception as error:
            self._warn(f"internal error while renewing tokens: {type(error).__name__}")

    def run_due(self) -> float:
        """Do everything that is due; return the seconds until the next call."""
        for key, tokens in self.tokens.items():
            if tokens.unsaved is not None:
                self._retry_save(tokens)
            if self._reread_followed(tokens):
                self._on_new_tokens(key)
            if not tokens.disabled:
                self._refresh_in_background(key, tokens, self._clock())
            self._report(key, tokens)
        now = self._clock()
        due_times = [tokens.next_due(now) for tokens in self.tokens.values()]
        return min(MAX_TICK_SEC, max(MIN_TICK_SEC, min(due_times, default=NEVER) - now))

    def _refresh_in_background(self, key: str, tokens: AccountTokens, now: float) -> None:
        if tokens.is_refresh_due(now) and not tokens.refresh_lock.locked():
            self._spawn(lambda: self._background_refresh(key, tokens))

    def _background_refresh(self, key: str, tokens: AccountTokens) -> None:
        with self._guarded():
            self._refresh(key, tokens, wait=False)

    # --- one refresh --------------------------------------------------------------------------------

    def _refresh(self, key: str, tokens: AccountTokens, wait: bool = True) -> None:
        """Refresh, or wait for the refresh in progress; the outcome is recorded in the account's tokens."""
        if not tokens.refresh_lock.acquire(blocking=wait):
            return
        try:
            now = self._clock()
            # After waiting: the refresh is done, or it failed and the next attempt has its time.
            if self._stopping.is_set() or not tokens.is_refresh_due(now):
                return
            line, changed = self._refresh_once(tokens)
        finally:
            tokens.refresh_lock.release()
        if line:
            self._warn(f"{tokens.name}: {line}")
        if changed:
            self._on_new_tokens(key)
        self._report(key, tokens)

    def _refresh_once(self, tokens: AccountTokens) -> tuple[str, bool]:
        """Return the warning to print (or an empty text) and whether the access token has changed."""
        try:
            held = tokens.pair if tokens.pair.refresh_token else None
            config = self._config
            spend = partial(self._spend, config, OutboundRoute.from_config(config, tokens.proxy))
            result = tokens.refresher.refresh(spend, tokens.rejected_token, held)
        except LoginRefusedError as error:
            tokens.record_login_refused(str(error))
            return f"re-login needed: {error}", False
        except TokenEndpointUnavailableError as error:
            is_new = tokens.record_failure(self._clock(), str(error), error.pause_sec)
            return (f"its token can't be renewed now: {error}" if is_new else ""), False
        except TeamClaudeError as error:
            if tokens.runs_program and self._stopping.is_set():  # killed by us
                return "", False
            is_new = tokens.record_failure(self._clock(), str(error))
            what = "" if tokens.runs_program else "its token can't be renewed: "
            return (f"{what}{error}" if is_new else ""), False
        except Exception as error:  # unforeseen: back off before the next attempt
            tokens.record_failure(self._clock(), f"internal error: {type(error).__name__}")
            raise
        return result.note, tokens.record_refresh(result, self._clock())

    def _retry_save(self, tokens: AccountTokens) -> None:
        if self._clock() >= tokens.retry_at and tokens.refresh_lock.acquire(blocking=False):
            try:
                self._save(tokens)
            finally:
                tokens.refresh_lock.release()

    def _save(self, tokens: AccountTokens) -> None:
        unsaved = tokens.unsaved
        if unsaved is None:
            return
        try:
            tokens.record_saved(unsaved.save())
        except TeamClaudeError as error:
            tokens.record_failure(self._clock(), str(error))
        else:
            self._warn(f"{tokens.name}: the new tokens are stored now")

    def _report(self, key: str, tokens: AccountTokens) -> None:
        now = self._clock()
        ends = tokens.consume_expiry_warning(now)
        if ends is not None:
            self._warn(
                f"{tokens.name}: its login ends in {_time_left(ends - now)}; before that, "
                f"{tokens.refresher.remedy}"
            )
        words = tokens.consume_auth_failure(now)
        if words:
            self._on_auth_failed(key, words)


def _time_left(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds >= 2 * 86400 else f"{seconds / 3600:.0f} hours"


def _spend_refresh_token(
    clock: Callable[[], float], config: Config, route: OutboundRoute, token: str
) -> TokenGrant:
    return token_endpoint.refresh_tokens(config.oauth, token, route=route, clock=clock)


def _spawn(work: Callable[[], None]) -> None:
    # Without a thread the token is still good, and the next request tries again.
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=work, name="token-renewal", daemon=True).start()
