"""The whole config: existing files load, errors name the place, secrets are never shown."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from teamclaude import __version__
from teamclaude.accounts.config.config import (
    AccountConfig,
    ClientKey,
    Config,
    ProxyConfig,
    parse_config,
)
from teamclaude.accounts.config.schema import to_json
from teamclaude.errors import ConfigError
from teamclaude.routing.quota.model_prices import Pricing
from teamclaude.routing.quota.rules import RampTier, Rules

# The file that users of the TeamClaude before this one have.
EXISTING = """
{
  "proxy": {
    "port": 3456,
    "apiKey": "tc-auto-generated-key"
  },
  "upstream": "https://api.anthropic.com",
  "switchThreshold": 0.98,
  "accounts": [
    {
      "name": "user@example.com",
      "type": "oauth",
      "accountUuid": "...",
      "accessToken": "sk-ant-oat01-...",
      "refreshToken": "sk-ant-ort01-...",
      "expiresAt": 1774384968427
    }
  ]
}
"""


def account(**changes: Any) -> dict[str, Any]:
    return {"name": "bob", "accessToken": "sk-ant-oat01-FAKE", **changes}


def fault(raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw, "f.json")
    text = str(caught.value)
    assert text.startswith("f.json: ")
    assert "\n" not in text
    return text[len("f.json: ") :]


def test_a_file_of_an_earlier_version_loads() -> None:
    config = parse_config(json.loads(EXISTING), "f.json")
    assert config.proxy == ProxyConfig(port=3456, api_key="tc-auto-generated-key")
    assert config.upstream == "https://api.anthropic.com"
    assert config.rules == Rules(switch_threshold=0.98)
    assert config.accounts == (
        AccountConfig(
            name="user@example.com",
            account_uuid="...",
            access_token="sk-ant-oat01-...",
            refresh_token="sk-ant-ort01-...",
            expires_at=1774384968.427,
        ),
    )


def test_an_empty_object_is_all_defaults() -> None:
    config = parse_config({}, "f.json")
    assert config == Config()
    assert (config.policy, config.proxy.host, config.proxy.trust_loopback) == ("price", "localhost", True)
    assert config.warm_on_startup is False
    assert config.refresh_imported is False


def test_routing_keys_are_at_the_top_level() -> None:
    raw = {
        "maxInflightPerAccount": 3,
        "rampTiers": [{"hours": 4, "weight": 9}],
        "routing": {"policy": "pace"},
    }
    rules = parse_config(raw, "f.json").rules
    assert rules == Rules(max_inflight_per_account=3, ramp_tiers=(RampTier(4.0, 9.0),))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ([], "expected an object, got a list"),
        (
            {"accounts": [account(), account(expiresAt="x")]},
            'accounts[1].expiresAt: expected milliseconds, got "x"',
        ),
        ({"switchThreshold": 98}, "switchThreshold: expected a fraction from 0 to 1, got 98"),
        ({"proxy": {"port": 70000}}, "proxy.port: expected a whole number from 0 to 65535, got 70000"),
        ({"proxy": {"port": True}}, "proxy.port: expected a whole number from 0 to 65535, got true"),
        ({"switchTreshold": 0.9}, 'switchTreshold: is not a setting; did you mean "switchThreshold"?'),
        ({"proxy": {"prot": 1}}, 'proxy.prot: is not a setting; did you mean "port"?'),
        ({"acounts": []}, 'acounts: is not a setting; did you mean "accounts"?'),
        ({"accounts": [account(type="api")]}, 'accounts[0].type: expected "oauth" or "apikey", got "api"'),
        ({"routing": {"policy": "magic"}}, 'routing.policy: expected "pace", "price", "sticky"'),
        (
            {"connectTimeoutSec": 0},
            "connectTimeoutSec: expected seconds from 0.001 to 2592000 (30 days), got 0",
        ),
        (
            {"pricing": {"opus": {"input": -5}}},
            "pricing.opus.input: expected a number, 0 or more, got -5",
        ),
        (
            {"pricing": {"opus-5": {"cacheWrite1m": 5}}},
            'pricing.opus-5.cacheWrite1m: is not a setting; did you mean "cacheWrite5m"?',
        ),
        ({"upstream": "api.anthropic.com"}, "upstream: expected a URL (http:// or https://), got"),
        ({"proxy": {"tls": {"cert": "c.pem"}}}, "proxy.tls.key: is missing; expected a path"),
    ],
)
def test_a_bad_value_is_one_line_with_file_and_path(raw: Any, text: str) -> None:
    assert fault(raw).startswith(text)


def test_pricing_takes_any_of_five_prices() -> None:
    five = {"input": 1, "output": 2, "cacheRead": 3, "cacheWrite5m": 4, "cacheWrite1h": 5}
    pricing = parse_config({"pricing": {"opus": five, "x": {"cacheRead": 0}}}, "f.json").pricing
    assert pricing == {"opus": Pricing(1, 2, 3, 4, 5), "x": Pricing(cache_read=0.0)}


RAILS = ("switchThreshold", "fiveHourSoftCeiling")


@pytest.mark.parametrize("key", RAILS)
def test_an_explicit_default_differs_from_an_unset_value(key: str) -> None:
    for value in (0.98, 0.9, 0.75, 1.0, 0.0):
        config = parse_config({key: value}, "f.json")
        assert config.rules != Rules()
        assert to_json(config.rules) == {key: value}
    assert parse_config({key: None}, "f.json").rules == Rules()


def test_a_misspelt_token_names_the_right_key() -> None:
    raw = {"accounts": [{"name": "bob", "acessToken": "sk-ant-oat01-FAKE"}]}
    assert fault(raw) == 'accounts[0].acessToken: is not a setting; did you mean "accessToken"?'


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"name": "bob"}, 'account "bob" has neither accessToken nor importFrom; log in again'),
        ({"name": "bob", "apiKey": "sk-FAKE"}, 'log in again (or set "type": "apikey")'),
        ({"name": "bob", "type": "apikey"}, 'API-key account "bob" has no apiKey'),
        ({"type": "oauth", "accessToken": "sk-FAKE"}, "name: is missing; expected text"),
        ({"name": "x" * 201}, f'the name "{"x" * 20}..." has 201 characters; 200 are the most'),
    ],
)
def test_an_account_without_name_or_credentials_is_named(entry: dict[str, Any], text: str) -> None:
    found = fault({"accounts": [account(), entry]})
    assert found.startswith("accounts[1]")
    assert text in found


@pytest.mark.parametrize(
    "entry",
    [
        account(),
        {"name": "b", "importFrom": "~/.c.json"},
        {"name": "b", "type": "apikey", "apiKey": "sk-FAKE"},
    ],
)
def test_the_three_kinds_of_accounts_load(entry: dict[str, Any]) -> None:
    assert len(parse_config({"accounts": [entry]}, "f").accounts) == 1


@pytest.mark.parametrize(
    ("clients", "text"),
    [
        ([{"name": "a", "key": "k1"}, {"name": "a", "key": "k2"}], "proxy: two clients have the same name"),
        ([{"name": "a", "key": "k1"}, {"name": "b", "key": "k1"}], "proxy: two clients have the same key"),
        ([{"name": "a", "key": "tc-main"}], "proxy: two clients have the same key"),
        (
            [{"name": "a", "key": "k1", "share": 0.75}, {"name": "b", "key": "k2", "share": 0.5}],
            "proxy: the shares of all clients together are 1.25, more than 1",
        ),
    ],
)
def test_clients_need_different_names_and_keys(clients: list[Any], text: str) -> None:
    assert fault({"proxy": {"apiKey": "tc-main", "clients": clients}}) == text


def test_shares_of_exactly_1_are_none_too_many() -> None:
    shares = [{"name": f"c{n}", "key": f"k{n}", "share": 0.1} for n in range(10)]
    assert len(parse_config({"proxy": {"clients": shares}}, "f").proxy.clients) == 10


def test_unknown_keys_of_other_versions_are_ignored() -> None:
    raw = {"theme": "dark", "accounts": [account(email="x", history=[])], "proxy": {"verbose": True}}
    assert parse_config(raw, "f").accounts[0].name == "bob"


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"account_uuid": "u", "org_uuid": "o"}, "u/o"),
        ({"account_uuid": "u"}, "u"),
        ({"org_uuid": "o"}, "bob"),
        ({"account_uuid": "u", "type": "apikey"}, "bob"),
    ],
)
def test_the_key_is_the_person_and_organisation_or_the_name(fields: dict[str, Any], key: str) -> None:
    assert AccountConfig("bob", **fields).key == key


def test_only_api_keys_are_a_last_resort() -> None:
    assert AccountConfig("a", type="apikey").is_last_resort
    assert not AccountConfig("a", type="apikey", last_resort=False).is_last_resort
    assert not AccountConfig("a").is_last_resort


SECRETS = {
    "proxy": {"apiKey": "tc-SECRET1", "clients": [{"name": "ci", "key": "SECRET2"}]},
    "upstreamProxy": "http://user:SECRET3@proxy:1",
    "accounts": [
        account(accessToken="sk-ant-oat01-SECRET4", refreshToken="sk-ant-ort01-SECRET5"),
        {"name": "k", "type": "apikey", "apiKey": "sk-ant-api03-SECRET6"},
    ],
}


def test_repr_shows_no_secret() -> None:
    config = parse_config(SECRETS, "f")
    values = [config, config.proxy, *config.proxy.clients, *config.accounts, ClientKey("a", "SECRET7")]
    for value in values:
        for text in (repr(value), str(value), f"{value}"):
            assert "SECRET" not in text
            assert "***" in text


def test_no_error_shows_a_secret_whatever_is_wrong_beside_it() -> None:
    """Each value of the file in turn becomes wrong in several ways; no message quotes a secret."""
    seen = 0
    for path, value in leaves(SECRETS):
        for wrong in ({"x": value}, [value], 5, f"{value}\n", f"{value} x", ""):
            raw = json.loads(json.dumps(SECRETS))
            put(raw, path, wrong)
            with contextlib.suppress(ConfigError):
                parse_config(raw, "f")
                continue
            assert "SECRET" not in fault(raw)
            seen += 1
    assert seen > 30


def test_a_token_under_the_wrong_key_is_not_shown_either() -> None:
    token = "sk-ant-oat01-SECRET-SECRET"
    for key in ("expiresAt", "type", "priority", "disabled", "upstream"):
        assert "SECRET" not in fault({"accounts": [account(**{key: token})]})


def test_the_user_agent_is_ours_unless_the_file_sets_another() -> None:
    assert parse_config({}, "x").oauth.user_agent == f"teamclaude/{__version__}"
    assert parse_config({"oauth": {"userAgent": "other/1"}}, "x").oauth.user_agent == "other/1"


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for n, item in enumerate(value) for leaf in leaves(item, (*path, n))]
    return [(path, value)]


def put(raw: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        raw = raw[step]
    raw[path[-1]] = value


@pytest.mark.parametrize("value", [1, 299, 299.9])
def test_quotas_are_probed_every_five_minutes_at_most(value: float) -> None:
    with pytest.raises(ConfigError, match=r"^f: quotaProbeSec: expected 0 \(off\) or at least 300 s, got "):
        parse_config({"quotaProbeSec": value}, "f")
    assert parse_config({"quotaProbeSec": 300}, "f").quota_probe_sec == 300
    assert parse_config({}, "f").quota_probe_sec == 0


def test_there_are_not_more_routes_than_can_be_compared():
    route = {"match": "claude-opus-*", "block": "no"}
    assert len(parse_config({"routes": [route] * 1000}, "f").routes) == 1000
    with pytest.raises(ConfigError, match=r"^f: routes: expected at most 1000, got 1001; use globs$"):
        parse_config({"routes": [route] * 1001}, "f")


def test_no_error_shows_a_credential_that_stands_as_a_name_or_breaks_its_line() -> None:
    secret = "sk-ant-api03-SECRET"
    for key in ("maxUsage", "maxSpend", "pins", "keepWarm", "pricing"):
        text = fault({"accounts": [account()], key: {f"{secret}\n\x1b[31m": 7}})
        assert "SECRET" not in text, text
        assert text.isprintable(), text


def test_an_object_with_few_keys_is_named_by_them() -> None:
    assert fault({"maxSpend": 20}) == "maxSpend: expected an object with day, month, got 20"
