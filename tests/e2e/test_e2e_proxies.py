"""Requests and renewals through the proxies that people have: dante, microsocks, tinyproxy, squid, haproxy.

Each is started on loopback as a child of the test.  On Debian:
`apt-get install dante-server microsocks tinyproxy-bin squid haproxy`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.oauth.token_endpoint import OutboundRoute, refresh_tokens
from teamclaude.dial.connector import Connector
from teamclaude.dial.proxies import parse_proxy
from teamclaude.errors import ConnectFailedError, ProxyRefusedError
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from tests.fakeapi.authserver import AuthServer
from tests.fakeapi.token_issuer import FakeUser
from tests.ports import free_port
from tests.proxy.conftest import Pem, Stage, clock, pem, stage

__all__ = ["clock", "pem", "stage"]

pytestmark = pytest.mark.e2e

START_SEC = 10.0
USER, PASSWORD = "me", "p:w/1"
QUOTED = "me:p%3Aw%2F1"


class Place(NamedTuple):
    """Where the programs of one test put their files."""

    home: Path
    children: contextlib.ExitStack

    def run(self, program: str, *arguments: str, port: int) -> None:
        """Start a program and wait until it listens on `port`."""
        path = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed here (Debian has it)")
        with open(self.home / f"{program}.log", "wb") as log:
            child = subprocess.Popen([path, *arguments], stdout=log, stderr=log)
        self.children.callback(_end, child)
        deadline = time.monotonic() + START_SEC
        while time.monotonic() < deadline and child.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        pytest.fail(f"{program} does not listen: {(self.home / f'{program}.log').read_text()[-2000:]}")

    def write(self, name: str, text: str) -> str:
        path = self.home / name
        path.write_text(text)
        return str(path)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    tmp_path.chmod(0o755)  # some of them drop their privileges
    with contextlib.ExitStack() as children:
        yield Place(tmp_path, children)


@pytest.fixture
def tls_api(pem: Pem) -> Iterator[FakeApi]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem.cert, pem.key)
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")], tls=context) as api:
        yield api


# --- the programs -------------------------------------------------------------------------------------


def dante(place: Place, pem: Pem) -> str:
    port = free_port()
    rules = "from: 0.0.0.0/0 to: 0.0.0.0/0"
    users = "user.privileged: root\nuser.unprivileged: nobody\n" if os.geteuid() == 0 else ""
    file = place.write(
        "danted.conf",
        f"logoutput: stderr\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\n"
        f"clientmethod: none\nsocksmethod: none\n{users}"
        f"client pass {{ {rules} }}\nsocks block {{ from: 0.0.0.0/0 to: 127.0.0.9/32 }}\n"
        f"socks pass {{ {rules} }}\n",
    )
    place.run("danted", "-f", file, "-p", str(place.home / "danted.pid"), port=port)
    return f"127.0.0.1:{port}"


def microsocks(place: Place, pem: Pem) -> str:
    port = free_port()
    place.run("microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD, port=port)
    return f"{QUOTED}@127.0.0.1:{port}"


def tinyproxy(place: Place, pem: Pem) -> str:
    port = free_port()
    file = place.write(
        "tinyproxy.conf",
        f"Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nBasicAuth {USER} pw1\n",
    )
    place.run("tinyproxy", "-d", "-c", file, port=port)
    return f"{USER}:pw1@127.0.0.1:{port}"


def squid(place: Place, pem: Pem) -> str:
    port = free_port()
    place.home.joinpath("squid").mkdir()
    place.home.joinpath("squid").chmod(0o777)
    file = place.write(
        "squid.conf",
        f"http_port 127.0.0.1:{port}\nacl here src 127.0.0.1/32\nhttp_access allow here\n"
        f"pid_filename {place.home}/squid/pid\ncache_log {place.home}/squid/cache.log\naccess_log none\n"
        "cache_mem 8 MB\nshutdown_lifetime 0 seconds\n",
    )
    place.run("squid", "-N", "-f", file, port=port)
    return f"127.0.0.1:{port}"


def tinyproxy_behind_tls(place: Place, pem: Pem) -> str:
    """Return an https:// proxy: haproxy takes the TLS off."""
    login, _, inner = tinyproxy(place, pem).rpartition("@")
    port = free_port()
    both = place.write("both.pem", Path(pem.cert).read_text() + Path(pem.key).read_text())
    file = place.write(
        "haproxy.cfg",
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
        f"frontend tls\n  bind 127.0.0.1:{port} ssl crt {both}\n  default_backend plain\n"
        f"backend plain\n  server proxy {inner}\n",
    )
    place.run("haproxy", "-f", file, "-db", port=port)
    return f"{login}@127.0.0.1:{port}"


PROXIES = [
    ("socks5", dante),
    ("socks5h", dante),
    ("socks5", microsocks),
    ("socks5h", microsocks),
    ("http", tinyproxy),
    ("http", squid),
    ("https", tinyproxy_behind_tls),
]
Program = Callable[[Place, Pem], str]
Build = Callable[..., Stage]


@pytest.mark.parametrize(("scheme", "program"), PROXIES, ids=lambda one: getattr(one, "__name__", one))
def test_requests_and_streams(
    scheme: str, program: Program, place: Place, pem: Pem, tls_api: FakeApi, stage: Build
) -> None:
    url = f"{scheme}://{program(place, pem)}"
    s = stage("a", upstream=tls_api.url, upstreamCaFile=pem.cert, upstreamProxy=url)
    for n in range(5):
        reply = s.ask(stream=n % 2 == 0)
        assert reply.status == 200, reply.message
    assert s.ask("x" * 3_000_000, stream=False).status == 200
    assert {exchange.connection for exchange in tls_api.log} == {1}


@pytest.mark.parametrize(("scheme", "program"), PROXIES[:-1], ids=lambda one: getattr(one, "__name__", one))
def test_a_renewal(scheme: str, program: Program, place: Place, pem: Pem) -> None:
    route = OutboundRoute(parse_proxy(f"{scheme}://{program(place, pem)}"))
    with AuthServer([FakeUser("anna")]) as auth:
        login = auth.log_in(auth.users[0])
        oauth = parse_config({"oauth": auth.oauth}, "test").oauth
        grant = refresh_tokens(oauth, login["refreshToken"], route=route)
    assert grant.access_token != login["accessToken"]


@pytest.mark.parametrize(
    ("scheme", "program", "told"),
    [
        ("socks5h", dante, r"its rules do not allow this target \(127\.0\.0\.9:443\)"),
        ("http", squid, "it answers 503 Service Unavailable instead of a tunnel to 127.0.0.9:1"),
    ],
    ids=["dante", "squid"],
)
def test_refusals_of_a_target(scheme: str, program: Program, told: str, place: Place, pem: Pem) -> None:
    connector = Connector(5.0, None, parse_proxy(f"{scheme}://{program(place, pem)}"), {})
    with pytest.raises(ConnectFailedError, match=told):
        connector.open("http", "127.0.0.9", 443 if program is dante else 1)


@pytest.mark.parametrize(("scheme", "program"), [("socks5h", microsocks), ("http", tinyproxy)])
@pytest.mark.parametrize("login", ["", "me:wrong@"], ids=["none", "wrong"])
def test_refusals_of_a_login(scheme: str, program: Program, login: str, place: Place, pem: Pem) -> None:
    host = program(place, pem).rpartition("@")[2]
    connector = Connector(5.0, None, parse_proxy(f"{scheme}://{login}{host}"), {})
    told = "does not accept the user name" if login else "it asks for a login"
    with pytest.raises(ProxyRefusedError, match=told):
        connector.open("http", "127.0.0.1", 1)


def test_a_target_that_refuses_or_does_not_exist(place: Place, pem: Pem) -> None:
    host = microsocks(place, pem)
    connector = Connector(5.0, None, parse_proxy(f"socks5h://{host}"), {})
    refused: Any = pytest.raises(ConnectFailedError, match="the target refused its connection")
    with refused:
        connector.open("http", "127.0.0.1", free_port())
