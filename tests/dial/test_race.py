"""Which of several addresses a connection is made to, in virtual time; then with real sockets."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Any, Optional, cast

import pytest

from teamclaude.dial.race import (
    MAX_REMEMBERED,
    REMEMBERED_SEC,
    Address,
    Deadline,
    Families,
    SocketCalls,
    connect_first,
    interleave,
    resolve,
)

V4, V6 = socket.AF_INET, socket.AF_INET6


class Attempt:
    """Stands for a socket."""

    def __init__(self, host: str, ends_at: float, code: int) -> None:
        self.host, self.ends_at, self.code = host, ends_at, code
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Network(SocketCalls):
    """Addresses that answer after so many seconds (or with an error number then), or never; virtual time."""

    def __init__(self, **answers: Any) -> None:
        self.now = 100.0
        self.answers = (
            answers  # by address: seconds, (seconds, errno), an errno at once as OSError, None: never
        )
        self.started: list[tuple[str, float]] = []
        self.pending: list[Attempt] = []
        self.made: list[Attempt] = []
        self.ended = False

    def monotonic(self) -> float:
        return self.now

    def start(self, address: Address) -> Any:
        host = address.sockaddr[0]
        self.started.append((host, round(self.now - 100.0, 3)))
        answer = self.answers[host]
        if isinstance(answer, OSError):
            raise answer
        after, code = answer if isinstance(answer, tuple) else (answer, 0)
        attempt = Attempt(host, float("inf") if after is None else self.now + after, code)
        self.made.append(attempt)
        if after == 0:
            return attempt, True
        self.pending.append(attempt)
        return attempt, False

    def wait(self, timeout: float) -> Any:
        assert timeout > 0
        end = min([self.now + timeout, *(attempt.ends_at for attempt in self.pending)])
        self.now = end
        ended = [attempt for attempt in self.pending if attempt.ends_at <= end]
        self.pending = [attempt for attempt in self.pending if attempt not in ended]
        return [(attempt, attempt.code) for attempt in ended]

    def close(self) -> None:
        self.ended = True

    def race(self, *hosts: str, limit: float = 10.0) -> str:
        """Return the host that won, as the addresses stand in `hosts`."""
        addresses = [Address(V6 if host.startswith("six") else V4, (host, 443)) for host in hosts]
        sock, address = connect_first(addresses, Deadline(limit, self.monotonic), self)
        winner = cast(Attempt, sock)
        assert winner.host == address.sockaddr[0]
        assert not winner.closed
        assert all(attempt.closed for attempt in self.made if attempt is not winner)
        assert self.ended
        return winner.host

    @property
    def took(self) -> float:
        return round(self.now - 100.0, 3)


REFUSED = OSError(errno.ECONNREFUSED, "Connection refused")
UNREACHABLE = OSError(errno.ENETUNREACH, "Network is unreachable")


@pytest.mark.parametrize(
    ("answers", "winner", "seconds", "attempts"),
    [
        ({"six": 0.02, "four": 0.02}, "six", 0.02, 1),
        ({"six": 0, "four": 0}, "six", 0.0, 1),
        # Dead: the other one begins 250 ms later.
        ({"six": None, "four": 0.03}, "four", 0.28, 2),
        ({"four": None, "six": 0.03}, "six", 0.28, 2),
        # Slow, but still before the other one.
        ({"six": 0.3, "four": 0.1}, "six", 0.3, 2),
        ({"six": 0.3, "four": 0.02}, "four", 0.27, 2),
        # A failure lets the next one begin at once.
        ({"six": UNREACHABLE, "four": 0.03}, "four", 0.03, 2),
        ({"six": (0.01, errno.ECONNREFUSED), "four": 0.03}, "four", 0.04, 2),
        ({"six": None, "six2": (0.01, errno.EHOSTUNREACH), "four": 0.03}, "four", 0.29, 3),
        # Two dead ones cost two delays.
        ({"six": None, "six2": None, "four": 0.03}, "four", 0.53, 3),
        # Both at the same moment.
        ({"six": 0.35, "four": 0.1}, "six", 0.35, 2),
    ],
)
def test_who_wins_and_when(answers: dict[str, Any], winner: str, seconds: float, attempts: int) -> None:
    network = Network(**answers)
    assert network.race(*answers) == winner
    assert network.took == seconds
    assert len(network.started) == attempts


def test_attempts_begin_250_ms_apart() -> None:
    network = Network(six=None, four=None, six2=None, four2=0.01)
    network.race("six", "four", "six2", "four2")
    assert network.started == [("six", 0.0), ("four", 0.25), ("six2", 0.5), ("four2", 0.75)]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"four": REFUSED}, "Connection refused"),
        ({"six": UNREACHABLE, "four": (0.1, errno.ECONNREFUSED)}, os.strerror(errno.ECONNREFUSED)),
        ({}, "it has no address"),
    ],
)
def test_the_last_failure_is_told(answers: dict[str, Any], told: str) -> None:
    with pytest.raises(OSError, match=told):
        Network(**answers).race(*answers)


def test_all_of_it_has_one_limit() -> None:
    network = Network(six=None, four=None)
    with pytest.raises(OSError, match="timed out after 2 s"):
        network.race("six", "four", limit=2.0)
    assert network.took == 2.0
    assert all(attempt.closed for attempt in network.made)
    assert network.ended


def test_no_attempt_begins_after_the_limit() -> None:
    network = Network(six=None, four=None)
    with pytest.raises(OSError, match=r"timed out after 0\.2 s"):
        network.race("six", "four", limit=0.2)
    assert network.started == [("six", 0.0)]


# --- addresses ------------------------------------------------------------------------------------


def addresses(*hosts: str) -> list[Address]:
    return [Address(V6 if ":" in host else V4, (host, 443)) for host in hosts]


@pytest.mark.parametrize(
    ("hosts", "first", "expected"),
    [
        (["::1", "::2", "1.1.1.1", "2.2.2.2"], None, ["::1", "1.1.1.1", "::2", "2.2.2.2"]),
        (["1.1.1.1", "2.2.2.2", "::1"], None, ["1.1.1.1", "::1", "2.2.2.2"]),
        (["::1", "::2", "1.1.1.1"], V4, ["1.1.1.1", "::1", "::2"]),
        (["::1"], V4, ["::1"]),
        ([], None, []),
    ],
)
def test_families_take_turns(hosts: list[str], first: Optional[int], expected: list[str]) -> None:
    assert [a.sockaddr[0] for a in interleave(addresses(*hosts), first)] == expected


def test_a_look_up() -> None:
    assert resolve("127.0.0.1", 80) == [Address(V4, ("127.0.0.1", 80))]
    with pytest.raises(OSError, match="tests look up no foreign host"):
        resolve("api.example", 443)


def test_the_family_that_won_is_remembered_for_a_while() -> None:
    now = [0.0]
    families = Families(lambda: now[0])
    assert families.last("api") is None
    families.remember("api", V4)
    now[0] = REMEMBERED_SEC - 1
    assert families.last("api") == V4
    assert families.last("other") is None
    now[0] = REMEMBERED_SEC
    assert families.last("api") is None


def test_what_is_remembered_is_bounded() -> None:
    families = Families(lambda: 0.0)
    for n in range(3 * MAX_REMEMBERED):
        families.remember(f"host{n}", V4)
    kept = sum(families.last(f"host{n}") is not None for n in range(3 * MAX_REMEMBERED))
    assert 0 < kept <= MAX_REMEMBERED


# --- real sockets ---------------------------------------------------------------------------------


def test_a_real_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(V4, server.getsockname())
        sock, won = connect_first([address], Deadline(5.0))
        with sock:
            assert won == address
            assert sock.getpeername() == server.getsockname()


def test_a_refused_address_is_followed_by_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = Address(V4, closed.getsockname())
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock, won = connect_first([refusing, Address(V4, server.getsockname())], Deadline(5.0))
        sock.close()
        assert won.sockaddr == server.getsockname()
    with pytest.raises(ConnectionRefusedError):
        connect_first([refusing], Deadline(5.0))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a full backlog is not silent")
def test_a_silent_address_is_given_up_when_another_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.dial.race.ATTEMPT_DELAY_SEC", 0.01)
    # A full backlog: the kernel drops further connects, as a black hole does.
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.socket() as first,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        first.connect(full.getsockname())
        silent = Address(V4, full.getsockname())
        sock, won = connect_first([silent, Address(V4, server.getsockname())], Deadline(5.0))
        sock.close()
        assert won.sockaddr == server.getsockname()
        with pytest.raises(OSError, match=r"timed out after 0\.05 s"):
            connect_first([silent], Deadline(0.05))
