"""The request that is routed, the decision with its reasons, and the lease or wait that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import itemgetter
from typing import Any, Optional

from ...values import NamedTuple
from ..quota.model_prices import family_of
from ..user_rules.routes import NO_FACTS, RequestFacts, Route, RouteTable

__all__ = [
    "NEVER",
    "Decision",
    "Exclusion",
    "LazyExclusions",
    "Lease",
    "Reason",
    "RoutingRequest",
    "Scope",
    "Wait",
]

NEVER = float("inf")  # epoch seconds; no time brings it back


class Reason:
    """Why an account was taken: the text shown in log, status, `explain` and records."""

    NEW = "new session"
    NO_SESSION = "no session id"
    KEPT = "kept warm"
    LAPSED = "window lapsed"
    BENCHED = "account benched"
    HARD_CAP = "hard cap"
    MODEL_CAP = "model cap"
    MAX_USAGE = "max usage"
    RESERVE = "reserve"
    MAX_SPEND = "max spend"
    RAIL = "5h rail"
    OVER_PACE = "over pace"
    NO_SLOT = "no slot"
    REMOVED = "account removed"
    UNUSABLE = "account unusable"
    FAILOVER = "failover"
    PINNED = "pinned"
    KEY_YIELDS = "API key yields"
    NOTHING_USABLE = "no account usable"
    WAITS_FOR_CACHE = "waits for its cache"
    GATE = "waits for room"
    TURN = "its turn"
    OWNER = "made it"
    DETOUR = "detour"
    THREAD = "continues a thread"
    ROUTE = "route"
    BLOCKED = "blocked"


# The types below are named tuples: they are built per request, and a frozen dataclass takes 4 times as long.

# What an account may refuse while it serves everything else: a model family (of an unknown family: a model)
# with a set of betas.
Scope = tuple[str, str]


class RoutingRequest(NamedTuple):
    """One request as routing sees it.

    A new field counts as a constraint (`constraints`) unless `NO_CONSTRAINTS` names it.
    """

    session: Optional[str] = None
    agent: Optional[str] = None
    parent_agent: Optional[str] = None
    model: Optional[str] = None
    cache_life: float = 300.0  # seconds its prompt cache lives
    needs_slot: bool = True  # False off the inference path: no slot, no binding
    is_uncounted: bool = False  # a batch or a completion: takes no slot, but uses quota
    pin: Optional[str] = None  # account key the client insists on
    pin_costs_nothing: bool = False  # the pin must not cost money: who sent it may not decide that
    tried: tuple[str, ...] = ()  # account keys that already refused this request
    allow_paid: bool = False  # a last-resort API key may serve it
    betas: str = ""  # the anthropic-beta header as the client sent it
    prefixes: tuple[str, ...] = ()  # without a session: digests of what makes its cache, the longest first
    owner: Optional[str] = None  # account key that made what this request names: that one or none
    detour: bool = False  # served elsewhere just once: the conversation stays where its cache is
    continues_thread: bool = False  # the API keeps what came before, for the account that served it
    facts: RequestFacts = NO_FACTS  # only where a rule asks for them
    allowed: tuple[str, ...] = ()  # keys of the only accounts that may serve it; (): any
    route: Optional[Route] = None  # the user's route that says so, or that refuses it
    hold_sec: float = 0.0  # seconds it may wait for an account in all; 0: an account now or none

    @property
    def uses_quota(self) -> bool:
        """Whether serving it uses any of the account's quota; counting tokens, files and lists don't."""
        return self.needs_slot or self.is_uncounted

    @property
    def conversation(self) -> Optional[str]:
        """The binding key: a sub-agent shares its parent's session but not its prompt cache."""
        if not self.session:
            return None
        return f"{self.session}/{self.agent}" if self.agent else self.session

    def routed_by(self, routes: RouteTable) -> RoutingRequest:
        """Return the request as the user's routes apply to it."""
        route = routes.find(self.model, self.agent, self.facts)
        if route == self.route:
            return self
        return self._replace(route=route, allowed=() if route is None else route.accounts)

    @property
    def is_plain(self) -> bool:
        """Whether nothing that it asks for stands before the account of its conversation.

        A project may: where a pin names it.
        """
        return _special_of(self) == _NOTHING_SPECIAL

    @property
    def requester(self) -> Hashable:
        """Whose request it is, as far as that can be told."""
        return self.conversation or self.prefixes

    @property
    def constraints(self) -> Hashable:
        """Everything on which "no account is usable" depends: requests that agree in it wait alike."""
        return _constraints_of(self)

    @property
    def general_constraints(self) -> Hashable:
        """The constraints but for model and betas, which matter only where an account tells them apart."""
        return _general_constraints_of(self)

    @property
    def scope(self) -> Scope:
        """What of an account this request asks for."""
        return (family_of(self.model) or (self.model or "").lower(), self.betas)

    @property
    def parent(self) -> Optional[str]:
        """The conversation that started this sub-agent."""
        if not self.session or not self.agent:
            return None
        return f"{self.session}/{self.parent_agent}" if self.parent_agent else self.session


# Fields that do not decide whether any account can serve a request.
NO_CONSTRAINTS = frozenset(
    {
        "session",
        "agent",
        "parent_agent",
        "cache_life",
        "prefixes",
        "detour",
        "continues_thread",
        "facts",
        "hold_sec",
    }
)


def _getter_of(but: frozenset[str]) -> Callable[[RoutingRequest], Hashable]:
    return itemgetter(*(place for place, name in enumerate(RoutingRequest._fields) if name not in but))


_constraints_of = _getter_of(NO_CONSTRAINTS)
_general_constraints_of = _getter_of(NO_CONSTRAINTS | {"model", "betas"})
# Whose it is, what it costs there, and how long it may wait.
_special_of = _getter_of(
    frozenset({"session", "agent", "parent_agent", "model", "betas", "prefixes", "facts", "detour"})
    | {"cache_life", "hold_sec", "allow_paid", "pin_costs_nothing"}
)
_NOTHING_SPECIAL = _special_of(RoutingRequest())


class Exclusion(NamedTuple):
    """An account that was not taken, and the rule that decided it."""

    account: str  # key
    rule: str
    detail: str = ""


class LazyExclusions:
    """Exclusions that are put into words when they are read, since few decisions ever are.

    Put into words at once they would cost 18 us of a cold placement on 16 accounts.  `make` is called later,
    and perhaps again: nothing it reads may have changed since.
    """

    def __init__(self, make: Callable[[], Iterable[Exclusion]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Exclusion]:
        return iter(self._make())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (LazyExclusions, tuple)) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class Decision(NamedTuple):
    """Which account, and why; `account` is None when nothing can serve the request now."""

    account: Optional[str]
    reason: str
    detail: str = ""
    excluded: Iterable[Exclusion] = ()
    previous: Optional[str] = None  # account the conversation was bound to before
    retry_at: Optional[float] = None  # epoch seconds; None: no recovery in sight
    at: float = 0.0

    def as_json(self, names: dict[str, str]) -> dict[str, Any]:
        """Return the record for status, log and `explain`; `names` maps account keys to names."""

        def name(key: Optional[str]) -> Optional[str]:
            return None if key is None else names.get(key, key)

        return {
            "account": name(self.account),
            "reason": self.reason,
            "detail": self.detail,
            "previous": name(self.previous),
            "excluded": [
                {"account": name(e.account), "rule": e.rule, "detail": e.detail} for e in self.excluded
            ],
            "retryAt": self.retry_at,
            "at": self.at,
        }


class Lease(NamedTuple):
    """The right to send one request on one account; settled exactly once."""

    id: int
    account: str
    generation: int  # a removed and re-added account is another one; a stale lease changes nothing
    request: RoutingRequest
    decision: Decision
    at: float
    holds_slot: bool = True
    conversation: Optional[str] = None  # of the request


class Wait(NamedTuple):
    """No account now: what is waited for, and when another attempt makes sense without an event."""

    decision: Decision
    until: float = NEVER
    account: Optional[str] = None  # waiting for a slot of this account
    stays: bool = False  # for nothing else: its conversation simply stays there (staying.py)

    @property
    def is_same_for_all(self) -> bool:
        """Whether no account can serve any request with these constraints, whatever its conversation."""
        return self.decision.reason == Reason.NOTHING_USABLE

    @property
    def is_for_slot(self) -> bool:
        """Whether it waits for a slot of a usable account."""
        return self.account is not None
