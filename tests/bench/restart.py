"""What a restart, a drain and a kill cost: requests, errors, conversations that move, the slowest request.

`python -m tests.bench.restart [STREAMS]`: that many streams run while a real server is restarted; meanwhile
and afterwards small requests go on, over connections that are kept.  The fake API is in this process.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.proxy.restart.running_server import RunningServer

NAMES = "abcd"
WORKERS = 8
EVENT_PAUSE_SEC = 1.0  # of a stream with seven pauses


class Count:
    """What clients have met."""

    def __init__(self) -> None:
        self.requests = self.errors = self.cut = self.moved = 0
        self.slowest = 0.0
        self._homes: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, session: str, account: str, seconds: float, whole: bool) -> None:
        with self._lock:
            self.requests += 1
            self.cut += not whole
            self.moved += self._homes.setdefault(session, account) != account
            self._homes[session] = account
            self.slowest = max(self.slowest, seconds)

    def failed(self) -> None:
        with self._lock:
            self.requests += 1
            self.errors += 1

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {self.errors} errors, {self.cut} cut, "
            f"{self.moved} conversations moved, slowest {self.slowest * 1000:.0f} ms"
        )


def stream(server: RunningServer, session: str, count: Count) -> None:
    try:
        reply = server.client().ask(session, stream=True)
    except (OSError, http.client.HTTPException):
        count.failed()
        return
    whole = reply.status == 200 and b"message_stop" in reply.body
    count.add(session, reply.account, 0.0, whole)


def work(server: RunningServer, session: str, count: Count, over: Callable[[], bool]) -> None:
    client = server.client()
    while not over():
        began = time.monotonic()
        try:
            reply = client.ask(session)
        except (OSError, http.client.HTTPException):
            client.close()
            count.failed()
            time.sleep(0.05)
            continue
        count.add(session, reply.account, time.monotonic() - began, reply.status == 200)
        time.sleep(0.01)


def measure(streams: int, act: Callable[[RunningServer], Optional[str]]) -> tuple[Count, Count, str]:
    """Return what streams and small requests met while `act` was done, and what it says."""
    with (
        tempfile.TemporaryDirectory() as home,
        FakeApi([FakeAccount(name, f"sk-ant-oat01-FAKE-{name}") for name in NAMES]) as api,
    ):
        server = RunningServer(
            Path(home), api, NAMES, maxInflightPerAccount=1000, proxy={"maxConnections": 4000}
        )
        try:
            server.start()
            return _measured(server, api, streams, act)
        finally:
            server.kill()


def _measured(
    server: RunningServer, api: FakeApi, streams: int, act: Callable[[RunningServer], Optional[str]]
) -> tuple[Count, Count, str]:
    long, short = Count(), Count()
    sessions = [f"s{n}" for n in range(streams)]
    api.script.times(streams, Fault.slow(between_events=EVENT_PAUSE_SEC))
    running = [threading.Thread(target=stream, args=(server, each, long), daemon=True) for each in sessions]
    for thread in running:
        thread.start()
    deadline = time.monotonic() + 30
    while api.inflight < streams and time.monotonic() < deadline:
        time.sleep(0.02)
    over = threading.Event()
    ready = _is_ready(server, over) if act is drain else over.is_set
    workers = [
        threading.Thread(target=work, args=(server, f"w{n}", short, ready), daemon=True)
        for n in range(WORKERS)
    ]
    for thread in workers:
        thread.start()
    time.sleep(0.5)
    said = act(server) or ""
    for thread in running:
        thread.join(60)
    over.set()
    for thread in workers:
        thread.join(10)
    if act is restart:  # the conversations of the streams go on
        for each in sessions:
            began = time.monotonic()
            reply = server.client().ask(each)
            long.add(each, reply.account, time.monotonic() - began, reply.status == 200)
    return long, short, said


def _is_ready(server: RunningServer, over: threading.Event) -> Callable[[], bool]:
    """As a balancer: clients are sent elsewhere once a look at /health/ready says 503."""
    gone = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            try:
                if server.client().send("GET", "/health/ready").status != 200:
                    gone.set()
            except (OSError, http.client.HTTPException):
                gone.set()

    threading.Thread(target=look, daemon=True).start()
    return lambda: over.is_set() or gone.is_set()


def restart(server: RunningServer) -> str:
    began = time.monotonic()
    reply = server.restart()
    return f"{reply.status} in {time.monotonic() - began:.2f} s"


def drain(server: RunningServer) -> str:
    began = time.monotonic()
    server.client().send("POST", "/teamclaude/drain", {"sec": 2})
    server.process.wait(60)
    return f"ended after {time.monotonic() - began:.2f} s"


def kill(server: RunningServer) -> str:
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    began = time.monotonic()
    server.start()
    return f"serves again {time.monotonic() - began:.2f} s after the start"


def main() -> None:
    """Measure all three."""
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    for act in (restart, drain, kill):
        long, short, said = measure(streams, act)
        print(f"{act.__name__}: {said}")
        print(f"  {streams} streams: {long}")
        print(f"  others: {short}", flush=True)


if __name__ == "__main__":
    main()
