"""What all requests of one configuration share, and what is remembered between requests for a minute."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Optional

from ...accounts.config.config import Config
from ...accounts.tokens.token_manager import TokenManager
from ...dial.reachability import Reachability
from ...routing.pool.pool_limits import PoolLimits, pool_limits
from ...routing.quota.model_prices import PriceTable
from ...routing.wait_queue import NO_WAIT, WaitLimits
from ...values import dataclass, field
from ..http.origin import Origin, parse_origin
from ..http.path_kinds import PathKind
from ..net.event_loop import EventLoop
from ..net.transport import Transport, UpstreamPool
from ..records.exchange import Exchange
from .account_targets import CurrentTargets
from .router import Router

__all__ = ["RecentlyRefused", "RequestContext", "check_proxies", "has_same_pool", "make_pool"]

# A client that an error event has just refused asks again at once; a plain 429 stops it.
REFUSED_FOR_SEC = 60.0


class RecentlyRefused:
    """A set of keys, each forgotten after a minute.  Any thread.

    It holds conversations whose hold has just ended with an error event: their next request is not held.
    And it holds requests that several accounts have just refused alike: the next one alike is sent to one
    account only.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.until: dict[Hashable, float] = {}  # monotonic; nearly always empty
        self._lock = threading.Lock()  # guards changes of `until`

    def add(self, key: Hashable) -> None:
        """Remember `key` for REFUSED_FOR_SEC from now on."""
        with self._lock:
            now = self._monotonic()
            self.until = {key: until for key, until in self.until.items() if until > now}
            self.until[key] = now + REFUSED_FOR_SEC

    def discard(self, key: Hashable) -> None:
        """Forget `key`: it was served after all."""
        if self.until:
            with self._lock:
                self.until.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether `key` was refused within the last minute."""
        return self.until.get(key, 0.0) > self._monotonic()


@dataclass(frozen=True)
class RequestContext:
    """One configuration with the live parts it uses.

    A reload makes a new one; running requests keep theirs.
    """

    config: Config
    targets: CurrentTargets
    token_manager: TokenManager
    router: Router
    pool: UpstreamPool
    event_loop: EventLoop
    is_proxy_secret: Callable[[str], bool]
    recently_refused: RecentlyRefused
    clock: Callable[[], float]  # epoch seconds
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random  # 0-1
    # The directory that a session works in, as far as it is known; does no I/O.
    project_of: Callable[[str], Optional[str]] = lambda session: None
    reachability: Reachability = field(default_factory=Reachability)

    def wait_limits_of(self, exchange: Exchange) -> WaitLimits:
        """Return how long this request may wait for an account from now on."""
        refused = self.recently_refused
        is_refused = refused.until and exchange.routing_request.conversation in refused
        if is_refused or exchange.route.kind is not PathKind.INFERENCE:
            return NO_WAIT
        limits = self.wait_limits[exchange.facts.stream is True]
        return limits.remaining(self.clock() - exchange.at)

    def pool_limits(self, model: Optional[str] = None) -> PoolLimits:
        """Return the windows of the pool for work on `model`, or in general."""
        return self.router.read(
            lambda fleet, now: pool_limits(fleet.accounts.values(), model, fleet.rules, now)
        )

    @cached_property
    def transport(self) -> Transport:
        """What carries requests over the connections of the pool."""
        return Transport(self.pool, self.config.head_timeout_sec, reachability=self.reachability)

    @cached_property
    def prices(self) -> PriceTable:
        """The price of each model."""
        return PriceTable(self.config.pricing)

    @cached_property
    def wait_limits(self) -> tuple[WaitLimits, WaitLimits]:
        """The longest wait for an account, of a request with a plain response and of one with a stream."""
        config = self.config
        budget, paid_after = config.all_throttled_hold_budget_sec, config.apikey_fallback_deadline_sec
        # Nothing can be sent to keep a client without a stream waiting: it is answered before it gives up.
        plain_budget = min(budget, config.hold_commit_sec)
        plain = WaitLimits(plain_budget, min(paid_after, 0.9 * plain_budget))
        return plain, WaitLimits(budget, paid_after)


def make_pool(config: Config) -> UpstreamPool:
    """Return the idle connections for a configuration, of which there are none yet."""
    return UpstreamPool(
        connect_timeout=config.connect_timeout_sec,
        ca_file=config.upstream_ca_file,
        proxy=config.proxy_address,
    )


def check_proxies(config: Config, pool: UpstreamPool) -> None:
    """Raise ConfigError if the proxy on the way to one of our servers can't be used."""
    own = [account.upstream for account in config.accounts if account.upstream]
    asked = [config.oauth.usage_url] if config.quota_probe_sec else []
    for url in (config.upstream, config.oauth.token_url, config.oauth.profile_url, *own, *asked):
        pool.check_proxy(parse_origin(url)[0])
    if config.proxy.forward:
        pool.check_proxy(Origin("https", "any.other.host", 443))


def has_same_pool(a: Config, b: Config) -> bool:
    """Return whether the connections of one configuration serve for the other."""
    return (a.connect_timeout_sec, a.upstream_ca_file, a.upstream_proxy) == (
        b.connect_timeout_sec,
        b.upstream_ca_file,
        b.upstream_proxy,
    )
