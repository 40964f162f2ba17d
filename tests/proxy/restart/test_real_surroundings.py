"""Who waits for a server that is restarted: systemd, which is told, or whoever started the first process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from make_zipapp import zipapp_bytes

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from tests.packing.bytecode import with_bytecode
from tests.proxy.lifecycle.manager import Manager
from tests.proxy.restart.running_server import ROOT, RunningServer

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name == "nt", reason="descriptors are not passed on there"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")]) as api:
        made = RunningServer(tmp_path, api, "a")
        yield made
        made.kill()


def test_systemd_is_told_of_the_new_process_and_the_old_one_ends(
    server: RunningServer, tmp_path: Path
) -> None:
    manager = Manager(str(tmp_path / "notify"))
    server.start(NOTIFY_SOCKET=manager.address)
    manager.wait_for("READY=1")
    pid = server.restart().json()["pid"]
    assert manager.wait_for("MAINPID=") == f"MAINPID={pid}"
    assert server.process.wait(60) == 0, "nobody waits for it"
    assert server.status()["system"]["pid"] == pid
    manager.heard()
    os.kill(pid, signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    manager.close()


def test_the_first_process_fails_when_the_one_that_serves_is_killed(server: RunningServer) -> None:
    server.start()
    pid = server.restart().json()["pid"]
    os.kill(pid, signal.SIGKILL)
    assert server.process.wait(60) == 1
    assert f"teamclaude: process {pid}, which served, was killed" in server.log.read_text()


def test_a_relative_archive_is_found_again_also_when_it_was_replaced(
    server: RunningServer, tmp_path: Path
) -> None:
    data, archive = with_bytecode(zipapp_bytes()), tmp_path / "tc.pyz"
    archive.write_bytes(data)
    server.start(program=[sys.executable, os.path.relpath(archive, ROOT)])
    server.until(lambda: "config:" in server.log.read_text())  # the banner: everything is loaded
    archive.unlink()
    archive.write_bytes(data)
    reply = server.restart()
    assert reply.status == 200, reply.json()
    assert server.client().ask("s").status == 200
    server.until(lambda: server.log.read_text().count("config:") == 2)
    archive.write_text("no archive")
    assert server.restart().status == 500
    assert server.client().ask("s").status == 200
