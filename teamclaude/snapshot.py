"""What the router and the records know at one instant: one typed value that every display is a rendering of.

`routing.view` fills in what the fleet knows, `proxy.runtime` the rest; `status --json`, `/teamclaude/deck`,
`/capacity`, the Deck and `watch` show it.

Rules that hold in this file:

1. A field is declared once.  Its JSON key is its name in camelCase; existing scripts rely on the keys.
2. None is unknown and is never shown as 0.  No field ever holds a credential.
3. Times are epoch seconds here and milliseconds in JSON; durations are seconds, utilizations fractions, costs
   dollars.  A type says how many digits of a number JSON keeps.
4. `from_json` accepts what another version wrote: it ignores unknown keys and fills in missing ones.  A value
   of the wrong type raises SnapshotError with the place of the value.
5. Requests, conversations and usage are named tuples: there are hundreds, made under the lock of the router,
   and each request makes one for its log line; a frozen dataclass takes five times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from .outlook_views import BandPoint, ForecastView, NeedsYouView
from .request_views import Activity, ClientView, HeldView, InflightView, OutageView, TunnelView, WaitView
from .typed_json import (
    Dollars,
    Flat,
    Fraction,
    Moment,
    RoundedDown,
    RoundedUp,
    Tenths,
    Whole,
    from_json,
    to_json,
)
from .values import NamedTuple, dataclass, field

__all__ = [
    "SCHEMA",
    "AccountCapacity",
    "AccountUsage",
    "AccountView",
    "Activity",
    "BandPoint",
    "BindingView",
    "CapacityView",
    "ClientView",
    "ForecastView",
    "HeldView",
    "HistoryView",
    "InflightView",
    "IssueView",
    "LastResort",
    "NeedsYouView",
    "OutageView",
    "PinView",
    "ProbeView",
    "ProjectPinView",
    "QuotaView",
    "RouteView",
    "SessionTotals",
    "Snapshot",
    "SystemView",
    "TokenView",
    "TunnelView",
    "UsageView",
    "WaitView",
    "WeeklyPace",
    "Window",
]

SCHEMA = 1  # of the JSON; it grows when a key changes its meaning or goes away, not when one is added


class UsageView(NamedTuple):
    """Tokens and their cost at list prices; with `unmeasured` answers they are lower bounds."""

    input_tokens: Optional[int] = None  # without everything that was cached
    output_tokens: Optional[int] = None
    cache_read_tokens: Optional[int] = None
    cache_write_tokens: Optional[int] = None
    tokens: Optional[int] = None  # all kinds together
    unmeasured: int = 0  # answers whose tokens could not be read
    cost: Optional[Dollars] = None  # of the tokens with a known price; None when there are none
    cost_estimated: bool = False  # a part of the cost is by the price of another version of the model
    unpriced_tokens: int = 0

    @property
    def burn(self) -> Optional[int]:
        """The tokens that count against an account's windows: cache reads hardly do; None: unknown."""
        kinds = (self.input_tokens, self.output_tokens, self.cache_write_tokens)
        known = [count for count in kinds if count is not None]
        return sum(known) if known else None


NO_USAGE = UsageView()


@dataclass(frozen=True)
class AccountUsage:
    """What an account has served since the records begin."""

    requests: int = 0
    usage: Flat[UsageView] = NO_USAGE


class Window(NamedTuple):
    """One quota window; routing keeps the same value."""

    utilization: Optional[float] = None  # above 1 where the API counts beyond the limit
    resets_at: Optional[Moment] = None
    status: Optional[str] = None  # `allowed`, `allowed_warning` or `rejected`
    seen_at: Moment = 0.0

    @property
    def rejected(self) -> bool:
        """The API refuses by this window."""
        return self.status == "rejected"


@dataclass(frozen=True)
class QuotaView:
    """The windows of one account; `unified_*` are those of `axes` once more, for simple scripts."""

    unified_5h: Optional[float] = None
    unified_7d: Optional[float] = None
    unified_5h_reset: Optional[Moment] = None
    unified_7d_reset: Optional[Moment] = None
    unified_status: Optional[str] = None  # of the whole account, as the API said it last
    axes: Mapping[str, Window] = field(default_factory=dict)  # by name: `5h`, `7d`, a model's (`7d_opus`)
    api_key_limits: Mapping[str, Window] = field(default_factory=dict)  # `requests`, `tokens`, ...


class WeeklyPace(NamedTuple):
    """Where an account stands against an even week, in fractions of the week's quota."""

    line: Fraction = 0.0
    gap: Fraction = 0.0  # above 0: it is behind the line and wants load
    boost: Fraction = 0.0  # at the end of the week
    score: Fraction = 0.0  # of both


@dataclass(frozen=True)
class TokenView:
    """The state of an account's login, without the token."""

    state: str = ""  # `valid`, `refresh due` or `re-login needed`
    expires_at: Optional[Moment] = None
    login_ends_at: Optional[Moment] = None  # when renewals end and a person has to log in again
    reason: Optional[str] = None


class ProbeView(NamedTuple):
    """How asking the usage endpoint for an account's quota goes (quotaProbeSec)."""

    at: Optional[Moment] = None  # when it was asked last
    problem: str = ""  # why that failed
    next_at: Optional[Moment] = None  # while there is a problem: when it is asked again


@dataclass(frozen=True)
class AccountView:
    """One account."""

    name: str = ""
    type: str = "oauth"  # `oauth` or `apikey`
    priority: int = 0
    enabled: bool = True
    last_resort: bool = False  # a paid key that serves only what nothing else can
    rules: str = ""  # what its owner allows: `maxUsage 60% of 7d`, `~$3.20 of $20 today`
    usable_parts: Mapping[str, float] = field(default_factory=dict)  # by axis, where its owner limits it now
    status: str = ""  # `active`, `benched`, `auth_failed` (needs a login) or `disabled`
    status_reason: Optional[str] = None
    usable: bool = False  # it would be given a request now
    usable_in_sec: Optional[Whole] = None  # None: it is usable now, or no time brings it back
    live: bool = False  # it can take new conversations
    inflight: int = 0
    proven: bool = False  # it has served since it was last refused
    streak: int = 0  # refusals in a row
    bench_sec: Whole = 0.0
    rate_limited_until: Optional[Moment] = None  # the end of its bench
    warm_sessions: int = 0  # conversations whose prompt cache lives there
    burn_5h: int = 0  # tokens that count against the running 5h window
    cap_est_5h: Optional[Whole] = None  # tokens that the window is estimated to allow
    cap_est_7d: Optional[Whole] = None
    used_elsewhere_per_hour: Optional[Fraction] = None  # of the 5h window, by others; None: little or unknown
    quota: QuotaView = QuotaView()
    pace: WeeklyPace = field(default_factory=WeeklyPace)
    usage: AccountUsage = AccountUsage()
    token: Optional[TokenView] = None  # None for an API key
    quota_probe: Optional[ProbeView] = None  # None: it is not asked for
    forecast: Mapping[str, ForecastView] = field(default_factory=dict)  # by axis, as far as it can be told


@dataclass(frozen=True)
class AccountCapacity:
    """How much new work one account can take."""

    name: str = ""
    status: str = ""
    reason: Optional[str] = None
    benched: bool = False
    bench_sec: Whole = 0.0
    streak: int = 0
    inflight: int = 0
    burn_5h: Optional[int] = None
    cap_est_5h: Optional[Whole] = None
    headroom_tok: Optional[Whole] = None  # tokens left of the estimated 5h window
    near_cap: bool = False
    live: bool = False
    constrained: bool = False  # live, but with fewer conversations than usual
    utilization_5h: Optional[float] = None
    utilization_7d: Optional[float] = None


@dataclass(frozen=True)
class LastResort:
    """The paid keys, which add nothing to the capacity of the pool."""

    accounts: tuple[AccountCapacity, ...] = ()


@dataclass(frozen=True)
class CapacityView:
    """How much new work the pool can take."""

    verdict: str = ""  # `green`, `yellow` (tight) or `red` (no account would serve); empty: unknown
    headroom: Optional[int] = None  # conversations that can be started
    live_accounts: Optional[int] = None
    benched: Optional[int] = None
    total: Optional[int] = None
    warm_sessions: Optional[int] = None
    soonest_reset_sec: Optional[RoundedUp] = (
        None  # until an account is usable again; 0: nothing is waited for
    )
    accounts: tuple[AccountCapacity, ...] = ()
    last_resort: Optional[LastResort] = None
    at: str = ""  # in ISO 8601
    held: Optional[int] = None  # requests that are held
    held_sec: Optional[RoundedDown] = None  # of the longest of them


@dataclass(frozen=True)
class PinView:
    """What is pinned to an account: one session, or everything."""

    session: Optional[str] = None  # None: everything
    account: str = ""


@dataclass(frozen=True)
class ProjectPinView:
    """A directory whose work is pinned to an account."""

    project: str = ""
    account: str = ""
    configured: bool = False  # by the config file, else by `switch`


@dataclass(frozen=True)
class RouteView:
    """A route of the config file, with the accounts that there are."""

    place: str = ""  # its path in the file
    match: str = ""  # in words
    accounts: tuple[str, ...] = ()
    block: str = ""  # why nobody serves it


class BindingView(NamedTuple):
    """One conversation with the account that serves it."""

    sid: str = ""  # id of the session, as the client sends it
    sid8: str = ""  # its first 8 characters
    agent: Optional[str] = None  # id of the sub-agent; None for the session's main conversation
    parent: Optional[str] = None  # the conversation that started the sub-agent: `session` or `session/agent`
    account: Optional[str] = None  # name; None when the account was removed
    reason: str = ""  # why that account
    pinned: bool = False
    warm: bool = False  # its prompt cache lives
    inflight: int = 0
    idle_sec: Tenths = 0.0  # since its last request
    bound_at: Optional[Moment] = None
    first_seen: Optional[Moment] = None
    last_used: Optional[Moment] = None
    requests: Optional[int] = None
    moves: int = 0  # from one account to another
    usage: Flat[UsageView] = NO_USAGE
    model: Optional[str] = None
    cached_prefix_tokens: int = 0  # of its prompt, as the cache holds them
    cache_life_sec: Optional[Whole] = None  # of its cache writes; None: unknown


@dataclass(frozen=True)
class SessionTotals:
    """All conversations together."""

    sessions: int = 0
    conversations: int = 0
    warm: int = 0
    inflight: int = 0
    requests: int = 0
    usage: Flat[UsageView] = NO_USAGE


@dataclass(frozen=True)
class IssueView:
    """What one issue has used within ledgerRetentionHours."""

    issue: Optional[str] = None  # None: of sessions without a known issue
    sessions: int = 0
    requests: Optional[int] = None
    usage: Flat[UsageView] = NO_USAGE
    last_seen: Optional[Moment] = None


class EndingView(NamedTuple):
    """A process that ends, or has handed over to another one and finishes what it has begun."""

    pid: int = 0
    phase: str = ""  # `announced`, `draining` or `handed over`
    requests: int = 0  # that run or wait
    left_sec: Optional[Whole] = None  # until what still runs is cut


@dataclass(frozen=True)
class SystemView:
    """The process."""

    version: str = ""
    pid: Optional[int] = None
    port: Optional[int] = None
    proxy_rss_mb: Optional[Tenths] = None  # resident memory in MB
    proxy_uptime_sec: Optional[Whole] = None
    threads: Optional[int] = None
    connections: Optional[int] = None
    waiting: int = 0  # requests in the wait queue, held ones among them
    draining: bool = False
    upstream: str = ""
    held: int = 0
    other_servers: tuple[str, ...] = ()  # that run with the same config file, in words
    ending: Optional[EndingView] = None  # of this process
    predecessors: tuple[EndingView, ...] = ()  # from which this one took over


class HistoryView(NamedTuple):
    """The history file, as of its last write."""

    on: bool = False  # it is written, or will be
    bytes: int = 0
    rows: Optional[int] = None  # of usage, as counted last: within the last hour
    since: Optional[Moment] = None  # the oldest usage
    problem: str = ""  # why it is not written at the moment, or not at all


NO_HISTORY = HistoryView()


@dataclass(frozen=True)
class Snapshot:
    """Everything at `at`: all countdowns are measured from it."""

    current_account: Optional[str] = None  # name of the account that served last
    switch_threshold: Optional[float] = None
    policy: str = ""
    spending: str = ""  # what all paid requests together have cost of their limit, in words
    at: Moment = 0.0
    capacity: CapacityView = CapacityView()
    system: SystemView = SystemView()
    history: HistoryView = NO_HISTORY
    outages: tuple[OutageView, ...] = ()  # the longest first
    pins: tuple[PinView, ...] = ()
    project_pins: tuple[ProjectPinView, ...] = ()
    routes: tuple[RouteView, ...] = ()  # the first that matches counts
    accounts: tuple[AccountView, ...] = ()
    session_bindings: tuple[BindingView, ...] = ()
    session_aggregate: SessionTotals = SessionTotals()
    usage_by_issue: tuple[IssueView, ...] = ()
    held: tuple[HeldView, ...] = ()  # in the order they came
    clients: tuple[ClientView, ...] = ()
    tunnels: tuple[TunnelView, ...] = ()  # the host used last first
    forecast: Optional[ForecastView] = None  # of the pool: when no account serves any more
    needs_you: tuple[NeedsYouView, ...] = ()  # the longest first
    activity: tuple[Activity, ...] = ()  # finished requests, newest first
    inflight: tuple[InflightView, ...] = ()  # newest first

    def to_json(self, requests: bool = True) -> dict[str, Any]:
        """Return the JSON object; without `requests` that of the status, which lists none."""
        shown = {"schema": SCHEMA, **to_json(self)}
        if not requests:
            del shown["activity"], shown["inflight"]
        return shown

    @classmethod
    def from_json(cls, value: Any) -> Snapshot:
        """Return the snapshot in a JSON value of any version; raises SnapshotError."""
        return from_json(cls, value)
