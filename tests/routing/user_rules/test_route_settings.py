"""The keys `routes` and `pins`: short forms, directories in all their spellings, and what is an error."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.errors import ConfigError
from teamclaude.routing.user_rules.route_settings import pinned_names, route_specs
from teamclaude.routing.user_rules.routes import RouteMatch, RouteSpec


def resolve(path: str) -> str:
    return path.replace("/link", "/real")


def specs(*routes: Any) -> tuple[RouteSpec, ...]:
    return route_specs(parse_config({"routes": list(routes)}, "f").routes, resolve)


def test_short_forms_are_a_model_an_account_and_true_or_false() -> None:
    assert specs({"match": "claude-*", "accounts": "a"}, {"match": {"agent": False}, "block": "no"}) == (
        RouteSpec("routes[0]", RouteMatch(model="claude-*"), ("a",)),
        RouteSpec("routes[1]", RouteMatch(agent="false"), block="no"),
    )


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("/link/a/", ("/link/a", "/real/a")),
        ("/real/a", ("/real/a",)),
        ("/link/*", ("/link/*",)),
        ("acme", ("acme",)),
        ("link/a", ("link/a",)),
    ],
)
def test_a_directory_counts_as_written_and_with_its_links_resolved(
    written: str, compared: tuple[str, ...]
) -> None:
    assert specs({"match": {"project": written}, "accounts": ["a"]})[0].match.projects == compared


def test_the_home_directory_may_be_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    config = parse_config(
        {"routes": [{"match": {"project": "~/a"}, "block": "no"}], "pins": {"~/b": "x"}}, "f"
    )
    assert config.route_specs()[0].match.projects[0] == "/home/me/a"
    assert config.pinned_names()["/home/me/b"] == "x"


def test_a_pin_of_the_directory_itself_counts_before_one_of_a_link_to_it() -> None:
    assert pinned_names({"/link": "a", "/real/": "b"}, resolve) == {"/link": "a", "/real": "b"}


def test_a_remark_for_people_is_no_condition() -> None:
    (route,) = specs({"match": "*", "accounts": ["a"], "name": "n", "note": "n", "comment": ["c"]})
    assert route.accounts == ("a",)


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (
            {"match": {"modle": "x"}, "block": "b"},
            'routes[0].match.modle: is not a setting; did you mean "model"?',
        ),
        (
            {"match": {"project": ""}, "block": "b"},
            'routes[0].match.project: expected a value, got ""; leave the key out',
        ),
        ({"match": "", "block": "b"}, 'routes[0].match: expected a value, got ""; leave the key out'),
        (
            {"match": {"user": "x"}, "block": "b"},
            "routes[0].match.user: is not a setting; here are agent, client, model, path, project",
        ),
        (
            {"match": {"agent": 5}},
            "routes[0].match.agent: expected true, false or a glob of agent ids, got 5",
        ),
        ({"match": 3}, "routes[0].match: expected an object, got 3"),
        ({"match": "*", "acounts": []}, 'routes[0].acounts: is not a setting; did you mean "accounts"?'),
        (
            {"match": "*", "accounts": ["a"], "client": "ci"},
            "routes[0].client: is not a setting; here are accounts, block, match, priority",
        ),
        (
            {"match": "*", "accounts": ["a"], "enabled": False},
            "routes[0].enabled: is not a setting; here are accounts, block, match, priority",
        ),
        ({"match": "*", "accounts": [1]}, "routes[0].accounts[0]: expected text, got 1"),
        ({"match": "*", "block": True}, "routes[0].block: expected text, got true"),
        ({"match": "*", "priority": 1}, "routes[0].priority: expected true or false, got 1"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_path(route: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        specs(route)
    assert str(caught.value) == f"f: {text}"
