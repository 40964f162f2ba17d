"""The table of routes: what matches, which route counts, and whom it names."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.user_rules import routes as module
from teamclaude.routing.user_rules.routes import (
    NO_FACTS,
    RequestFacts,
    RouteMatch,
    RouteSpec,
    RouteTable,
    accounts_named,
)

ACCOUNTS = [
    AccountSpec("uuid-1/org-1", "alice"),
    AccountSpec("uuid-2", "max-bob"),
    AccountSpec("max-carol", "max-carol"),
]


def found(
    match: RouteMatch, model: str = "claude-opus-4-8", agent: Optional[str] = None, **facts: Any
) -> bool:
    table = RouteTable([RouteSpec("routes[0]", match, ("alice",))], ACCOUNTS)
    return table.find(model, agent, RequestFacts(**facts)) is not None


@pytest.mark.parametrize(
    ("match", "request_", "fits"),
    [
        (RouteMatch(), {}, True),
        (RouteMatch(model="CLAUDE-opus-*"), {}, True),
        (RouteMatch(model="claude-*"), {"model": ""}, False),
        (RouteMatch(client="ci-*"), {"client": "ci-1"}, True),
        (RouteMatch(client="ci-*"), {}, False),
        (RouteMatch(path="*/count_tokens"), {"path": "/v1/messages/count_tokens"}, True),
        (RouteMatch(path="*/count_tokens"), {"path": "/v1/messages"}, False),
        (RouteMatch(agent="true"), {"agent": "a1"}, True),
        (RouteMatch(agent="true"), {}, False),
        (RouteMatch(agent="false"), {"agent": "a1"}, False),
        (RouteMatch(agent="false"), {}, True),
        (RouteMatch(agent="rev*"), {"agent": "reviewer"}, True),
        (RouteMatch(agent="rev*"), {"agent": "writer"}, False),
        (RouteMatch(agent="*"), {}, False),
        (RouteMatch(projects=("/link", "/real")), {"project": "/real/src"}, True),
        (RouteMatch(projects=("/link", "/real")), {"project": "/link"}, True),
        (RouteMatch(projects=("/link", "/real")), {}, False),
        (RouteMatch(model="claude-*", agent="true"), {}, False),
    ],
)
def test_all_that_is_set_has_to_match(match, request_, fits):
    assert found(match, **request_) is fits


def test_the_first_route_that_matches_counts():
    specs = [
        RouteSpec("routes[0]", RouteMatch(model="claude-opus-*"), ("alice",)),
        RouteSpec("routes[1]", RouteMatch(), block="closed"),
    ]
    table = RouteTable(specs, ACCOUNTS)
    opus, other = (table.find(model, None, NO_FACTS) for model in ("claude-opus-4-8", "claude-sonnet-5"))
    assert opus is not None
    assert (opus.place, opus.accounts, opus.is_block) == ("routes[0]", ("uuid-1/org-1",), False)
    assert other is not None
    assert (other.words, other.is_block) == ("closed", True)


@pytest.mark.parametrize(
    ("named", "names"),
    [
        ("alice", ["alice"]),
        ("uuid-1", ["alice"]),
        ("uuid-1/org-1", ["alice"]),
        ("max-*", ["max-bob", "max-carol"]),
        ("Alice", []),
        ("ali", []),
    ],
)
def test_an_account_is_named_by_name_identity_or_glob(named, names):
    assert [each.name for each in accounts_named(named, ACCOUNTS)] == names


def test_a_name_with_a_wildcard_in_it_is_that_account_first():
    accounts = [AccountSpec("a*", "a*"), AccountSpec("ab", "ab")]
    assert [each.name for each in accounts_named("a*", accounts)] == ["a*"]


def test_the_order_is_that_of_the_list_and_a_glob_is_one_tier():
    spec = RouteSpec("routes[0]", RouteMatch(), ("max-*", "alice", "max-bob"), in_order=True)
    route = RouteTable([spec], ACCOUNTS).find(None, None, NO_FACTS)
    assert route is not None
    assert [route.tier_of(key) for key in ("uuid-2", "max-carol", "uuid-1/org-1")] == [0, 0, 1]


def test_a_route_that_names_nobody_refuses():
    for accounts in ((), ("dave",)):
        route = RouteTable([RouteSpec("routes[0]", RouteMatch(), accounts)], ACCOUNTS).find(
            "m", None, NO_FACTS
        )
        assert route is not None
        assert (route.is_block, route.words) == (True, "no account of routes[0] is configured")


def test_it_remembers_no_more_than_so_many_requests(monkeypatch):
    monkeypatch.setattr(module, "MAX_KNOWN", 3)
    table = RouteTable([RouteSpec("routes[0]", RouteMatch(agent="a*"), ("alice",))], ACCOUNTS)
    for number in range(20):
        assert table.find("m", f"a{number}", NO_FACTS) is not None
        assert table.find("m", f"b{number}", NO_FACTS) is None
