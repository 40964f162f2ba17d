"""A client that is held while its server is restarted, or stopped and started."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.cli.claude_code.environment import ClientTarget, client_environment
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.e2e import packages
from tests.e2e.client_environment import end
from tests.proxy.restart.running_server import KEY, RunningServer

pytestmark = pytest.mark.e2e


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")]) as api:
        yield api


@pytest.mark.parametrize("commit_sec", [200.0, 0.1], ids=["before its comments", "after them"])
@pytest.mark.parametrize("how", ["restart", "stop"])
def test_a_held_client_goes_on_waiting_at_the_new_server(
    api: FakeApi, tmp_path: Path, private_home: Path, program: Path, how: str, commit_sec: float
) -> None:
    if packages.version_of(program) == "2.1.112":
        pytest.skip("2.1.112 asks for a whole response when its stream is cut")
    server = RunningServer(tmp_path, api, "a", holdCommitSec=commit_sec)
    try:
        server.start()
        target = ClientTarget(f"http://127.0.0.1:{server.port}", KEY)
        env = {"PATH": str(program.parent), "HOME": str(private_home), "DISABLE_AUTOUPDATER": "1"}
        env["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1"
        env.update(client_environment(target, env, False))
        api.script.once(Fault.quota(reset_in=3600.0))
        client = subprocess.Popen(
            [str(program), "-p", "hello"],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.until(lambda: server.status()["held"])
        if how == "restart":
            assert server.restart().status == 200
            server.until(lambda: not server.status()["system"]["predecessors"])
        else:
            assert server.stop() == 0
            server.start()
        server.until(lambda: server.status()["held"])
        server.client().send("POST", "/teamclaude/accounts/a/enable")  # it is tried at once
        ended = end(client)
        assert ended.status == 0, ended
        assert [turn.status for turn in api.log if turn.path == "/v1/messages"] == [429, 200]
    finally:
        server.kill()
