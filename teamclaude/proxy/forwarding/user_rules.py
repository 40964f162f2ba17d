"""The user's rules, between the configuration, the fleet and a request: routes, pins by project, spending.

The project of a request is what its header `x-teamclaude-project` says, which `teamclaude run` sends, else
the directory that Claude Code's files tell of its session.  These are read by another thread: of a new
session it is known a moment later, and the conversation then moves.

What a batch costs no answer tells: it does not go to an account that may be billed and has a maxSpend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from ...accounts.config.config import Config
from ...errors import ClientError
from ...routing.fleet import Changes, Fleet
from ...routing.policies.base import Policy
from ...routing.policies.registry import POLICIES
from ...routing.quota.model_prices import PriceTable
from ...routing.state.account import AccountSpec
from ...routing.state.decision import RoutingRequest
from ...routing.user_rules.patterns import normalized_path
from ...routing.user_rules.routes import RequestFacts, Route
from ...routing.user_rules.spend import NO_SPEND_LIMITS, Period, periods_of
from ..http.header_rewrite import own_header_text
from ..http.path_kinds import PathKind
from ..messages.named_models import model_of_message, models_of_batch
from ..records.exchange import Exchange, RoutedRequest
from .account_targets import local_calendar
from .context import RequestContext

__all__ = [
    "MAX_PROJECT_CHARS",
    "PROJECT_HEADER",
    "configured_by",
    "local_periods",
    "new_fleet",
    "with_facts",
]

PROJECT_HEADER = "x-teamclaude-project"
_OF_ONE_MODEL = (PathKind.INFERENCE, PathKind.COUNT_TOKENS)
MAX_PROJECT_CHARS = 4096
MAX_PROJECT_DEPTH = 64  # directories: each is compared, whatever a client sends


def new_fleet(config: Config, specs: Sequence[AccountSpec]) -> Fleet:
    """Return a fleet with this configuration."""
    fleet = Fleet(config.rules, _policy(config))
    configured_by(config, specs)(fleet)
    return fleet


def configured_by(
    config: Config, specs: Sequence[AccountSpec], renewed: Iterable[str] = ()
) -> Callable[[Fleet], Changes]:
    """Return what configures a fleet anew without I/O; `renewed` as of `Fleet.configure`."""
    routes, pins = config.route_specs(), config.pinned_names()

    def configure(fleet: Fleet) -> Changes:
        fleet.set_policy(config.rules, _policy(config))
        fleet.prices = PriceTable(config.pricing)
        fleet.spending.use(config.max_spend.limits, local_periods)
        changes = fleet.configure(specs, renewed)
        fleet.user_rules.use(routes, pins)
        return changes

    return configure


def _policy(config: Config) -> Policy:
    policy = POLICIES[config.policy]()
    policy.use_calendar(local_calendar)
    return policy


def local_periods(at: float) -> tuple[Period, Period]:
    """Return the day and the month of an instant in local time."""
    return periods_of(datetime.fromtimestamp(at))


def with_facts(request: RoutingRequest, exchange: Exchange, context: RequestContext) -> RoutingRequest:
    """Return the request with what the rules ask for, and as the routes apply to it.

    Raises ClientError where a route depends on the model, and the body does not tell it for sure.
    """
    caller, routes = exchange.caller, context.router.user_rules.routes
    project, known = _project(request, exchange, context), exchange.memo.routed
    if known is not None and known.request is request and known.routes is routes and known.project == project:
        return known.result
    gives_work = request.is_uncounted
    models = request.facts.models
    if routes.by_model and not models and (gives_work or exchange.route.kind in _OF_ONE_MODEL):
        models = _models(request, exchange, gives_work)
    facts = RequestFacts(
        client=(caller.name or "") if caller is not None else "",
        project=project,
        path=exchange.route.path,
        models=models,
    )
    routed = request._replace(facts=facts).routed_by(routes)
    if gives_work:
        return context.router.read(lambda fleet, now: _without_billed(routed, fleet))
    if not models:  # else the body has been asked
        exchange.memo.routed = RoutedRequest(request, routes, project, routed)
    return routed


def _models(request: RoutingRequest, exchange: Exchange, of_all_levels: bool) -> tuple[str, ...]:
    if of_all_levels:
        models = models_of_batch(exchange.body)
    else:
        model = model_of_message(exchange.body, request.model)
        models = None if model is None else (model,)
    if models is None:
        raise ClientError(
            "A route depends on the model, and this request's can't be told: name it once, as text, in a "
            "body that is not compressed."
        )
    return models


def _without_billed(request: RoutingRequest, fleet: Fleet) -> RoutingRequest:
    """Return the request without the accounts that have a limit of dollars, which it would pass unseen."""
    if request.route is not None and request.route.is_block:
        return request
    general = fleet.spending.limits != NO_SPEND_LIMITS
    limited = {
        key
        for key, account in fleet.accounts.items()
        if (account.spec.kind == "apikey" or account.spec.allow_extra_usage)
        and (general or account.spec.max_spend != NO_SPEND_LIMITS)
    }
    known = request.allowed or tuple(fleet.accounts)
    allowed = tuple(key for key in known if key not in limited)
    if allowed == known:
        return request
    words = "maxSpend: what a batch or a completion costs can't be counted; send messages (/v1/messages)"
    return request._replace(route=Route("maxSpend", words, allowed, is_block=not allowed), allowed=allowed)


def _project(request: RoutingRequest, exchange: Exchange, context: RequestContext) -> str:
    told = exchange.head.get(PROJECT_HEADER)
    if told:
        return project_told(told)
    return normalized_path(context.project_of(request.session) or "") if request.session else ""


@lru_cache(maxsize=256)
def project_told(value: str) -> str:
    """Return the directory in a header's value."""
    directory = normalized_path(own_header_text(value[:MAX_PROJECT_CHARS]))
    return "/".join(directory.split("/", MAX_PROJECT_DEPTH + 1)[: MAX_PROJECT_DEPTH + 1])
