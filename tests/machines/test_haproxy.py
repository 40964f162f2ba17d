"""The recipe "Several servers behind HAProxy", with the real one."""

from __future__ import annotations

import http.client
import shutil
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.machines.balancers import Haproxy
from tests.machines.servers import Pool, until
from tests.machines.sessions import Load, Session, moved, spread_sessions, table
from tests.proxy.conftest import Pem

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed"),
]
SESSIONS = 16


@pytest.fixture
def haproxy(tmp_path: Path, pool: Pool, pem: Pem) -> Iterator[Haproxy]:
    made = Haproxy(tmp_path, pool, pem)
    made.wait_up()
    room = min(100, 10 * pool.accounts)  # one conversation for each account that is not proven yet
    until(lambda: {weight for _, weight in made.servers().values()} == {room}, "the weights are known")
    yield made
    made.close()


@pytest.mark.parametrize("pool", [40], indirect=True)  # so much room that all weights stay at 100 %
def test_losses_and_returns_under_load(
    pool: Pool, haproxy: Haproxy, pem: Pem, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(spread_sessions(haproxy.port, pool.key, pem.cert, SESSIONS))
    load.start()
    a, b, c = pool.machines.values()
    at_first = load.placed()
    assert set(at_first.values()) == {"a", "b", "c"}

    with load.phase("nothing happens"):
        load.settle(4)
    assert load.placed() == at_first

    with load.phase("kill -9"):
        b.end(signal.SIGKILL)
    after = load.placed()
    assert {where[0] for where in moved(at_first, after).values()} == {"b"}
    assert "b" not in after.values()

    with load.phase("it is back"):
        b.start()
        haproxy.wait_up("b")
    assert load.placed() == after  # their caches are where they went

    with load.phase("SIGTERM"):
        c.end(signal.SIGTERM)
    later = load.placed()
    assert {where[0] for where in moved(after, later).values()} == {"c"}
    with load.phase("it is back"):
        c.start()
        haproxy.wait_up("c")

    before = load.placed()
    with load.phase("drain"):
        a.drain()
    assert {where[0] for where in moved(before, load.placed()).values()} == {"a"}
    before = load.placed()
    with load.phase("it is back"):
        a.start()
        haproxy.wait_up("a")
    with load.phase("restart"):
        b.restart()
        until(lambda: b.agent().startswith("up ready "), "the agent port is taken over")
    assert load.placed() == before
    load.stop()

    with capsys.disabled():
        print("\n" + table(f"{SESSIONS} sessions, 3 servers behind HAProxy", load.phases))
    assert [error for each in load.sessions for error in each.errors] == []
    assert [each.name for each in load.phases if each.cuts] in ([], ["kill -9"])
    assert {each.name for each in load.phases if each.repeats} <= {"kill -9", "SIGTERM"}

    fresh = [Session(haproxy.port, pool.key, pem.cert) for _ in range(24)]
    for each in fresh:
        each.turn()
    assert {each.server for each in fresh} == {"a", "b", "c"}  # who is back gets new ones
    for each in fresh:
        each.close()


def ask(haproxy: Haproxy, pem: Pem, path: str, source: str = "127.0.0.1", **fields: str) -> int:
    connection = http.client.HTTPSConnection(
        "127.0.0.1",
        haproxy.port,
        timeout=60,
        source_address=(source, 0),
        context=ssl.create_default_context(cafile=pem.cert),
    )
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_callers_address_arrives_and_nobody_is_exempt(pool: Pool, haproxy: Haproxy, pem: Pem) -> None:
    session = Session(haproxy.port, pool.key, pem.cert, source="127.0.0.77")
    session.turn()
    session.close()
    machine = pool.machines[session.server]
    until(lambda: machine.get("/teamclaude/deck")[1]["activity"], "the request is recorded")
    (newest,) = machine.get("/teamclaude/deck")[1]["activity"]
    assert newest["clientIp"] == "127.0.0.77"
    until(lambda: "from 127.0.0.77" in machine.log(), "the line is in the log")
    # HAProxy, the servers and this test are the same user's processes on the same machine.
    assert ask(haproxy, pem, "/teamclaude/status") == 401
    assert ask(haproxy, pem, "/teamclaude/status", source="127.0.0.77", Host="localhost") == 401
    assert ask(haproxy, pem, "/teamclaude/status", Authorization=f"Bearer {pool.key}") == 200
    # Beside the balancer too: the address is a trusted proxy's.
    assert machine.get("/teamclaude/status")[0] == 200


def test_between_haproxy_and_the_servers_there_may_be_tls(tmp_path: Path, pem: Pem) -> None:
    pool = Pool(tmp_path, tls=pem)
    haproxy = Haproxy(tmp_path, pool, pem, ca_file=pem.cert)
    try:
        haproxy.wait_up()
        session = Session(haproxy.port, pool.key, pem.cert, source="127.0.0.77")
        session.turn()
        session.close()
        assert session.errors == []
        machine = pool.machines[session.server]
        until(lambda: "from 127.0.0.77" in machine.log(), "the line is in the log")
    finally:
        haproxy.close()
        pool.close()


def test_weights_follow_the_room_and_full_servers_hold(pool: Pool, haproxy: Haproxy, pem: Pem) -> None:
    # The fixture has waited for 30 %.
    for machine in pool.machines.values():
        for number in range(3):
            name = f"{machine.name}{number}"
            assert machine.get(f"/teamclaude/accounts/{name}/disable", "POST")[0] == 200
    until(
        lambda: {machine.get("/health/ready")[0] for machine in pool.machines.values()} == {503},
        "no server serves before a person does something",
    )
    for machine in pool.machines.values():
        assert machine.get(f"/teamclaude/accounts/{machine.name}0/enable", "POST")[0] == 200
    until(lambda: {weight for _, weight in haproxy.servers().values()} == {10}, "one account is 10 %")


def test_when_all_are_full_they_all_hold(pool: Pool, haproxy: Haproxy, pem: Pem) -> None:
    load = Load(spread_sessions(haproxy.port, pool.key, pem.cert, 12))
    pool.api.script.clear()
    pool.api.script.always(Fault.quota(reset_in=8.0))
    with load.phase("all are full for 8 s"):
        load.start(wait=False)
        until(
            lambda: [m.get("/capacity")[1]["verdict"] for m in pool.machines.values()] == ["red"] * 3,
            "all are red",
        )
        assert [m.get("/health/ready")[0] for m in pool.machines.values()] == [200] * 3
        until(lambda: {weight for _, weight in haproxy.servers().values()} == {1}, "all are at 1 %")
        assert {status for status, _ in haproxy.servers().values()} == {"UP"}
        pool.api.script.clear()
    load.stop()
    assert [error for each in load.sessions for error in each.errors] == []
    assert (load.phases[0].repeats, load.phases[0].cuts) == (0, 0)
