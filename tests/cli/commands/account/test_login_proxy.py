"""`teamclaude login --proxy`: an account that is reached through a proxy of its own, from its login on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands.account.test_login import Browser, browser
from tests.cli.support import accounts_in
from tests.dial.scripted_proxies import HttpProxy
from tests.fakeapi.authserver import AuthServer

__all__ = ["browser"]


@pytest.fixture
def proxy() -> Iterator[HttpProxy]:
    with closing(HttpProxy()) as made:
        yield made


def url_of(proxy: HttpProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


def test_the_login_itself_and_all_that_follows(
    cli: Any, auth: AuthServer, file: Path, browser: Browser, proxy: HttpProxy
) -> None:
    assert cli("login", "--name", "work", "--proxy", url_of(proxy)).status == 0
    assert accounts_in(file)["work"]["proxy"] == url_of(proxy)
    # The code, then whose login it is.
    assert len(proxy.asked) == 2
    # A new login of this account, by its name, takes the same way and keeps it.
    assert cli("login", "--name", "work").status == 0
    assert len(proxy.asked) == 4
    assert accounts_in(file)["work"]["proxy"] == url_of(proxy)


def test_another_login_does_not_take_it(
    cli: Any, auth: AuthServer, file: Path, browser: Browser, proxy: HttpProxy
) -> None:
    cli("login", "--name", "work")
    assert cli("login", "--name", "work", "--proxy", "direct").status == 0
    assert accounts_in(file)["work"]["proxy"] == "direct", "a given one is written for a known account, too"
    assert proxy.asked == []


def test_an_api_key_with_a_proxy(cli: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.cli.login_secret._read_key", lambda: "sk-ant-api03-FAKE")
    assert cli("login", "--api", "--proxy", "socks5h://127.0.0.1:9").status == 0
    assert accounts_in(file)["api-1"]["proxy"] == "socks5h://127.0.0.1:9"


@pytest.mark.parametrize("value", ["socks4://me:hunter2@x", "http://me:hunter2@x:y"])
def test_a_proxy_that_can_t_be_used(cli: Any, file: Path, value: str) -> None:
    ended = cli("login", "--proxy", value)
    assert ended.status == 2
    assert "argument --proxy:" in ended.err
    assert "hunter2" not in ended.err


def test_a_variable_that_can_t_be_used_is_found_before_the_browser_opens(
    cli: Any, auth: AuthServer, file: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks4://me:hunter2@x")
    config = file.read_text().replace(f"{auth.url}/v1/oauth/token", "https://api.example/token")
    file.write_text(config)
    ended = cli("login")
    assert ended.status == 1
    assert ended.err.startswith("teamclaude: HTTPS_PROXY: socks4:// is not spoken")
    assert browser.urls == []
