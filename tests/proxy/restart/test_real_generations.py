"""More than two processes of one server: how they end together, and what each has to have from the start."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.proxy.restart.running_server import KEY, ROOT, RunningServer, in_thread

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name == "nt", reason="descriptors are not passed on there"),
]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")]) as api:
        yield api


@pytest.fixture
def server(tmp_path: Path, api: FakeApi) -> Iterator[RunningServer]:
    made = RunningServer(tmp_path, api, "a", drainSec=1)
    yield made
    made.kill()


def endless(server: RunningServer, api: FakeApi, session: str) -> None:
    """Begin an answer that does not end by itself."""
    running = api.inflight
    in_thread(lambda: server.client().ask(session, stream=True))
    server.until(lambda: api.inflight == running + 1)


def test_when_the_one_that_serves_is_killed_the_first_one_does_not_stay_for_its_answers(
    server: RunningServer, api: FakeApi
) -> None:
    api.script.always(Fault.cut_after_event(1, "hang"))
    server.start()
    endless(server, api, "s1")
    os.kill(server.restart().json()["pid"], signal.SIGKILL)
    assert server.process.wait(20) == 1


def test_a_stop_ends_also_those_between_the_first_and_the_last(server: RunningServer, api: FakeApi) -> None:
    api.script.always(Fault.cut_after_event(1, "hang"))
    server.start()
    server.restart()
    endless(server, api, "s2")
    server.restart()
    endless(server, api, "s3")
    server.restart()
    server.restart()

    def busy() -> list[int]:
        found = server.status()["system"]["predecessors"]
        return [each["requests"] for each in found if each["requests"]]

    server.until(lambda: busy() == [1, 1])
    assert server.stop() == 0


def test_a_signed_in_page_stays_so(server: RunningServer) -> None:
    server.start()
    origin = f"http://127.0.0.1:{server.port}"
    own = {"Origin": origin, "Sec-Fetch-Site": "same-origin", "x-teamclaude-page": "1"}

    def call(method: str, fields: dict[str, str], body: Any = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request(method, "/teamclaude/page/session", body and json.dumps(body), {**own, **fields})
        return connection.getresponse()

    cookie = str(call("POST", {}, {"key": KEY}).headers["set-cookie"]).partition(";")[0]
    assert call("GET", {"Cookie": cookie}).status == 200
    server.restart()
    server.restart()
    assert json.load(call("GET", {"Cookie": cookie}))["role"] == "operator"


def test_the_way_to_the_next_process_is_that_of_the_running_version(
    server: RunningServer, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    shutil.copytree(ROOT / "teamclaude", program / "teamclaude")
    server.start(program=[sys.executable, str(program / "teamclaude")])
    server.until(lambda: "config:" in server.log.read_text())  # the banner: everything is loaded
    departure = program / "teamclaude" / "proxy" / "restart" / "departure.py"
    text = departure.read_text()
    departure.write_text(
        text.replace("class Departure:", "class Renamed:").replace('"Departure"', '"Renamed"')
    )
    old = server.client()
    old.send("GET", "/health")
    assert server.restart().status == 200
    assert old.ask("s").closes, "the old one ends, as its own version does"
    server.until(lambda: not server.status()["system"]["predecessors"])
    departure.write_text("raise ImportError('no such thing')\n")
    reply = server.restart()
    assert (reply.status, "no such thing" in reply.json()["error"]["message"]) == (500, True)
    assert server.client().ask("s").status == 200
