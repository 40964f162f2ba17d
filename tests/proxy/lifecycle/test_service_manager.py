"""What systemd hears over a real datagram socket, and the sockets that are taken over from it."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.proxy.lifecycle.service_manager import ServiceManager, pool_status, sockets_of_manager
from teamclaude.snapshot import AccountCapacity, CapacityView, LastResort
from tests.proxy.lifecycle.manager import Manager

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify é.sock"))
    yield made
    made.close()


def client(manager: Manager, **env: str) -> ServiceManager:
    return ServiceManager.from_environment({"NOTIFY_SOCKET": manager.address, **env}, 42)


def test_each_event_is_one_datagram(manager: Manager) -> None:
    told = client(manager)
    told.ready("3 accounts")
    told.status("2 of 3 accounts serve")
    told.main_pid(77)
    told.stopping(30, "1 stream is left")
    told.stopping()
    assert manager.heard() == [
        "READY=1\nSTATUS=3 accounts",
        "STATUS=2 of 3 accounts serve",
        "MAINPID=77",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=1 stream is left",
        "STOPPING=1",
    ]


def test_a_status_is_told_when_it_has_changed(manager: Manager) -> None:
    told = client(manager)
    told.ready("a")
    for text in ("a", "b", "b", "", "a"):
        told.status(text)
    assert manager.heard() == ["READY=1\nSTATUS=a", "STATUS=b", "STATUS=a"]


def test_a_reload_says_when_it_began(manager: Manager) -> None:
    ServiceManager(manager.address, monotonic=lambda: 12.5).reloading()
    assert manager.heard() == ["RELOADING=1\nMONOTONIC_USEC=12500000"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_reached() -> None:
    manager = Manager(f"@teamclaude-test-{os.getpid()}")
    client(manager).ready()
    assert manager.heard() == ["READY=1"]
    manager.close()


def test_a_status_of_many_lines_is_one_line(manager: Manager) -> None:
    client(manager).status("all well\nMAINPID=1\r\x1b[0m" + "x" * 999)
    (text,) = manager.heard()
    assert "\n" not in text
    assert text.startswith("STATUS=all well MAINPID=1  [0mxxx")
    assert len(text) == len("STATUS=") + 200


@pytest.mark.parametrize(
    "address", ["", "relative", "vsock:2:1234", "/nowhere/at/all.sock", "@nobody", "/" + "x" * 300, "/a\0b"]
)
def test_without_a_manager_nothing_happens(address: str) -> None:
    told = ServiceManager.from_environment({"NOTIFY_SOCKET": address} if address else {})
    assert told.present is address.startswith(("/", "@"))
    told.ready("x")
    told.stopping()
    told.reloading()
    told.alive()
    told.main_pid(1)
    told.status("x")


def test_a_manager_that_does_not_read_stops_nothing(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.lifecycle.service_manager.SEND_SEC", 0.001)
    told = client(manager)
    for number in range(2000):  # more than the socket's queue takes
        told.status(f"{number}")
    assert 0 < len(manager.heard()) < 2000


def test_the_variables_are_taken_out_of_the_environment(manager: Manager) -> None:
    env = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "1000000",
        "WATCHDOG_PID": "42",
        "LISTEN_FDS": "1",
        "LISTEN_PID": "42",
        "LISTEN_FDNAMES": "a",
        "PATH": "/bin",
    }
    ServiceManager.from_environment(env, 42)
    assert sockets_of_manager(env, 1) == []
    assert env == {"PATH": "/bin"}


def test_a_successor_gets_what_it_needs_to_speak(manager: Manager) -> None:
    told = client(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID="42")
    after = ServiceManager.from_environment(dict(told.environment()), 43)
    assert (after.present, after.watchdog_sec) == (True, 30.0)
    assert ServiceManager(None).environment() == {}


# --- the watchdog -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_served_when_it_is_ours(
    manager: Manager, env: dict[str, str], seconds: float | None
) -> None:
    assert client(manager, **env).watchdog_sec == seconds


def test_signs_of_life_are_given_four_times_in_its_time(manager: Manager) -> None:
    now = [100.0]
    told = ServiceManager(manager.address, 40.0, lambda: now[0])
    for _ in range(41):
        told.alive()
        now[0] += 1
    assert manager.heard() == ["WATCHDOG=1"] * 5


def test_without_a_watchdog_no_sign_of_life_is_sent(manager: Manager) -> None:
    client(manager).alive()
    assert manager.heard() == []


# --- sockets that are passed on ------------------------------------------------------------------------

CHILD = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
from teamclaude.proxy.lifecycle.service_manager import sockets_of_manager
os.environ["LISTEN_PID"] = str(os.getpid())
found = sockets_of_manager(os.environ, os.getpid())
print([
    (each.getsockname()[1], each.get_inheritable(), each.gettimeout(), os.get_blocking(each.fileno()))
    for each in found
])
print("LISTEN_FDS" in os.environ)
"""


def taken_over(*given: socket.socket, count: str) -> list[str]:
    """Start a program with the sockets as descriptors 3, 4, ...; return what it prints."""
    # High numbers first: none is overwritten before it has been copied.  Other threads have some of them.
    kept = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD_CLOEXEC, 40) for each in given]

    def place_them() -> None:
        for place, descriptor in enumerate(kept):
            os.dup2(descriptor, 3 + place)

    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(ROOT)],
            env={**os.environ, "LISTEN_FDS": count},
            preexec_fn=place_them,
            pass_fds=range(3, 3 + len(given)),
            capture_output=True,
            text=True,
            timeout=30,
        )
    finally:
        for descriptor in kept:
            os.close(descriptor)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_listening_sockets_are_taken_over_and_others_left_alone() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
        socket.socket() as idle,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        first.setblocking(False)
        ports = [each.getsockname()[1] for each in (first, second)]
        found = taken_over(first, idle, datagrams, second, count="4")
    assert found == [str([(port, False, None, True) for port in ports]), "False"]


@pytest.mark.parametrize("count", ["99999999999", "3"])
def test_more_descriptors_than_there_are_do_no_harm(count: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as only:
        port = only.getsockname()[1]
        assert taken_over(only, count=count)[0] == str([(port, False, None, True)])


@pytest.mark.parametrize("count", ["", "-1", "x", "0"])
def test_a_count_that_is_none_gives_no_sockets(count: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as only:
        assert taken_over(only, count=count)[0] == "[]"


def test_sockets_for_another_process_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as only:
        place = "teamclaude.proxy.lifecycle.service_manager.FIRST_DESCRIPTOR"
        monkeypatch.setattr(place, only.fileno())
        env = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + 1)}
        assert sockets_of_manager(env, os.getpid()) == []
        assert env == {}
        env = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        (taken,) = sockets_of_manager(env, os.getpid())
        taken.detach()


# --- how the pool is, in one line ------------------------------------------------------------------------


def test_the_line_says_how_many_accounts_serve() -> None:
    pool = CapacityView(verdict="yellow", live_accounts=1, total=3)
    assert pool_status("http://h:1", pool) == "http://h:1: 1 of 3 accounts serve, capacity yellow"


def test_a_pool_without_an_account_says_what_to_do() -> None:
    assert "teamclaude login" in pool_status("http://h:1", CapacityView(total=0))
    paid = LastResort((AccountCapacity(name="k"),))
    assert (
        pool_status("http://h:1", CapacityView(total=0, last_resort=paid)) == "http://h:1: paid keys only (1)"
    )
