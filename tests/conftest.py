"""Guards of every test: no file of the user is read or written, no connection leaves this machine."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_FOREIGN = ("TEAMCLAUDE_", "ANTHROPIC_", "CLAUDE_", "CLAUDECODE", "XDG_", "NODE_")
_COLORS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE")
_AUTHORITY = Path(__file__).with_name("authority.pem")  # of one that signs nothing: its key was not kept
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

# A suite in the background (`make test &`) inherits an ignored SIGINT, and its child processes would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--first-cases",
        action="store_true",
        help="of each parametrized test the first case alone: enough for a further interpreter",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--first-cases"):
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
        items[:] = [item for item in items if first[item.nodeid.partition("[")[0]] is item]


def pytest_collection_finish(session: pytest.Session) -> None:
    # What was collected stays: looking through it again and again takes a tenth of the processor's time.
    if hasattr(gc, "freeze"):
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)


class Homes:
    """The HOME of all tests, for as long as none of them writes into it."""

    def __init__(self, make: Callable[[], Path]) -> None:
        self._make = make
        self._home = self._made()

    def unused(self) -> Path:
        """Return a HOME as new, to which the environment points."""
        # Most tests write nothing there: making and removing 14,000 directories costs a tenth of the suite.
        if not _is_as_new(self._home):
            self._home = self._made()
        return self._home

    def _made(self) -> Path:
        home = self._make()
        os.environ.update(HOME=str(home), USERPROFILE=str(home), XDG_CONFIG_HOME=str(home / ".config"))
        return home


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    """Take away, once, the variables that the tool or the client reads; what a test sets it undoes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_FOREIGN) or name.lower() in _PROXIES or name in _COLORS:
                patch.delenv(name)
        for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME"):
            patch.setenv(name, "")
        # To read the 140 of the system takes 0.1 s in each context and program; no host of theirs is asked.
        patch.setenv("SSL_CERT_FILE", str(_AUTHORITY))
        yield Homes(lambda: tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def private_home(homes: Homes) -> Path:
    """Give each test an empty HOME."""
    return homes.unused()


def _is_as_new(home: Path) -> bool:
    return home.is_dir() and home.stat().st_mode & 0o777 == 0o700 and not os.listdir(home)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make local time UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Let connections to another host fail at once, and look-ups of its name, too."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_unless_local(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_unless_local(self, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and not _is_local(name) and not _is_address(name):
            raise socket.gaierror(socket.EAI_NONAME, f"tests look up no foreign host: {name}")
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def _refuse_unless_local(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(str(address[0])):
        raise ConnectionRefusedError(f"tests connect to loopback only, not to {address[0]}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    if _is_address(host):
        address = ipaddress.ip_address(host.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or address.is_unspecified
    return host == "localhost" or host.endswith(".localhost")
