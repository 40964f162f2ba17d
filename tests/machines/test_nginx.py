"""The recipe "Several servers behind nginx", with the real one."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines.balancers import Nginx
from tests.machines.servers import Pool, until
from tests.machines.sessions import Load, Session, moved, spread_sessions, table
from tests.proxy.conftest import Pem

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]
SESSIONS = 16


@pytest.fixture
def nginx(tmp_path: Path, pool: Pool, pem: Pem) -> Iterator[Nginx]:
    made = Nginx(tmp_path, pool, pem)
    yield made
    made.close()


def test_losses_and_returns_under_load(
    pool: Pool, nginx: Nginx, pem: Pem, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(spread_sessions(nginx.port, pool.key, pem.cert, SESSIONS))
    load.start()
    a, b, c = pool.machines.values()
    at_first = load.placed()
    assert set(at_first.values()) == {"a", "b", "c"}

    with load.phase("nothing happens"):
        load.settle(4)
    assert load.placed() == at_first
    for machine, name, lose in (
        (b, "kill -9", lambda: b.end(signal.SIGKILL)),
        (c, "SIGTERM", lambda: c.end(signal.SIGTERM)),
        (a, "drain", a.drain),
    ):
        with load.phase(name):
            lose()
        assert {where[0] for where in moved(at_first, load.placed()).values()} == {machine.name}
        with load.phase("it is back"):
            machine.start()
            load.wait_until_placed(at_first)  # after fail_timeout: its own go back to it, and nobody else
    with load.phase("restart"):
        b.restart()
        until(lambda: b.agent().startswith("up ready "), "the agent port is taken over")
    assert load.placed() == at_first
    load.stop()

    with capsys.disabled():
        print("\n" + table(f"{SESSIONS} sessions, 3 servers behind nginx", load.phases))
    assert [error for each in load.sessions for error in each.errors] == []
    assert [each.name for each in load.phases if each.cuts] in ([], ["kill -9"])
    assert {each.name for each in load.phases if each.repeats} <= {"kill -9", "SIGTERM", "drain"}


def test_the_callers_address_arrives_by_x_forwarded_for(pool: Pool, nginx: Nginx, pem: Pem) -> None:
    session = Session(nginx.port, pool.key, pem.cert, source="127.0.0.77")
    forged = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
    session.turn(forged)
    session.close()
    assert session.errors == []
    machine = pool.machines[session.server]
    until(lambda: machine.get("/teamclaude/deck")[1]["activity"], "the request is recorded")
    (newest,) = machine.get("/teamclaude/deck")[1]["activity"]
    assert newest["clientIp"] == "127.0.0.77"
    nobody = Session(nginx.port, "tc-not-the-key", pem.cert)
    nobody.turn()  # 401, for which Claude Code would ask again and again
    nobody.close()
    assert nobody.errors[0].startswith("401: ")
