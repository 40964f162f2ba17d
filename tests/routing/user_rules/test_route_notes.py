"""Routes and pins without their effect: one line each, with its path."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.routing.user_rules.route_notes import route_notes
from teamclaude.routing.user_rules.route_settings import route_specs


class Named(NamedTuple):
    key: str
    name: str
    disabled: bool = False


ACCOUNTS = [Named("u-1", "alice"), Named("bob", "bob"), Named("max-1", "max-1"), Named("off", "off", True)]


def notes(*routes: Any, **pins: str) -> list[str]:
    config = parse_config({"routes": list(routes)}, "f")
    specs = route_specs(config.routes, lambda path: path)
    of = {f"/{place}": name for place, name in pins.items()}
    return list(route_notes(specs, of, ACCOUNTS, ["ci"]))


def route(match: Any, *accounts: str) -> dict[str, Any]:
    return {"match": match, "accounts": list(accounts or ("alice",))}


def test_rules_that_have_their_effect_are_no_line() -> None:
    rules = [
        route("claude-opus-*", "alice", "u-1", "max-*"),
        route("claude-[!,|]*-4"),
        route({"path": "/v1/messages/?*"}),
        route({"client": "c*"}),
        route({"project": "acme"}),
        route({"project": "/work/*"}),
        {"match": {"agent": True}, "block": "no"},
        route("*", "bob"),
    ]
    assert notes(*rules, home="bob") == []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            route("claude-*", "alice", "alicf"),
            'routes[0].accounts[1]: no account is named "alicf"; did you mean "alice"?',
        ),
        (
            route("claude-*", "Bob", "alice"),
            'routes[0].accounts[0]: no account is named "Bob"; did you mean "bob"?',
        ),
        (
            {"match": "claude-*", "accounts": []},
            "routes[0] names no account: what it matches is refused; add accounts, or block with words",
        ),
        (
            {**route("claude-*"), "block": "no"},
            "routes[0] has accounts and block: it blocks what it matches; remove one of them",
        ),
        (
            route({"path": "/v1/files?beta=1"}),
            'routes[0].match.path: "/v1/files?beta=1" has a query: it can never match; write "/v1/files"',
        ),
        *(
            (route(model), f'routes[0].match: no model has the id "{model}": it can never match; {what}')
            for model, what in (
                ("claude-opus-*, claude-sonnet-*", "write a route for each model"),
                ("claude-opus-*|claude-sonnet-*", "write a route for each model"),
                ("claude-{opus,sonnet}-*", "write a route for each model"),
                ("claude-{opus}-*", "write a route for each alternative"),
                (" claude-opus-*", "leave the blanks out"),
                ("claude-opus-4-8 ", "leave the blanks out"),
            )
        ),
        (route("opus"), 'routes[0].match: no model has the id "opus": it can never match; write "*opus*"'),
        (
            route({"client": "cd"}),
            'routes[0].match.client: no client in proxy.clients is named "cd": it can never match',
        ),
        (
            route({"project": "work/acme"}),
            'routes[0].match.project: "work/acme" is no whole path: it can never match',
        ),
        (
            route({"path": "v1/messages"}),
            'routes[0].match.path: "v1/messages" has no slash at its begin: it can never match',
        ),
    ],
)
def test_a_route_without_its_effect(rule: Any, line: str) -> None:
    assert notes(rule) == [line]


def test_a_route_of_unknown_accounts_says_what_becomes_of_its_requests() -> None:
    assert notes(route("claude-*", "zoe")) == [
        'routes[0].accounts[0]: no account is named "zoe"; there are alice, bob, max-1, off',
        "routes[0]: none of its accounts is configured: what it matches is refused",
    ]


@pytest.mark.parametrize(
    ("earlier", "later", "said"),
    [
        ("*", "claude-opus-*", "takes everything"),
        ({}, {"project": "/work"}, "takes everything"),
        ("claude-*", "Claude-opus-*", "takes claude-*"),
        ("claude-*", {"model": "claude-opus-4-8", "agent": True}, "takes claude-*"),
        ({"project": "/work"}, {"project": "/work/acme/"}, "takes project /work"),
        ({"project": "acme"}, {"project": "/work/acme/site"}, "takes project acme"),
        ({"agent": True}, {"agent": "rev*"}, "takes sub-agents"),
        ({"agent": True}, {"agent": True, "client": "ci"}, "takes sub-agents"),
        ({"client": "c*"}, {"client": "ci"}, "takes client c*"),
    ],
)
def test_a_route_that_an_earlier_one_leaves_nothing_can_never_match(
    earlier: Any, later: Any, said: str
) -> None:
    assert notes(route(earlier), route(later)) == [f"routes[1] can never match: routes[0] {said}"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("claude-opus-*", "claude-*"),
        ("claude-*", {"agent": True}),
        ({"model": "claude-*", "agent": True}, "claude-opus-*"),
        ({"project": "/work/acme"}, {"project": "/work"}),
        ({"project": "/work"}, {"project": "acme"}),
        ({"agent": True}, {"agent": False}),
        ({"agent": "rev*"}, {"agent": True}),
        ({"agent": False}, {"client": "ci"}),
        ({"path": "/v1/messages"}, "claude-*"),
    ],
)
def test_one_that_is_left_something_is_no_line(earlier: Any, later: Any) -> None:
    assert notes(route(earlier), route(later)) == []


@pytest.mark.parametrize(
    ("name", "rules", "line"),
    [
        (
            "zoe",
            [],
            'pins["/work"]: no account is named "zoe"; there are alice, bob, max-1, off: it has no effect',
        ),
        ("*", [], 'pins["/work"]: "*" could be any of alice, bob, max-1, off: it has no effect'),
        (
            "bob",
            [route({"project": "/work"})],
            'pins["/work"] can never have an effect: routes[0] does not allow "bob" there',
        ),
        (
            "bob",
            [{"match": "*", "block": "no"}],
            'pins["/work"] can never have an effect: routes[0] does not allow "bob" there',
        ),
        (
            "bob",
            [{"match": "claude-haiku-*", "block": "no"}, route("claude-opus-*"), route({"project": "/work"})],
            'pins["/work"] can never have an effect: routes[2] does not allow "bob" there',
        ),
    ],
)
def test_a_pin_without_its_effect(name: str, rules: list[Any], line: str) -> None:
    assert notes(*rules, work=name) == [line]


@pytest.mark.parametrize(
    "rules",
    [
        [route({"project": "/work"}, "bob")],
        [route({"project": "/work", "model": "claude-*"})],
        [route("claude-opus-*", "bob"), route({"project": "/work"})],
        [route({"project": "/other"}), route({"project": "/work"}, "bob")],
    ],
)
def test_a_pin_that_a_route_allows_at_times_is_no_line(rules: list[Any]) -> None:
    assert notes(*rules, work="bob") == []


def test_a_pin_of_no_whole_path_is_told() -> None:
    assert list(route_notes((), {"work": "bob"}, ACCOUNTS, [])) == [
        'pins["work"] is no whole path: it can never match'
    ]


def test_a_pin_with_a_wildcard_is_told() -> None:
    assert list(route_notes((), {"/work/*": "bob"}, ACCOUNTS, [])) == [
        'pins["/work/*"] has a "*": a pin is of one directory and all below it, only routes take wildcards'
    ]


def test_a_directory_that_is_pinned_twice_is_told_if_the_accounts_differ() -> None:
    assert list(route_notes((), {"/w": "bob", "/w/": "bob"}, ACCOUNTS, [])) == []
    assert list(route_notes((), {"/w": "bob", "/w/": "alice"}, ACCOUNTS, [])) == [
        'pins["/w/"] and pins["/w"] are the same directory with two accounts: the last one counts'
    ]


def test_disabled_accounts_leave_a_route_and_a_pin_without_effect() -> None:
    refused = "its accounts are disabled: what it matches is refused until one is enabled"
    assert notes(route("claude-opus-*", "o*")) == [f"routes[0]: {refused}"]
    assert notes(route("claude-opus-*", "off", "bob")) == []
    pin = 'pins["/work"]: "off" is disabled: it has no effect until that account is enabled'
    assert notes(work="off") == [pin]
