"""The user's routes: which accounts alone may serve a request, or that none may.

1. The first route that matches counts; a request that no route matches goes to any account.
2. A route is strict: where none of its accounts can serve, the request waits or is refused.  It is stricter
   than a pin, than a warm prompt cache and than the account that made what a request names.
3. A route that names accounts of which none is configured refuses what it matches, and so does one with an
   empty list: nothing leaks to the accounts that its author left out.
4. What names several models, a batch, needs an account that the routes of all of them allow.
5. An account is named by its name, its key, the uuid of its person, or a glob of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional, Protocol, TypeVar

from ...values import NamedTuple
from .patterns import matches, matches_project

__all__ = [
    "NO_FACTS",
    "NamedAccount",
    "RequestFacts",
    "Route",
    "RouteMatch",
    "RouteSpec",
    "RouteTable",
    "accounts_named",
    "route_line",
]

ANY_AGENT, NO_AGENT = "true", "false"  # of `RouteMatch.agent`; all else is a glob of agent ids
MAX_KNOWN = 1024  # combinations whose route is remembered


class RequestFacts(NamedTuple):
    """What a request is beside its conversation and its model; empty: not known."""

    client: str = ""  # the name of its key in proxy.clients
    project: str = ""  # the working directory, normalized
    path: str = ""  # of its URL
    models: tuple[str, ...] = ()  # all that its body names; (): only the one that is asked for is known


NO_FACTS = RequestFacts()


class RouteMatch(NamedTuple):
    """What a route matches: all of these globs; None: anything."""

    model: Optional[str] = None
    projects: tuple[str, ...] = ()  # one directory in its spellings, any of which may match; none: anything
    client: Optional[str] = None
    agent: Optional[str] = None
    path: Optional[str] = None

    def __str__(self) -> str:
        """Return it in words, as `claude-opus-*, project /work/acme, sub-agents`."""
        agents = {ANY_AGENT: "sub-agents", NO_AGENT: "no sub-agents"}
        words = [
            self.model,
            f"project {self.projects[0]}" if self.projects else None,
            f"client {self.client}" if self.client is not None else None,
            agents.get(self.agent, f"agent {self.agent}") if self.agent is not None else None,
            f"path {self.path}" if self.path is not None else None,
        ]
        return ", ".join(filter(None, words)) or "everything"

    def fits(self, model: str, agent: str, facts: RequestFacts) -> bool:
        """Return whether a request is matched; empty values are not known."""
        return (
            (self.model is None or matches(self.model, model, ignore_case=True))
            and (self.client is None or matches(self.client, facts.client))
            and (self.path is None or matches(self.path, facts.path))
            and (self.agent is None or self._fits_agent(agent))
            and (not self.projects or any(matches_project(each, facts.project) for each in self.projects))
        )

    def _fits_agent(self, agent: str) -> bool:
        if self.agent in (ANY_AGENT, NO_AGENT):
            return bool(agent) is (self.agent == ANY_AGENT)
        return bool(agent) and matches(self.agent or "*", agent)


class RouteSpec(NamedTuple):
    """One route as configured; `place` is its path in the config: `routes[0]`."""

    place: str
    match: RouteMatch = RouteMatch()
    accounts: tuple[str, ...] = ()  # as written
    block: str = ""  # why nothing may serve it
    in_order: bool = False  # the accounts are used in the order in which they are written


class Route(NamedTuple):
    """A route as it applies to a request."""

    place: str
    words: str  # `routes[0] allows only alice, bob`, or why nothing may serve it
    accounts: tuple[str, ...] = ()  # keys
    tiers: tuple[int, ...] = ()  # of these accounts, the smallest is used first; none: their own priorities
    is_block: bool = False

    def tier_of(self, key: str) -> int:
        """Return the tier of one of the accounts; only where there are tiers."""
        return self.tiers[self.accounts.index(key)]


class NamedAccount(Protocol):
    """What a route has to know of an account."""

    @property
    def key(self) -> str:
        """Its identity."""

    @property
    def name(self) -> str:
        """Its name."""


_Named = TypeVar("_Named", bound=NamedAccount)


def accounts_named(pattern: str, accounts: Iterable[_Named]) -> list[_Named]:
    """Return the accounts that a name, a key, a person's uuid or a glob of names stands for."""
    known = list(accounts)
    exact = [each for each in known if pattern in (each.name, each.key, each.key.split("/")[0])]
    return exact or [each for each in known if matches(pattern, each.name)]


def route_line(place: str, match: str, names: Sequence[str], words: str) -> str:
    """Return one route for a person: whose accounts it allows, or why nobody serves it."""
    return f"{place}: {match}: " + (f"only {', '.join(names)}" if names else f"blocked ({words})")


_UNKNOWN = Route("", "")


class RouteTable:
    """The routes with the accounts that there are; replaced as a whole.  Any thread."""

    def __init__(self, specs: Sequence[RouteSpec], accounts: Iterable[NamedAccount]) -> None:
        known = list(accounts)
        self._routes = [(spec.match, _route(spec, known)) for spec in specs]
        self._by_agent_id = any(
            spec.match.agent not in (None, ANY_AGENT, NO_AGENT) for spec in specs
        )  # else agents are alike, of which there may be thousands
        self._known: dict[tuple[str, str, RequestFacts], Optional[Route]] = {}

        self.by_model = any(spec.match.model is not None for spec in specs)

    def __bool__(self) -> bool:
        return bool(self._routes)

    def rows(self) -> list[tuple[str, Route]]:
        """Return what each route matches, in words, and the route."""
        return [(str(match), route) for match, route in self._routes]

    def find(self, model: Optional[str], agent: Optional[str], facts: RequestFacts) -> Optional[Route]:
        """Return the route of a request, or None."""
        if len(facts.models) > 1:
            each = [facts._replace(models=(model,)) for model in facts.models]
            return _common_route(self.find(None, agent, one) for one in each)
        if facts.models:
            model = facts.models[0]
        key = (model or "", (agent or "") if self._by_agent_id or not agent else "agent", facts)
        found = self._known.get(key, _UNKNOWN)
        if found is _UNKNOWN:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = next((route for match, route in self._routes if match.fits(*key)), None)
            self._known[key] = found
        return found


def _common_route(found: Iterable[Optional[Route]]) -> Optional[Route]:
    """Return what all of the routes allow together; a block counts before the others."""
    routes = list(dict.fromkeys(route for route in found if route is not None))
    blocks = [route for route in routes if route.is_block]
    if blocks or len(routes) < 2:
        return next(iter(blocks or routes), None)
    accounts = [key for key in routes[0].accounts if all(key in route.accounts for route in routes)]
    words = " and ".join(route.words for route in routes)
    words = words if accounts else f"{words}: no account is allowed for all its models"
    return Route(", ".join(route.place for route in routes), words, tuple(accounts), is_block=not accounts)


def _route(spec: RouteSpec, known: Sequence[NamedAccount]) -> Route:
    if spec.block:
        return Route(spec.place, spec.block, is_block=True)
    tiers: dict[str, int] = {}
    names: dict[str, str] = {}
    for tier, pattern in enumerate(spec.accounts):
        for account in accounts_named(pattern, known):
            tiers.setdefault(account.key, tier)
            names.setdefault(account.key, account.name)
    if not tiers:
        return Route(spec.place, f"no account of {spec.place} is configured", is_block=True)
    words = f"{spec.place} allows only {', '.join(names.values())}"
    return Route(spec.place, words, tuple(tiers), tuple(tiers.values()) if spec.in_order else ())
