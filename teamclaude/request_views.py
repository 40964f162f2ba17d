"""Requests, clients and tunnels as the snapshot has them; the rules of `snapshot.py` hold here, too.

AccountTrend stands beside the snapshot, in GET /teamclaude/deck.
"""

from __future__ import annotations

from typing import Optional

from .typed_json import Dollars, Flat, Fraction, Moment, RoundedDown, Tenths
from .values import NamedTuple, dataclass

__all__ = [
    "AccountTrend",
    "Activity",
    "ClientView",
    "HeldView",
    "InflightView",
    "OutageView",
    "TunnelView",
    "WaitView",
]


class Activity(NamedTuple):
    """One client request."""

    id: str = ""
    at: Moment = 0.0  # when it came
    method: str = ""
    path: str = ""  # without the query, which may hold a credential
    model: str = ""
    effort: str = ""
    session: str = ""
    agent: str = ""
    client: str = ""  # the name of the client key it came with
    accounts: tuple[str, ...] = ()  # every account tried, in order
    status: Optional[int] = None  # as sent to the client; None when nothing was
    ttfb_sec: Optional[float] = None
    duration_sec: Optional[float] = None
    input_tokens: Optional[int] = None
    output_tokens: Optional[int] = None
    cache_read_tokens: Optional[int] = None
    cache_write_tokens: Optional[int] = None
    cost: Optional[float] = None  # dollars at list prices
    cost_estimated: bool = False  # by the price of another version of the model
    outcome: str = ""  # empty while under way
    reason: str = ""  # why that account, or why not
    unmeasured: bool = False  # it was answered, and how many tokens that took could not be read
    waited_sec: Optional[float] = None  # in all, for an account or to try again; None: not at all
    wait_reason: str = ""  # what it waited for last
    client_ip: str = ""  # the address it came from, behind trusted proxies the caller's

    @property
    def tokens(self) -> int:
        """All that are known, of every kind."""
        kinds = (self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens)
        return sum(count or 0 for count in kinds)


@dataclass(frozen=True)
class WaitView:
    """What a request waits for, or waited for."""

    kind: str = ""  # `held` (no account), `slot` (of an account) or `pause` (between two attempts)
    at: Optional[Moment] = None  # its beginning
    sec: Tenths = 0.0
    over: bool = False
    reason: str = ""
    detail: str = ""
    account: Optional[str] = None  # name of the account that is expected to serve it
    back_at: Optional[Moment] = None  # when that account is back


@dataclass(frozen=True)
class InflightView:
    """A request under way."""

    request: Flat[Activity]
    waiting: Optional[WaitView] = None  # None while it does not wait


class HeldView(NamedTuple):
    """A request that no account can serve for now."""

    request: str = ""  # its id
    session: str = ""
    agent: str = ""
    model: str = ""
    held_sec: RoundedDown = 0.0  # in all: a short attempt in between that was refused begins no new hold
    reason: str = ""
    detail: str = ""
    account: Optional[str] = None  # name of the account that is expected to serve it
    back_at: Optional[Moment] = None  # when that account is back


@dataclass(frozen=True)
class ClientView:
    """What the bearer of a named client key has used since it was first counted, and its limits."""

    name: str = ""
    inflight: int = 0
    requests: int = 0
    tokens: Optional[int] = None
    unmeasured: int = 0
    cost: Optional[Dollars] = None
    cost_estimated: bool = False
    unpriced_tokens: int = 0
    since: Optional[Moment] = None  # since when it is counted
    configured: bool = True  # False: its key is no longer in the config file
    tokens_today: int = 0  # that count against windows, since local midnight
    max_inflight: Optional[int] = None
    daily_tokens: Optional[int] = None
    share: Optional[float] = None
    share_used_5h: Optional[Fraction] = None  # of what all can use of the accounts' windows; None: unknown
    share_used_7d: Optional[Fraction] = None
    refused: int = 0  # requests, by its own limits
    limit: str = ""  # the one that its next message would be refused by; empty: none
    limit_until: Optional[Moment] = None  # when that ends; None: with one of its requests, or no limit


class TunnelView(NamedTuple):
    """The tunnels to one host that are passed on unopened (CONNECT)."""

    host: str = ""  # with its port
    open: int = 0
    tunnels: int = 0  # made so far, open ones among them
    failed: int = 0  # that could not be made
    bytes_up: int = 0  # from the client
    bytes_down: int = 0
    last_at: Optional[Moment] = None  # when the last one was asked for
    problem: str = ""  # why the last one could not be made; empty if it was


class OutageView(NamedTuple):
    """An API that requests get no connection to; over with the first head of an answer."""

    api: str = ""  # host, and port if it is not the usual one
    accounts: tuple[str, ...] = ()  # those whose requests go there, by this way
    since: Moment = 0.0  # the first request that failed
    last_at: Moment = 0.0  # the last one
    failed: int = 0  # requests
    reason: str = ""  # of the last one


class AccountTrend(NamedTuple):
    """One account's last minutes, the oldest first, ending with the current one; at most 60."""

    at: Moment = 0.0  # the beginning of the current minute
    burn: tuple[int, ...] = ()  # tokens that count against the windows; from the start of the server on
    used_5h: tuple[Fraction, ...] = ()  # shorter when it has been known for less than an hour
