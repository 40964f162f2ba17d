"""Lists of models of accounts, as routes."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.config import Config, parse_config
from teamclaude.accounts.config.original_keys import adapt, is_off
from teamclaude.accounts.config.rules.model_routes import model_list, model_routes
from teamclaude.errors import ConfigError
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.user_rules.route_settings import RouteMatchSettings, RouteSettings, route_specs
from teamclaude.routing.user_rules.routes import NO_FACTS, RouteTable

NAMES = ["alice", "bob", "carol"]
OPUS, SONNET, HAIKU = "claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5"


def serving(model: str, blocked: Any, only: Any, without: Any) -> list[str]:
    """The accounts that may serve a model by the routes."""
    settings = [
        RouteSettings(RouteMatchSettings(each["match"]), tuple(each.get("accounts", ())), each.get("block"))
        for each in model_routes(blocked, only, without, NAMES)
    ]
    table = RouteTable(route_specs(settings, str), [AccountSpec(name, name) for name in NAMES])
    route = table.find(model, None, NO_FACTS)
    return NAMES if route is None else list(route.accounts)


@pytest.mark.parametrize(
    ("lists", "opus", "sonnet"),
    [
        ((["claude-opus-*"], {}, {}), [], NAMES),
        (([], {}, {"alice": ["claude-opus-*"]}), ["bob", "carol"], NAMES),
        (([], {"alice": ["claude-opus-*"]}, {}), NAMES, ["bob", "carol"]),
        (([], {"alice": ["*opus*"], "bob": ["*opus*"], "carol": ["*opus*"]}, {}), NAMES, []),
        (([], {}, {"alice": ["claude-*"], "bob": ["claude-opus-*"]}), ["carol"], ["bob", "carol"]),
        (([], {}, {name: ["claude-opus-*"] for name in NAMES}), [], NAMES),
        (
            ([], {"alice": ["claude-opus-*"]}, {"bob": ["Claude-opus-4-8"]}),
            ["alice", "carol"],
            ["bob", "carol"],
        ),
        (([], {"alice": ["*"]}, {"alice": ["claude-sonnet-*"]}), NAMES, ["bob", "carol"]),
    ],
)
def test_who_may_serve_is_what_the_lists_say(lists: Any, opus: list[str], sonnet: list[str]) -> None:
    assert (serving(OPUS, *lists), serving(SONNET, *lists)) == (opus, sonnet)


def test_globs_that_overlap_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        model_routes([], {}, {"alice": ["claude-*-4-8", "claude-opus-*"]}, NAMES)
    assert '"claude-*-4-8" and "claude-opus-*" of accounts overlap: write routes' in str(caught.value)


def test_a_list_of_models_or_one() -> None:
    assert (model_list("a", "x"), model_list(["a", "b"], "x")) == (["a"], ["a", "b"])
    for value in (5, {"a": 1}, [5], [""], True):
        with pytest.raises(ConfigError, match=r"^x: expected a list of models"):
            model_list(value, "x")


# --- in a whole file ------------------------------------------------------------------------------------

ACCOUNT = {"name": "bob", "accessToken": "sk-ant-oat01-FAKE"}


def read(raw: Any) -> Config:
    return parse_config(raw, "f.json")


def fault(raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(raw)
    return str(caught.value).removeprefix("f.json: ")


def test_lists_of_models_become_routes() -> None:
    raw = {
        "accounts": [{**ACCOUNT, "blockedModels": ["claude-opus-*"]}, {**ACCOUNT, "name": "carol"}],
        "blockedModels": ["claude-haiku-*"],
        "proxy": {"apiKey": "tc-FAKE", "blockedModels": "x-*"},
    }
    routes = read(raw).routes
    assert [(each.match.model, each.accounts, bool(each.block)) for each in routes] == [
        ("claude-haiku-*", (), True),
        ("x-*", (), True),
        ("claude-opus-*", ("carol",), False),
    ]
    assert set(adapt(raw).notes) == {
        "blockedModels is read as routes",
        "proxy.blockedModels is read as routes",
        "accounts[0].blockedModels is read as routes",
    }


def test_an_account_with_a_list_of_the_only_models_serves_no_others() -> None:
    raw = {"accounts": [{**ACCOUNT, "routing": ["claude-opus-*"]}, {**ACCOUNT, "name": "carol"}]}
    routes = read(raw).routes
    assert [(each.match.model, each.accounts) for each in routes] == [
        ("claude-opus-*", (ACCOUNT["name"], "carol")),
        ("*", ("carol",)),
    ]


@pytest.mark.parametrize("value", [5, {"a": 1}, [5], "", []])
def test_what_is_no_list_of_models_is_refused_unless_it_is_off(value: Any) -> None:
    raw = {"accounts": [{**ACCOUNT, "routing": value}]}
    if is_off(value):
        assert read(raw).routes == ()
    else:
        assert fault(raw).startswith("accounts[0].routing: expected a list of models")


def test_lists_of_models_beside_routes_of_ours_are_refused() -> None:
    raw = {"routes": [{"match": "*", "accounts": ["bob"]}], "blockedModels": ["a"]}
    assert fault(raw).startswith("blockedModels and routes are both set: write it as one of the routes")
