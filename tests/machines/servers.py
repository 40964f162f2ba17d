"""Servers in processes of their own, each with accounts of its own, and the fake API behind all of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.api_endpoints import ApiPace
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.machines.recipe import Address, server_settings
from tests.proxy.conftest import TOKEN, Pem, account_json

__all__ = ["EVENT_SEC", "Machine", "Pool", "until"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SEC = 120.0
ANSWER_SEC = 60.0  # also of a restart, which answers when the new process serves
EVENTS, EVENT_SEC = 8, 0.06  # of a stream


def until(true: Callable[[], object], what: str, seconds: float = PATIENCE_SEC) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def steady_port() -> int:
    """Return a free port that no outgoing connection takes while its server is down."""
    while True:
        port = random.randrange(20_000, 32_000)  # Linux gives ports from 32768 on to connections
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


class Machine:
    """One server; `name` is the first letter of its accounts' names."""

    def __init__(
        self, name: str, home: Path, upstream: str, accounts: int, tls: Optional[Pem] = None
    ) -> None:
        self.name = name
        self.address = Address(steady_port(), steady_port())
        self.process: Optional[subprocess.Popen[bytes]] = None
        self._home = home
        settings = server_settings(self.address)
        self.key = str(settings["apiKey"])
        self._context = None
        if tls is not None:
            settings["tls"] = tls._asdict()
            self._context = ssl.create_default_context(cafile=tls.cert)
        document = {
            "proxy": settings,
            "upstream": upstream,
            "backoffJitter": False,
            "accounts": [account_json(f"{name}{number}") for number in range(accounts)],
        }
        self._path = home / f"{name}.json"
        self._path.write_text(json.dumps(document))
        self._path.chmod(0o600)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        env = {**os.environ, "TEAMCLAUDE_CONFIG": str(self._path), "HOME": str(self._home)}
        with open(self._home / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "teamclaude", "server", "--headless"],
                cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: self.get("/health")[0] == 200, f"{self.name} starts: {self.log()[-500:]}")

    def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Return status and JSON of a request past the balancer; (0, None) when nobody answers."""
        port, tls = self.address.port, self._context
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SEC)
        if tls is not None:
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWER_SEC, context=tls)
        try:
            connection.request(method, path, headers={"x-teamclaude-key": self.key})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def end(self, by: int) -> None:
        """Send it a signal, and wait until it has ended."""
        assert self.process is not None
        self.process.send_signal(by)
        self.process.wait(PATIENCE_SEC)

    def drain(self) -> None:
        """Ask for a drain, and wait until it has ended."""
        assert self.process is not None
        status, answer = self.get("/teamclaude/drain", "POST")
        assert status in (200, 202), answer
        self.process.wait(PATIENCE_SEC)

    def restart(self) -> None:
        """Ask for a restart, and wait until another process answers."""
        before = self.pid(0)
        status, answer = self.get("/teamclaude/restart", "POST")
        assert status in (200, 202), answer
        until(lambda: self.pid(before) != before, "another process answers")

    def pid(self, default: int) -> int:
        """Return the process that answers; `default` when none does."""
        found = self.get("/teamclaude/status")[1]
        return int(found["system"]["pid"]) if found else default

    def agent(self) -> str:
        """Return what its agent port says, "" when nobody answers."""
        try:
            address = ("127.0.0.1", self.address.agent_port)
            with socket.create_connection(address, timeout=ANSWER_SEC) as connection:
                return connection.recv(100).decode()
        except OSError:
            return ""

    def log(self) -> str:
        """Return what it has printed."""
        path = self._home / f"{self.name}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""


class Pool:
    """Three servers, and the API."""

    def __init__(self, home: Path, accounts: int = 3, tls: Optional[Pem] = None) -> None:
        names = [f"{machine}{number}" for machine in "abc" for number in range(accounts)]
        fakes = [FakeAccount(name, TOKEN.format(name)) for name in names]
        self.api = FakeApi(fakes, pace=ApiPace(events=EVENTS), keep_bodies=False).start()
        self.api.script.always(Fault.slow(between_events=EVENT_SEC))
        self.machines = {name: Machine(name, home, self.api.url, accounts, tls) for name in "abc"}
        self.key = self.machines["a"].key
        self.accounts = accounts
        starts = [threading.Thread(target=machine.start) for machine in self.machines.values()]
        for start in starts:
            start.start()
        for start in starts:
            start.join(PATIENCE_SEC)

    @property
    def addresses(self) -> list[Address]:
        """Where the servers listen, in order."""
        return [machine.address for machine in self.machines.values()]

    def close(self) -> None:
        """End all of it."""
        for machine in self.machines.values():
            if machine.process is not None and machine.process.poll() is None:
                # Of the last process: a restart has put it in place of the first, which ends with it.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(machine.pid(machine.process.pid), signal.SIGKILL)
                machine.end(signal.SIGKILL)
        self.api.stop()
