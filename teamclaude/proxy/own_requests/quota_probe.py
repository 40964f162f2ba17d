"""`quotaProbeSec`: ask the usage endpoint for the quota of each login that no answer told of meanwhile.

Rules that hold in this file:

1. A login is asked when nothing has told of its windows for quotaProbeSec, less or more a tenth by chance.
2. What the endpoint refuses says nothing of the account: it is asked again later, after twice the time with
   each failure, an hour at most, or after what the answer names.
3. A 401 has the login renewed, once for each token, if it is one that this program renews.
4. One line when the endpoint begins to refuse, and one when it answers again; none while there is no network.
5. Accounts with an upstream of their own are not asked: their credential is not for the usage endpoint.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

from ...accounts.config.config import AccountConfig, OAuthConfig
from ...accounts.oauth.token_endpoint import OutboundRoute
from ...accounts.oauth.usage_endpoint import fetch_usage
from ...accounts.tokens.account_tokens import AccountTokens
from ...accounts.tokens.token_pair import RefreshNeed
from ...errors import LoginRefusedError, TeamClaudeError, TokenEndpointUnavailableError
from ...routing.fleet import Fleet
from ...routing.quota.usage_report import read_usage_report
from ...routing.quota.windows import API_KEY_AXES
from ...routing.state.account import Account
from ...snapshot import ProbeView
from ...values import dataclass
from ..forwarding.context import RequestContext

__all__ = ["QuotaProbe"]

MAX_BACKOFF_SEC = 3600.0
SPREAD = 0.1  # of the interval, to either side
Fetch = Callable[[OAuthConfig, str, OutboundRoute], Mapping[str, Any]]


@dataclass
class _Probed:
    """One account; times are epoch seconds."""

    factor: float  # of the interval, by chance
    not_before: float  # by chance at first, then by back-off
    asked_at: Optional[float] = None
    failures: int = 0  # in a row
    problem: str = ""
    refused_token: Optional[str] = None

    def due(self, told_at: float, every: float, now: float) -> float:
        """Return when it is asked next; `told_at`: when something told of its windows last."""
        if self.asked_at is not None and self.asked_at > now:  # the clock moved back
            self.asked_at, self.not_before = now, 0.0
        told = told_at if told_at <= now else 0.0
        return max(max(told, self.asked_at or 0.0) + every * self.factor, self.not_before)


class QuotaProbe:
    """The probes of one server; `run_due` is called by one thread, `views` by any.

    `is_over` says that the server ends: nothing is asked or taken over any more.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        is_over: Callable[[], bool],
        fetch: Fetch = fetch_usage,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._warn = warn
        self._is_over = is_over
        self._fetch = fetch
        self._chance = chance
        self._probed: dict[str, _Probed] = {}
        self._views: Mapping[str, ProbeView] = {}  # by account name; replaced as a whole

    def views(self) -> Mapping[str, ProbeView]:
        """Return how it goes, by account name."""
        return self._views

    def run_due(self, context: RequestContext) -> Optional[float]:
        """Ask for what is due; return the seconds until something is due again, None: never."""
        every = context.config.quota_probe_sec
        if not every:
            self._probed, self._views = {}, {}
            return None
        accounts = {account.key: account for account in _probed_accounts(context)}
        self._probed = {key: known for key, known in self._probed.items() if key in accounts}
        told = context.router.read(_told_at)
        next_due = context.clock() + every
        for key, account in accounts.items():
            now = context.clock()
            probed = self._probed.get(key)
            if probed is None:
                # Not all at once: the endpoint counts the requests of a machine.
                first = now + SPREAD * every * self._chance()
                probed = self._probed[key] = _Probed(self._factor(), first)
            due = probed.due(told.get(key, 0.0), every, now)
            if due <= now:
                if self._is_over():
                    break
                self._ask(account, probed, context)
                due = probed.due(told.get(key, 0.0), every, context.clock())
            next_due = min(next_due, due)
        self._views = {account.name: _view(self._probed[key]) for key, account in accounts.items()}
        return max(1.0, next_due - context.clock())

    def _ask(self, account: AccountConfig, probed: _Probed, context: RequestContext) -> None:
        config, tokens = context.config, context.token_manager.tokens[account.key]
        token = tokens.pair.access_token or ""
        route = OutboundRoute.from_config(config, account.proxy_address)
        probed.asked_at = sent_at = context.clock()
        try:
            reading = read_usage_report(self._fetch(config.oauth, token, route), context.clock())
            if not reading.axes:
                raise TokenEndpointUnavailableError("the usage endpoint named no window", may_be_spent=True)
        except (LoginRefusedError, TokenEndpointUnavailableError) as error:
            self._record_failure(account, probed, error, context)
            if error.answered == 401 and not self._is_over():
                _renew_once(account.key, token, tokens, probed, context)
            return
        if self._is_over():
            return
        axes = {axis: window._replace(seen_at=sent_at) for axis, window in reading.axes.items()}
        reading = reading._replace(axes=axes)
        context.router.change(
            lambda fleet, now: fleet.record_usage_report(account.key, reading, sent_at, now)
        )
        if probed.problem and probed.failures and not _is_unreachable(probed.problem):
            self._warn(f"{account.name}: the usage endpoint answers again")
        probed.failures, probed.problem, probed.not_before = 0, "", 0.0
        probed.refused_token, probed.factor = None, self._factor()

    def _record_failure(
        self, account: AccountConfig, probed: _Probed, error: TeamClaudeError, context: RequestContext
    ) -> None:
        now, every = context.clock(), context.config.quota_probe_sec
        asked: Optional[int] = getattr(error, "answered", None)
        pause: float = getattr(error, "pause_sec", None) or 0.0
        probed.failures += 1
        delay = max(every, min(MAX_BACKOFF_SEC, every * 2.0 ** min(probed.failures - 1, 32)))
        probed.factor = self._factor()
        probed.not_before = now + max(delay * probed.factor, pause)
        problem = str(asked) if asked is not None else str(error)
        said = probed.problem and not _is_unreachable(probed.problem)
        probed.problem = problem
        if not said and not _is_unreachable(problem):
            again = time.strftime("%H:%M", time.localtime(probed.not_before))
            self._warn(f"{account.name}: its quota can't be asked for: {error}; next try {again}")

    def _factor(self) -> float:
        return 1.0 - SPREAD + 2 * SPREAD * self._chance()


def _probed_accounts(context: RequestContext) -> Iterator[AccountConfig]:
    tokens_of, now = context.token_manager.tokens, context.clock()
    for account in context.config.accounts:
        tokens = tokens_of.get(account.key)
        if account.type != "oauth" or account.disabled or account.upstream or tokens is None:
            continue
        # A token that has to be renewed first is renewed by its own timer, or never.
        if tokens.pair.access_token and tokens.need(now) is not RefreshNeed.MANDATORY:
            yield account


def _told_at(fleet: Fleet, now: float) -> dict[str, float]:
    """Return when something told of each account's windows last."""
    return {key: _account_told_at(account) for key, account in fleet.accounts.items()}


def _account_told_at(account: Account) -> float:
    seen = [w.seen_at for axis, w in account.windows.axes.items() if axis not in API_KEY_AXES]
    told = max(seen, default=0.0)
    # Answers that say what the last one said are not applied, but they tell it (`Fleet.record_response`).
    return told if account.last_reading is None else max(told, account.last_picked)


def _renew_once(
    key: str, token: str, tokens: AccountTokens, probed: _Probed, context: RequestContext
) -> None:
    if token != probed.refused_token and tokens.refresher.spends and tokens.pair.refresh_token:
        probed.refused_token = token
        context.token_manager.after_401(key, token)


def _is_unreachable(problem: str) -> bool:
    return "can't be reached" in problem


def _view(probed: _Probed) -> ProbeView:
    return ProbeView(probed.asked_at, probed.problem, probed.not_before if probed.problem else None)
