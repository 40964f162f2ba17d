"""A `teamclaude server` in a process of its own, with the fake API, for restarts and drains."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Optional

from teamclaude.fakeapi.api import FakeApi
from tests.cli.support import free_port

KEY = "tc-test-key-000000000000000000000000"
ROOT = Path(__file__).resolve().parents[3]
HEADERS = {"x-teamclaude-key": KEY}


class Reply(NamedTuple):
    """What a client got."""

    status: int
    account: str
    body: bytes
    closes: bool  # the server ends the connection

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection, used again as long as it lasts; as a client does that trusts keep-alive."""

    def __init__(self, port: int, tls: Any = None) -> None:
        self._port, self._tls = port, tls
        self._connection: Optional[http.client.HTTPConnection] = None

    def send(self, method: str, path: str, body: Any = None, session: str = "") -> Reply:
        if self._connection is None:
            if self._tls is not None:
                self._connection = http.client.HTTPSConnection(
                    "127.0.0.1", self._port, timeout=60, context=self._tls
                )
            else:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {**HEADERS, **({"x-claude-code-session-id": session} if session else {})}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        closes = response.headers.get("connection") == "close"
        if closes:
            self.close()
        return Reply(response.status, response.headers.get("x-teamclaude-account", ""), content, closes)

    def ask(self, session: str, stream: bool = False) -> Reply:
        message = {"role": "user", "content": f"hello from {session}"}
        body = {"model": "claude-opus-4-8", "messages": [message], "max_tokens": 9, "stream": stream}
        return self.send("POST", "/v1/messages", body, session)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class RunningServer:
    """The server; `pids` are those of all its processes that are known."""

    def __init__(self, home: Path, api: FakeApi, names: str, tls: Any = None, **settings: Any) -> None:
        self.home, self.config = home, home / "teamclaude.json"
        self.port = free_port()
        self.document: dict[str, Any] = {
            "proxy": {"host": "127.0.0.1", "port": self.port, "apiKey": KEY, **settings.pop("proxy", {})},
            "upstream": api.url,
            "accounts": [{"name": name, "accessToken": f"sk-ant-oat01-FAKE-{name}"} for name in names],
            **settings,
        }
        self.tls = tls
        self.pids: list[int] = []
        self.log = home / "log"

    def write(self) -> None:
        self.config.write_text(json.dumps(self.document))
        self.config.chmod(0o600)

    def start(self, *words: str, program: Optional[list[str]] = None, **env: str) -> RunningServer:
        self.write()
        command = program or [sys.executable, "-m", "teamclaude"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*command, "server", "--headless", *words],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, "TEAMCLAUDE_CONFIG": str(self.config), **env},
            )
        self.pids.append(self.process.pid)
        self.until(self.answers)
        return self

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(OSError):
            return self.client().send("GET", "/health").status == 200
        return False

    def client(self) -> Client:
        return Client(self.port, self.tls)

    def restart(self) -> Reply:
        reply = self.client().send("POST", "/teamclaude/restart")
        if reply.status == 200:
            self.pids.append(reply.json()["pid"])
        return reply

    def status(self) -> Any:
        return self.client().send("GET", "/teamclaude/status").json()

    def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not true():
            log = self.log.read_text() if self.log.exists() else ""
            assert time.monotonic() < deadline, f"it never came true: {log}"
            time.sleep(0.02)

    def stop(self) -> int:
        """End it as a person does; the exit status of the first process."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        for pid in self.pids:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if hasattr(self, "process"):
            self.process.wait(60)


def in_thread(act: Callable[[], Any]) -> Callable[[], Any]:
    """Run it beside; what is returned waits for the result, or raises what was raised."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append((act(), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(60)
        assert found, "it hangs"
        value, error = found[0]
        if error is not None:
            raise error
        return value

    return result
