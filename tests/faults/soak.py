"""Soak test: minutes of faults on one server, `python -m tests.faults.soak [--minutes M] [--connections C]`.

The real server runs in its own process in front of the fake API with random faults, under clients that
stream, retry, read slowly and leave.  Its idle threads, descriptors and memory are measured before and after.
Exit status 1 if they do not return to their start, or if a client's request had no end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.request import Request as Call
from urllib.request import urlopen

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.api_script import ApiScript
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.values import replace
from tests.faults.schedules import random_faults
from tests.faults.schedules.builder import ordinary
from tests.faults.schedules.plan import SPEED, Client, Leave
from tests.faults.world.clients import ClientThread
from tests.faults.world.environment import KEY, token

__all__ = ["main"]

ACCOUNTS = 8
WARM_UP_SEC = 10.0
# Idle upstream connections are kept for 55 s; threads and descriptors may take as long to return.
SETTLE_SEC = 75.0
MORE_MB = 15.0  # the allocator does not return everything


class Size(NamedTuple):
    """The size of a process."""

    threads: int
    files: int
    memory_mb: float

    def max(self, other: Size) -> Size:
        """Return the larger of each figure."""
        return Size(
            max(self.threads, other.threads),
            max(self.files, other.files),
            max(self.memory_mb, other.memory_mb),
        )


class _FastClock:
    """Real time, with the waits of the API as short as in the schedules."""

    speed = SPEED

    def __call__(self) -> float:
        return time.time()


class _RandomFaults(ApiScript):
    """A fault for every third request; accounts recover after seconds."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = random.Random(seed)

    def on_accept(self) -> Optional[Fault]:
        with self._lock:
            return random_faults.never_read_connects(self._rng) if self._rng.random() < 0.01 else None

    def fault(self, asked: Any, account: Optional[str]) -> Optional[Fault]:
        with self._lock:
            if asked.path != "/v1/messages" or self._rng.random() > 0.33:
                return None
            family = self._rng.choice(
                [
                    _short_fault,
                    random_faults.overloads,
                    random_faults.breaks,
                    random_faults.framings,
                    random_faults.requests,
                ]
            )
            return family(self._rng)


def _short_fault(rng: random.Random) -> Fault:
    """Return a 429 that is over within a second."""
    return rng.choice(
        [
            Fault.bare_429(),
            Fault.status(429, retry_after=rng.choice([0, 1])),
            Fault.quota("5h", reset_in=1.0),
        ]
    )


class _Soak:
    def __init__(self, home: Path, connections: int, seed: int) -> None:
        self._home, self._connections, self._seed = home, connections, seed
        self.ends: Counter[str] = Counter()
        self._counting = threading.Lock()  # guards ends
        self._over = threading.Event()

    def run(self, minutes: float, say: Callable[[str], None]) -> int:
        with ExitStack() as stack:
            accounts = [FakeAccount(name, token(name)) for name in self._names()]
            api = FakeApi(accounts, clock=_FastClock(), script=_RandomFaults(self._seed), keep_bodies=False)
            stack.enter_context(api)
            server = self._start(stack, api.url)
            self._load(WARM_UP_SEC)
            before = self._idle_size(server, None)
            say(f"{'before':8} {_said(before)}")
            worst = self._load(minutes * 60.0, server, say)
            after = self._idle_size(server, before)
            say(f"{'most':8} {_said(worst)}\n{'after':8} {_said(after)}")
            status = self._status()
            server.send_signal(signal.SIGTERM)
            code = server.wait(30)
        say(", ".join(f"{how} {count}" for how, count in self.ends.most_common()))
        problems = self._problems(before, after, status, code)
        for problem in problems:
            say(f"PROBLEM: {problem}")
        return 1 if problems else 0

    def _names(self) -> list[str]:
        return [f"account-{number}" for number in range(ACCOUNTS)]

    def _start(self, stack: ExitStack, upstream: str) -> subprocess.Popen[str]:
        path = self._home / "teamclaude.json"
        document = {
            "proxy": {"host": "127.0.0.1", "port": 0, "apiKey": KEY, "maxBodyMiB": 1},
            "upstream": upstream,
            "headTimeoutSec": 1.0,
            "bodyIdleTimeoutSec": 1.0,
            "upstreamRetryBudgetSec": 1.0,
            "allThrottledHoldBudgetSec": 4,
            "holdCommitSec": 1.0,
            "backoffSec": 1.0,
            "backoffCapSec": 2.0,
            "accounts": [{"name": n, "type": "oauth", "accessToken": token(n)} for n in self._names()],
        }
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(document, file)
        env = {**os.environ, "TEAMCLAUDE_CONFIG": str(path), "HOME": str(self._home)}
        command = [sys.executable, "-m", "teamclaude", "server", "--headless"]
        server = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        stack.callback(server.kill)
        self._port = _port_of(server)
        threading.Thread(target=_discard_output, args=(server,), daemon=True).start()
        return server

    # --- the load -----------------------------------------------------------------------------------

    def _load(
        self,
        seconds: float,
        server: Optional[subprocess.Popen[str]] = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> Size:
        """Keep all connections busy for `seconds`; return the largest size seen."""
        self._over.clear()
        clients = [
            threading.Thread(target=self._client, args=(number,), daemon=True)
            for number in range(self._connections)
        ]
        for client in clients:
            client.start()
        worst, end, told = Size(0, 0, 0.0), time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < end:
            time.sleep(0.5)
            if server is not None:
                worst = worst.max(_size_of(server.pid))
                if time.monotonic() - told >= 30:
                    told = time.monotonic()
                    done = sum(self.ends.values())
                    say(f"{end - told:5.0f} s  {_said(_size_of(server.pid))}  {done} requests")
        self._over.set()
        for client in clients:
            client.join(30)
        return worst

    def _client(self, number: int) -> None:
        rng = random.Random(f"soak {self._seed} {number}")
        while not self._over.is_set():
            requests = []
            for _ in range(3):
                leave = Leave("time", rng.uniform(0.0, 0.3), rng.choice(["fin", "rst"]))
                leaves = rng.random() < 0.1
                requests.append(replace(ordinary(rng), leave=leave if leaves else None))
            client = Client(f"soak-{number}", tuple(requests), agent=rng.choice(["", "a", "b"]), tries=2)
            thread = ClientThread(number, client, self._port, {"": KEY}, 0.0)
            thread.run()  # in this thread
            with self._counting:
                self.ends.update(
                    seen.ended if seen.ended != "whole" else str(seen.status) for seen in thread.seen
                )

    # --- observing ----------------------------------------------------------------------------------

    def _idle_size(self, server: subprocess.Popen[str], target: Optional[Size]) -> Size:
        """Return the idle size: after 3 s, or with a target when it is reached, at most after 75 s."""
        deadline = time.monotonic() + (SETTLE_SEC if target is not None else 3.0)
        while time.monotonic() < deadline:
            time.sleep(0.5)
            size = _size_of(server.pid)
            if target is not None and size.threads <= target.threads and size.files <= target.files:
                break
        return _size_of(server.pid)

    def _status(self) -> Any:
        call = Call(f"http://127.0.0.1:{self._port}/teamclaude/status", headers={"x-teamclaude-key": KEY})
        with closing(urlopen(call, timeout=5)) as answer:
            return json.loads(answer.read())

    def _problems(self, before: Size, after: Size, status: Any, code: int) -> list[str]:
        found = []
        if after.threads > before.threads:
            found.append(f"{after.threads - before.threads} threads more")
        if after.files > before.files:
            found.append(f"{after.files - before.files} descriptors more")
        if after.memory_mb > before.memory_mb + MORE_MB:
            found.append(f"{after.memory_mb - before.memory_mb:.1f} MB more")
        busy = sum(account["inflight"] for account in status["accounts"]) + status["system"]["waiting"]
        if busy:
            found.append(f"{busy} requests under way or waiting")
        if self.ends["silence"] or self.ends[""]:
            found.append(f"{self.ends['silence'] + self.ends['']} clients without an answer or an end")
        if code:
            found.append(f"exit status {code}")
        return found


def _size_of(pid: int) -> Size:
    with open(f"/proc/{pid}/statm") as file:
        pages = int(file.read().split()[1])
    return Size(
        len(os.listdir(f"/proc/{pid}/task")),
        len(os.listdir(f"/proc/{pid}/fd")),
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    )


def _said(size: Size) -> str:
    return f"{size.threads:4} threads {size.files:5} descriptors {size.memory_mb:7.1f} MB"


def _port_of(server: subprocess.Popen[str]) -> int:
    assert server.stdout is not None
    for line in server.stdout:
        for word in line.split():
            if word.startswith("http://127.0.0.1:"):
                return int(word[len("http://127.0.0.1:") :].rstrip("/.,"))
    raise SystemExit("the server did not start")


def _discard_output(server: subprocess.Popen[str]) -> None:
    """Read and discard the output, so that the pipe does not fill."""
    assert server.stdout is not None
    with suppress(ValueError):
        for _ in server.stdout:
            pass


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="of load (10)")
    parser.add_argument("--connections", type=int, default=64, metavar="C", help="at a time (64)")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    options = parser.parse_args(argv)
    if not os.path.isdir("/proc/self/task"):
        print("the soak reads sizes from /proc, which is not here", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="teamclaude-soak-") as home:
        soak = _Soak(Path(home), options.connections, options.seed)
        return soak.run(options.minutes, lambda line: print(line, flush=True))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
