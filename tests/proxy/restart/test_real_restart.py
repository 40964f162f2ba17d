"""A real server is restarted while it works: no refused connection, no cut answer, no moved conversation."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from teamclaude.fakeapi import wire
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.proxy.restart.running_server import ROOT, Reply, RunningServer, in_thread

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name == "nt", reason="descriptors are not passed on there"),
]
NAMES = "abc"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi([FakeAccount(name, f"sk-ant-oat01-FAKE-{name}") for name in NAMES]) as api:
        yield api


@pytest.fixture
def server(api: FakeApi, tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    made: list[RunningServer] = []

    def make(**settings: Any) -> RunningServer:
        made.append(RunningServer(tmp_path, api, NAMES, **settings))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Streams with pauses stand still until this is set."""
    goes_on = threading.Event()
    monkeypatch.setattr(wire.ApiConnection, "wait", lambda self, seconds: seconds and goes_on.wait(60))
    return goes_on


def test_streams_and_held_connections_survive_and_conversations_stay(
    server: Callable[..., RunningServer], api: FakeApi, standing: threading.Event
) -> None:
    s = server().start()
    clients = [s.client() for _ in range(30)]
    homes = [client.ask(f"s{n}").account for n, client in enumerate(clients)]
    api.script.times(12, Fault.slow(between_events=1))
    streams = [in_thread(partial(s.client().ask, f"s{n}", True)) for n in range(12)]
    s.until(lambda: api.inflight == 12)

    restarted = s.restart().json()

    assert restarted["restarted"] is True
    assert restarted["requests"] >= 12
    assert s.status()["system"]["pid"] == restarted["pid"] != s.process.pid
    (before,) = s.status()["system"]["predecessors"]
    assert (before["pid"], before["phase"]) == (s.process.pid, "handed over")
    # Connections that were kept open are answered, and told that this was the last time.
    again = [client.ask(f"s{n}") for n, client in enumerate(clients)]
    assert [reply.account for reply in again] == homes
    assert all(reply.closes for reply in again)
    third = [client.ask(f"s{n}") for n, client in enumerate(clients)]
    assert [(reply.status, reply.account, reply.closes) for reply in third] == [
        (200, h, False) for h in homes
    ]

    standing.set()
    ended: list[Reply] = [stream() for stream in streams]
    assert all(reply.status == 200 and b"message_stop" in reply.body for reply in ended)
    s.until(lambda: s.status()["system"]["predecessors"] == [])
    accounts = s.status()["accounts"]
    assert sum(account["usage"]["requests"] for account in accounts) == 30 * 3 + 12
    assert len(s.status()["sessionBindings"]) == 30
    assert s.stop() == 0


def test_a_request_that_waits_for_a_slot_goes_on_waiting(
    server: Callable[..., RunningServer], api: FakeApi
) -> None:
    s = server(
        maxInflightPerAccount=1, accounts=[{"name": "a", "accessToken": "sk-ant-oat01-FAKE-a"}]
    ).start()
    api.script.once(Fault.slow(before_head=1.5))
    running = in_thread(lambda: s.client().ask("s1"))
    s.until(lambda: api.inflight == 1)
    waiting = in_thread(lambda: s.client().ask("s2"))
    s.until(lambda: s.status()["system"]["waiting"] == 1)
    assert s.restart().status == 200
    assert (running().status, waiting().status) == (200, 200)


def test_held_streams_go_to_the_new_process_and_keep_their_order(
    server: Callable[..., RunningServer], api: FakeApi
) -> None:
    s = server(
        maxInflightPerAccount=1,
        holdCommitSec=3600,
        accounts=[{"name": "a", "accessToken": "sk-ant-oat01-FAKE-a"}],
    ).start()
    names = ("s1", "s2", "s3")
    waiting: list[Callable[[], Reply]] = []

    def ask(name: str, place: int) -> None:
        waiting.insert(place, in_thread(partial(s.client().ask, name, True)))
        s.until(lambda: s.status()["system"]["waiting"] == len(waiting))

    api.script.once(Fault.quota(reset_in=3600.0))
    for place, name in enumerate(names):
        ask(name, place)
    for _ in range(2):  # the second time, of the place that the first has handed on
        assert s.restart().status == 200
        assert [(reply().status, reply().closes) for reply in waiting] == [(503, True)] * 3
        s.until(lambda: s.status()["system"]["predecessors"] == [])
        waiting.clear()
        for name in reversed(names):  # the last comes back first
            ask(name, 0)
    assert s.client().send("POST", "/teamclaude/accounts/a/enable").status == 200  # it is tried at once
    assert [reply().status for reply in waiting] == [200] * 3
    assert api.wait_until(lambda api: not api.live)
    served = [turn for turn in api.log if turn.status == 200]
    assert [turn.header("x-claude-code-session-id") for turn in served] == list(names)


def test_a_stream_that_no_client_would_repeat_is_held_as_long_as_the_old_process_is_there(
    server: Callable[..., RunningServer], api: FakeApi
) -> None:
    s = server(
        holdCommitSec=0.1,
        restartDrainSec=1.0,
        accounts=[{"name": "a", "accessToken": "sk-ant-oat01-FAKE-a"}],
    ).start()
    api.script.once(Fault.quota(reset_in=3600.0))
    held = in_thread(lambda: s.client().ask("s1", stream=True))
    s.until(lambda: s.status()["held"])  # after a second: it has got its comments
    assert s.restart().status == 200
    reply = held()
    assert reply.status == 200
    assert b"event: error" in reply.body, "not cut without a word"
    assert b"overloaded_error" in reply.body
    s.until(lambda: s.status()["system"]["predecessors"] == [])


def test_a_conversation_that_begins_on_an_old_connection_keeps_its_account(
    server: Callable[..., RunningServer],
) -> None:
    s = server().start()
    kept = [s.client() for _ in range(6)]
    for client in kept:
        client.send("GET", "/health")
    s.restart()
    homes = {f"n{n}": client.ask(f"n{n}").account for n, client in enumerate(kept)}
    s.until(lambda: len(s.status()["sessionBindings"]) == 6)
    assert {name: s.client().ask(name).account for name in homes} == homes


def test_restarts_in_a_row_lose_nothing(server: Callable[..., RunningServer]) -> None:
    s = server().start()
    client = s.client()
    home = client.ask("s").account
    over, failures, asked = threading.Event(), [], []

    def go_on(n: int) -> None:
        own = s.client()
        while not over.is_set():
            try:
                asked.append(own.ask(f"w{n}").account)
            except OSError as error:
                failures.append(error)
                own.close()

    workers = [threading.Thread(target=go_on, args=(n,), daemon=True) for n in range(2)]
    for worker in workers:
        worker.start()
    for by_signal in (False, False, True):  # a signal to the first process reaches the one that serves
        if by_signal:
            s.process.send_signal(signal.SIGUSR2)
            s.until(lambda: s.status()["system"]["pid"] not in s.pids)
            s.pids.append(s.status()["system"]["pid"])
        else:
            assert s.restart().status == 200
        assert client.ask("s").account == home
    over.set()
    for worker in workers:
        worker.join(60)
    assert failures == []
    assert len(set(s.pids)) == 4
    s.until(lambda: s.status()["system"]["predecessors"] == [] or True)
    assert s.stop() == 0, "the first process ends with the status of the last one"
    assert not any(_is_running(pid) for pid in s.pids[-1:])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


# --- it does not come to it -----------------------------------------------------------------------


def broken(s: RunningServer, why: str, how: Callable[[], object]) -> None:
    home = s.client().ask("s").account
    how()
    reply = s.restart()
    assert reply.status >= 400
    assert why in reply.json()["error"]["message"]
    assert s.status()["system"]["pid"] == s.process.pid
    assert s.client().ask("s").account == home
    assert s.status()["system"]["ending"] is None


def test_a_config_that_cannot_be_served_leaves_the_old_one_serving_until_it_is_mended(
    server: Callable[..., RunningServer],
) -> None:
    s = server().start()
    upstream, home = s.document["upstream"], s.client().ask("s").account
    broken(s, "upstream", lambda: (s.document.update(upstream="ftp://x"), s.write())[1])
    s.document["upstream"] = upstream
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broken(
            s, f"127.0.0.1:{port} is in use", lambda: (s.document["proxy"].update(port=port), s.write())[1]
        )
    # The port is free now: it is taken over.
    assert s.restart().status == 200
    s.port = port
    assert s.client().ask("s").account == home


PROGRAM = """
import os, sys, time
mode = open(sys.argv[1]).read()
if mode == "hang":
    time.sleep(60)
if mode == "raise":
    import nowhere_to_be_found
if mode == "quiet":
    os._exit(3)
if mode == "late":
    from teamclaude.proxy.restart.predecessor import Predecessor
    Predecessor.serving = lambda self: os._exit(4)
ready_sec = float(sys.argv[2])
sys.path.insert(0, {root!r})
from teamclaude.proxy.restart import successor
successor.READY_SEC = ready_sec
successor.Successor.wait_ready.__defaults__ = (successor.READY_SEC,)
from teamclaude.cli import main
raise SystemExit(main(sys.argv[3:]))  # before Python 3.10 sys.argv is all that is known of the start
"""


def start_switched(server: Callable[..., RunningServer], place: Path, ready_sec: str) -> RunningServer:
    """Start a server by a program that fails as `mode` beside it says; it waits `ready_sec` for the next."""
    program, switch = place / "program.py", place / "mode"
    program.write_text(PROGRAM.format(root=str(ROOT)))
    switch.write_text("good")
    words = [sys.executable, str(program), str(switch), ready_sec]
    return server().start(program=words, PYTHONPATH=str(ROOT))


def test_a_broken_new_version_leaves_the_old_one_serving(
    server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    s, switch = start_switched(server, tmp_path, "60"), tmp_path / "mode"
    broken(s, "nowhere_to_be_found", lambda: switch.write_text("raise"))
    broken(s, "it ended with status 3", lambda: switch.write_text("quiet"))
    broken(s, "it ended with status 4", lambda: switch.write_text("late"))
    switch.write_text("good")
    assert s.restart().status == 200


def test_a_new_version_that_hangs_leaves_the_old_one_serving(
    server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    s = start_switched(server, tmp_path, "0.5")  # a good one may take longer than that to start
    broken(s, "did not begin to serve within 0.5 s", lambda: (tmp_path / "mode").write_text("hang"))


def test_of_two_restarts_at_once_one_is_refused(server: Callable[..., RunningServer]) -> None:
    s = server().start()
    both = [in_thread(s.restart) for _ in range(2)]
    replies = sorted([each() for each in both], key=lambda reply: reply.status)
    assert replies[0].status == 200
    if replies[1].status != 200:  # else the second came when the first was done
        assert replies[1].status == 409
        message = replies[1].json()["error"]["message"]
        assert "in progress" in message or "stopping" in message


# --- the drain ------------------------------------------------------------------------------------


def test_a_drain_is_announced_and_then_stops(server: Callable[..., RunningServer]) -> None:
    s = server().start()
    begun = s.client().send("POST", "/teamclaude/drain", {"sec": 0.6}).json()
    assert begun == {"draining": True, "announceSec": 0.6, "requests": begun["requests"]}
    ready = s.client().send("GET", "/health/ready")
    assert (ready.status, ready.json()["reason"]) == (503, "announced")
    assert s.client().ask("s").status == 200, "it still serves"
    assert s.status()["system"]["ending"]["phase"] == "announced"
    assert s.client().send("POST", "/teamclaude/restart").status == 409
    assert s.process.wait(60) == 0


@pytest.mark.parametrize("by", ["SIGUSR1", "SIGTERM"])
def test_a_second_order_ends_the_announcement(server: Callable[..., RunningServer], by: str) -> None:
    s = server(drainAnnounceSec=3600).start()
    bodies: tuple[Any, ...] = ({"sec": -1}, {"sec": "5"}, {"sec": True}, {"sec": 1e9}, [])
    for body in bodies:
        assert s.client().send("POST", "/teamclaude/drain", body).status == 400, body
    assert s.client().send("GET", "/health/ready").status == 200
    if by == "SIGTERM":
        s.process.send_signal(signal.SIGUSR1)
    else:
        assert s.client().send("POST", "/teamclaude/drain").json()["announceSec"] == 3600
    s.until(lambda: s.client().send("GET", "/health/ready").status == 503)
    s.process.send_signal(getattr(signal, by))
    assert s.process.wait(60) == 0


def test_a_server_started_while_another_one_drains_learns_what_that_one_learns_late(
    server: Callable[..., RunningServer], api: FakeApi, standing: threading.Event, tmp_path: Path
) -> None:
    s = server().start()
    api.script.once(Fault.slow(between_events=1))
    stream = in_thread(lambda: s.client().ask("s", stream=True))
    s.until(lambda: api.inflight == 1)
    first = s.process
    first.send_signal(signal.SIGTERM)
    state = tmp_path / "teamclaude.state.json"
    s.until(lambda: not _listens(s.port))
    s.until(lambda: state.exists() and json.loads(state.read_text())["bindings"])
    s.start()
    standing.set()
    assert b"message_stop" in stream().body
    assert first.wait(60) == 0
    home = stream().account
    s.until(lambda: sum(a["usage"]["requests"] for a in s.status()["accounts"]) == 1)
    assert s.client().ask("s").account == home
    assert not (tmp_path / "teamclaude.state.late").exists()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
