"""What all requests of one configuration share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ...accounts.config.config import Config
from ...accounts.tokens.token_manager import TokenManager
from ...routing.wait_queue import WaitLimits
from ..net.event_loop import EventLoop
from ..net.transport import UpstreamPool
from .account_targets import AccountTargets
from .hold import RecentlyRefused, wait_limit_of
from .router import Router

__all__ = ["RequestContext"]


@dataclass(frozen=True)
class RequestContext:
    """A reload makes a new one; requests that run keep theirs."""

    config: Config
    targets: Callable[[], AccountTargets]  # the newest: a request may wait longer than a token lives
    token_manager: TokenManager
    router: Router
    pool: UpstreamPool
    event_loop: EventLoop
    is_proxy_secret: Callable[[str], bool]
    recently_refused: RecentlyRefused
    clock: Callable[[], float]  # epoch seconds

    @cached_property
    def wait_limits(self) -> tuple[WaitLimits, WaitLimits]:
        """How long a request may wait for an account: one that wants its answer whole, one that streams."""
        return wait_limit_of(self.config, False), wait_limit_of(self.config, True)
