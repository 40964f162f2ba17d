"""Values as other programs write them; test_original_keys.py has them in whole files."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.original_values import (
    client_list,
    hold_seconds,
    lowest_threshold,
    proxy_switch,
    route_list,
)
from teamclaude.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "fraction"),
    [
        ("98%", 0.98),
        (1, 1),
        (5, 0.05),
        ("1%", 0.01),
        ("3 %", 0.03),
        (100, 1),
        ({"a": {"b": {"c": 0.5}}}, 0.5),
        (None, None),
        ({}, None),
    ],
)
def test_thresholds(value: Any, fraction: Any) -> None:
    assert lowest_threshold(value, "x") == (None if fraction is None else pytest.approx(fraction))


@pytest.mark.parametrize("value", [1.5, 4.99, "1.5", {"5h": 2}])
def test_what_may_be_a_fraction_or_percent_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"write 0\.6 for 60 %"):
        lowest_threshold(value, "x")


def test_tables_that_have_no_end_are_refused() -> None:
    table: Any = 0.5
    for _ in range(1000):
        table = {"x": table}
    with pytest.raises(ConfigError, match=r"^x\.x\.x\.x\.x: expected a fraction from 0 to 1, got an object$"):
        lowest_threshold(table, "x")


@pytest.mark.parametrize(("value", "seconds"), [(" 90 ", 90), (1.5, 1.5), (10**400, None)])
def test_seconds(value: Any, seconds: Any) -> None:
    if seconds is None:
        with pytest.raises(ConfigError, match="expected seconds"):
            hold_seconds(value, "x")
    else:
        assert hold_seconds(value, "x") == seconds


def test_a_switched_proxy() -> None:
    assert (proxy_switch(False, "x"), proxy_switch(True, "x")) == ("direct", None)


def test_names_of_clients_are_free_and_keys_new() -> None:
    own = [{"name": "client-1", "key": "tc-1"}]
    found = client_list(["tc-2", "tc-1", "tc-me", "tc-3"], "x", own, "tc-me")
    assert found == [{"name": "client-1-2", "key": "tc-2"}, {"name": "client-2", "key": "tc-3"}]


ROUTE = {"match": "a", "accounts": ["x"]}


@pytest.mark.parametrize(
    ("value", "routes"),
    [
        ([{"model": "claude-opus-*", "account": "x"}], [{"match": "claude-opus-*", "accounts": ["x"]}]),
        (
            [{"name": "n", "models": ["a", "b"], "accounts": ["x", "y"]}],
            [{"match": "a", "accounts": ["x", "y"]}, {"match": "b", "accounts": ["x", "y"]}],
        ),
        ([{"pattern": "a", "accounts": ["x"], "enabled": True}, ROUTE], [ROUTE, ROUTE]),
        ([{"pattern": "a", "accounts": ["x"], "enabled": False}], []),
        (None, None),
        (False, None),
        ({}, None),
    ],
)
def test_routes_that_name_models_and_accounts(value: Any, routes: Any) -> None:
    assert route_list(value, "routes") == routes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", 'routes: expected a list of objects, got "x"'),
        ([5], "routes[0]: expected an object, got 5"),
        ([ROUTE, {"model": "a", "url": "http://x"}], "got url"),
        ([{"model": "a"}], "got model"),
        ([{"model": [], "accounts": ["x"]}], "got model, accounts"),
        ([{"model": "a", "accounts": [{"name": "x"}]}], "got model, accounts"),
    ],
)
def test_other_routes_are_refused_with_what_to_write(value: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        route_list(value, "routes")
    assert text in str(caught.value)
