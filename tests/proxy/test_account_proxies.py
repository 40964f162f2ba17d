"""A proxy of one account alone: its requests and renewals go there, and nothing else does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Union

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.oauth.token_endpoint import OutboundRoute
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.dial.proxies import DIRECT, parse_proxy
from teamclaude.errors import BadRequestError, ConfigError
from teamclaude.fakeapi.fault import Fault
from tests.dial.scripted_proxies import HttpProxy, SocksProxy
from tests.proxy.conftest import Stage, account_json

Build = Callable[..., Stage]
Start = Callable[..., Union[HttpProxy, SocksProxy]]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as opened:

        def make(kind: type[Any] = HttpProxy, *args: Any) -> Any:
            proxy = kind(*args)
            opened.callback(proxy.close)
            return proxy

        yield make


def accounts(**proxies: str) -> list[dict[str, Any]]:
    return [account_json(name, **({"proxy": url} if url else {})) for name, url in proxies.items()]


def ask(s: Stage, name: str) -> None:
    assert s.ask(session=None, headers={"x-teamclaude-account": name}).account == name


def test_no_request_travels_on_another_account_s_connection(stage: Build, start: Start) -> None:
    first, second = start(), start(SocksProxy)
    with_proxies = accounts(
        a=f"http://127.0.0.1:{first.port}", b=f"socks5h://127.0.0.1:{second.port}", c="", d="direct"
    )
    s = stage("a", "b", "c", "d", accounts=with_proxies)
    order = [*"abcd", *"dcba", *"aabbccdd", *"abcd"]
    for name in order:
        ask(s, name)
    travelled: dict[int, set[str]] = {}
    for exchange in s.seen(len(order)):
        travelled.setdefault(exchange.connection, set()).add(str(exchange.account))
    assert sorted(map(sorted, travelled.values())) == [["a"], ["b"], ["c"], ["d"]]
    assert (first.connections, second.connections) == (1, 1), "each is used again by its own account"


def test_accounts_with_the_same_proxy_share_its_connections(stage: Build, start: Start) -> None:
    proxy = start()
    url = f"http://127.0.0.1:{proxy.port}"
    s = stage("a", "b", accounts=accounts(a=url, b=url))
    for name in "abab":
        ask(s, name)
    assert proxy.connections == 1


def test_an_account_s_proxy_comes_before_that_of_all(stage: Build, start: Start) -> None:
    common, own = start(), start()
    with_proxies = accounts(a=f"http://127.0.0.1:{own.port}", b="", c="none")
    s = stage("a", "b", "c", accounts=with_proxies, upstreamProxy=f"http://127.0.0.1:{common.port}")
    for name in "abc":
        ask(s, name)
    assert (own.connections, common.connections) == (1, 1)


def test_the_client_s_own_requests_take_no_account_s_proxy(stage: Build, start: Start) -> None:
    proxy = start()
    s = stage("a", accounts=accounts(a=f"http://127.0.0.1:{proxy.port}"))
    s.send("GET", "/api/oauth/usage", headers={"Authorization": "Bearer sk-ant-oat01-FAKE-mine"})
    assert proxy.connections == 0
    ask(s, "a")
    assert proxy.connections == 1


def test_a_reload_moves_an_account_to_its_new_proxy(stage: Build, start: Start) -> None:
    old, new = start(), start()
    s = stage("a", accounts=accounts(a=f"http://127.0.0.1:{old.port}"))
    ask(s, "a")
    s.write({**s.document(), "accounts": accounts(a=f"http://127.0.0.1:{new.port}")})
    s.service.runtime.reload()
    for _ in range(2):
        ask(s, "a")
    assert (old.connections, new.connections) == (1, 1)
    connections = [exchange.connection for exchange in s.seen(3)]
    assert connections == [connections[0], connections[1], connections[1]]
    assert connections[0] != connections[1]


# --- when it does not work --------------------------------------------------------------------------


def test_another_account_serves_when_the_proxy_is_gone(stage: Build, start: Start) -> None:
    proxy = start()
    s = stage("a", "b", accounts=accounts(a=f"http://127.0.0.1:{proxy.port}", b=""))
    proxy.close()
    served = {s.ask(session=f"s{n}").account for n in range(4)}
    assert served == {"b"}
    assert ["a", "b"] in [record["accounts"] for record in s.records]
    assert s.account("a")["status"] == "active", "an outage is no fault of the account"


@pytest.mark.parametrize(
    ("answer", "told", "asked"),
    [("407 No", "it asks for a login (407)", 1), ("503 Later", "it answers 503 Later", 2)],
)
def test_without_another_account_the_reason_is_told(
    stage: Build, start: Start, answer: str, told: str, asked: int
) -> None:
    proxy = start(HttpProxy, answer)
    s = stage("a", accounts=accounts(a=f"127.0.0.1:{proxy.port}"))
    reply = s.ask()
    assert reply.status == 503
    assert f"the proxy 127.0.0.1:{proxy.port} (the proxy of account a): {told}" in reply.message
    assert proxy.connections == asked
    assert (reply.headers.get("x-should-retry") == "false") is (asked == 1)


def test_an_account_that_could_not_be_connected_to_is_asked_again(stage: Build, start: Start) -> None:
    proxy = start()
    s = stage("a", accounts=accounts(a=f"http://127.0.0.1:{proxy.port}"))
    assert isinstance(proxy, HttpProxy)
    proxy.answer = "502 Bad Gateway"
    assert s.ask().status == 503
    proxy.answer = "200 OK"
    assert s.ask().status == 200


def test_a_refusal_through_a_proxy_is_handled_as_any_other(stage: Build, start: Start) -> None:
    proxy = start()
    s = stage("a", "b", accounts=accounts(a=f"http://127.0.0.1:{proxy.port}", b=""))
    s.api.script.once(Fault.status(529))
    assert s.ask().status == 200


# --- renewals -----------------------------------------------------------------------------------------


def test_a_renewal_takes_the_account_s_own_proxy(tmp_path: Path) -> None:
    routes: dict[str, OutboundRoute] = {}

    class EnoughError(Exception):
        pass

    def spend(config: Any, route: OutboundRoute, token: str) -> Any:
        routes[token] = route
        raise EnoughError

    document = {
        "upstreamProxy": "http://all:1",
        "connectTimeoutSec": 3,
        "accounts": [
            account_json("a", refreshToken="rt-a", expiresAt=1, proxy="socks5://own:1"),
            account_json("b", refreshToken="rt-b", expiresAt=1),
            account_json("c", refreshToken="rt-c", expiresAt=1, proxy="direct"),
        ],
    }
    path = tmp_path / "teamclaude.json"
    path.write_text(json.dumps(document))
    nothing: Callable[..., None] = lambda *_: None  # noqa: E731
    manager = TokenManager(
        ConfigFile(path, nothing),
        parse_config(document, "x"),
        on_new_tokens=nothing,
        on_auth_failed=nothing,
        warn=nothing,
        clock=itertools.count(1_800_000_000.0).__next__,
        spend=spend,
    )
    for name in "abc":
        with pytest.raises(EnoughError):
            manager.before_dispatch(name)
    found = {token: route.proxy for token, route in routes.items()}
    own, common = parse_proxy("socks5://own:1"), parse_proxy("http://all:1")
    assert found == {"rt-a": own, "rt-b": common, "rt-c": DIRECT}
    assert {route.connect_timeout for route in routes.values()} == {3.0}


# --- what can't be used ---------------------------------------------------------------------------------


def test_a_server_refuses_to_start_with_a_variable_that_can_t_be_used(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://me:hunter2@proxy")
    with pytest.raises(ConfigError, match="ALL_PROXY: socks4:// is not spoken") as caught:
        stage("a")  # its logins are renewed outside
    assert "hunter2" not in str(caught.value)


def test_a_variable_that_is_not_used_may_say_anything(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://me:hunter2@proxy")
    monkeypatch.setenv("NO_PROXY", "anthropic.com, platform.claude.com")
    assert stage("a").ask().status == 200


def test_a_reload_refuses_what_can_t_be_used(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://me:hunter2@proxy")
    s = stage("a", upstreamProxy="direct")
    for changes, told in (
        ({"upstreamProxy": "socks4://me:hunter2@x"}, "upstreamProxy: socks4:// is not spoken"),
        ({"upstreamProxy": None}, "HTTPS_PROXY: ftp:// is not spoken"),
        ({"accounts": accounts(a="http://me:hunter2@x:y")}, "accounts[0].proxy: is not a proxy's address"),
    ):
        s.write({**s.document(), **changes})
        with pytest.raises(BadRequestError) as caught:
            s.service.runtime.reload()
        assert told in str(caught.value)
        assert "hunter2" not in str(caught.value)
        s.write({**s.document(), "upstreamProxy": "direct", "accounts": accounts(a="")})
    assert s.ask().status == 200
