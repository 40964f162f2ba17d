"""After kill -9 and a restart the observed state is restored."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.errors import HistoryError
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.history.reader import HistoryReader
from tests.waiting import until

KEY = "tc-test-key-000000000000000000000000"
ROOT = Path(__file__).resolve().parents[2]
# A server that saves soon; its warnings go to stderr.
SERVER = """
import sys
from pathlib import Path
from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.proxy.server import ProxyServer

def warn(line):
    print(line, file=sys.stderr, flush=True)

service = ProxyServer(ConfigFile(Path(sys.argv[1]), warn), warn=warn, save_sec=0.02)
service.start()
print(service.port, flush=True)
service.wait()
"""


class Server:
    """A proxy in a process of its own."""

    def __init__(self, config: Path) -> None:
        command = [sys.executable, "-c", SERVER, str(config)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def send(
        self, method: str, path: str, body: Optional[dict[str, Any]] = None, session: str = ""
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"x-teamclaude-key": KEY}
        if session:
            headers["x-claude-code-session-id"] = session
        connection.request(method, path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content

    def ask(self, session: str) -> str:
        """The account that served it."""
        body = {
            "model": "claude-opus-4-8",
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 9,
            "metadata": {"user_id": "u"},
        }
        response, content = self.send("POST", "/v1/messages", body, session)
        assert response.status == 200, content
        return str(response.headers["x-teamclaude-account"])

    def status(self) -> Any:
        return json.loads(self.send("GET", "/teamclaude/status")[1])

    def kill(self) -> str:
        """kill -9; what it had said to stderr."""
        self.process.kill()
        return self.process.communicate()[1]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi([FakeAccount(name, f"sk-ant-oat01-FAKE-{name}") for name in "abc"]) as api:
        yield api


@pytest.fixture
def server(api: FakeApi, tmp_path: Path) -> Iterator[Callable[[], Server]]:
    config = tmp_path / "teamclaude.json"
    document = {
        "proxy": {"host": "127.0.0.1", "port": 0, "apiKey": KEY},
        "upstream": api.url,
        "accounts": [{"name": name, "accessToken": f"sk-ant-oat01-FAKE-{name}"} for name in "abc"],
    }
    config.write_text(json.dumps(document))
    config.chmod(0o600)
    started: list[Server] = []

    def start() -> Server:
        started.append(Server(config))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def saved(tmp_path: Path, true: Callable[[Any], object]) -> None:
    """Wait until the state file says so."""
    deadline = time.monotonic() + 60
    file = tmp_path / "teamclaude.state.json"
    while not (file.exists() and true(json.loads(file.read_text()))):
        assert time.monotonic() < deadline, "it was never saved"
        time.sleep(0.005)


def recorded(tmp_path: Path, requests: int) -> None:
    """Wait until the history has so many requests: it is written every 5 s."""
    file = tmp_path / "teamclaude.history.db"
    until(lambda: file.exists() and _requests_in(file) == requests, pause=0.2)


def _requests_in(file: Path) -> int:
    try:
        with HistoryReader(str(file)) as reader:
            return sum(row.totals.requests for row in reader.usage())
    except HistoryError:  # its tables are being made
        return 0


def lasting(status: Any) -> dict[str, Any]:
    """The part of the status that a restart must not change."""
    account = ("name", "status", "statusReason", "rateLimitedUntil", "streak", "proven", "burn5h", "capEst5h")
    binding = (
        "sid",
        "account",
        "requests",
        "moves",
        "tokens",
        "cost",
        "model",
        "cachedPrefixTokens",
        "boundAt",
    )
    issues = [{**row, "lastSeen": row["lastSeen"] // 1000} for row in status["usageByIssue"]]
    return {
        "currentAccount": status["currentAccount"],
        "pins": status["pins"],
        "usageByIssue": issues,  # the history keeps whole seconds
        "accounts": [{**{k: a[k] for k in (*account, "usage")}, **a["quota"]} for a in status["accounts"]],
        "bindings": [{k: b[k] for k in binding} for b in status["sessionBindings"]],
    }


def test_a_killed_server_comes_back_with_what_it_knew(
    server: Callable[[], Server], api: FakeApi, tmp_path: Path
) -> None:
    first = server()
    homes = {session: first.ask(session) for session in ("s1", "s2", "s3")}
    full = homes["s3"]
    api.script.once(Fault.quota("5h", reset_in=7200.0), account=full)
    homes["s3"] = first.ask("s3")
    first.send("POST", "/teamclaude/switch", {"account": homes["s1"], "session": "s9"})
    saved(tmp_path, lambda state: len(state["bindings"]) == 3 and state["pins"])
    saved(tmp_path, lambda state: sum(a["requests"] for a in state["accounts"].values()) == 4)
    recorded(tmp_path, 4)
    before = lasting(first.status())
    assert first.kill() == ""

    second = server()
    until(lambda: second.status()["usageByIssue"])  # read from the history after the start
    after = lasting(second.status())
    assert after == before
    row = next(a for a in after["accounts"] if a["name"] == full)
    assert (row["status"], row["capEst5h"] is None, row["burn5h"] > 0) == ("benched", False, True)
    assert after["usageByIssue"][0]["requests"] == 4
    assert {session: second.ask(session) for session in homes} == homes
    assert second.kill() == ""


def test_a_corrupt_state_file_is_set_aside_and_the_server_runs(
    server: Callable[[], Server], tmp_path: Path
) -> None:
    state = tmp_path / "teamclaude.state.json"
    state.write_text('{"accounts": {"a"')
    running = server()
    assert running.ask("s1") in ("a", "b", "c")
    saved(tmp_path, lambda state: state["bindings"])
    said = running.kill()
    assert "corrupt" in said
    assert said.count("\n") == 1
    (aside,) = tmp_path.glob("teamclaude.state.json.corrupt-*")
    assert aside.read_text() == '{"accounts": {"a"'


def test_a_state_with_odd_parts_is_restored_as_far_as_it_goes(
    server: Callable[[], Server], tmp_path: Path
) -> None:
    first = server()
    home = first.ask("s1")
    saved(tmp_path, lambda state: state["bindings"])
    first.kill()
    file = tmp_path / "teamclaude.state.json"
    state = json.loads(file.read_text())
    state["accounts"][home]["benchUntil"] = "soon"
    state["unheardOf"] = [1]
    state["version"] = 99
    file.write_text(json.dumps(state))
    second = server()
    assert second.ask("s1") == home
    newer, said = second.kill().split("\n", 1)
    assert f"{file} is of a newer version (99)" in newer
    assert said.startswith("not restored from the state file: ")
    assert "benchUntil" in said
