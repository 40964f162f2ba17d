"""What one warm small request takes, counted: Python calls, bytecodes, calls of C functions, system calls.

    python -m tests.bench.calls             print the counts, and what is called how often
    python -m tests.bench.calls --waiting   of a request that waits for a slot, as nearly all do where more
                                            connections ask than there are slots

The proxy runs as a user starts it, with history and metrics, in front of a minimal API.  Unlike times, counts
do not depend on the load of the machine: a function counts as often as it is called per request, rounded, so
that timers, which run beside the requests, do not count.  "afterwards" is what other threads do with a
finished request later: its line in the log, history, metrics, trends, forecasts.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NamedTuple

from teamclaude.proxy import server
from teamclaude.proxy.forwarding import queued_request
from teamclaude.proxy.reporting import history_feed
from teamclaude.proxy.reporting.reporter import Reporter
from tests.bench.load import HEADERS, PATH, ROOT, body, session
from tests.bench.responder import message_end
from tests.bench.rounds import Bench
from tests.bench.servers import Server, accounts, configured, teamclaude, upstream
from tests.bench.slots import ACCOUNT_SLOTS, FEW
from tests.bench.table import Figures, Row, Target

__all__ = ["Counts", "RequestCost", "call_rows", "count", "count_waiting"]

WARM_UP = 300  # requests
REQUESTS = 100
MOST_PYTHON_CALLS, MOST_SYSTEM_CALLS = 150, 6
CROWD, CROWD_ASKS = 64, 20  # connections that want slots at once, and what each of them asks
PRINTED_SEC = 0.5  # until what has ended is printed
SERVING = "event-loop"  # the thread that serves warm small requests
BESIDE = "deck-sources"  # the thread that reads files for the Deck, by the clock

Counts = Mapping[str, int]  # per request, by function


class RequestCost(NamedTuple):
    """What one request takes; `system` is empty where strace can't be used."""

    python: Counts
    c: Counts
    afterwards: Counts  # Python calls
    bytecodes: Counts  # that were carried out, of the event loop's thread; versions of Python differ
    system: Counts


def count(with_system_calls: bool = True) -> RequestCost:
    """Start the servers and count; system calls only where strace is there."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory))
        homes = directory / "counted", directory / "plain"
        for home in homes:
            home.mkdir()
        proxy = _CountingProxy(homes[0], api.port)
        running.enter_context(proxy)
        client = running.enter_context(_Client(proxy.port))
        client.ask(WARM_UP)
        time.sleep(PRINTED_SEC)
        proxy.take(1)
        client.ask(REQUESTS)
        time.sleep(PRINTED_SEC)
        python, c, afterwards, bytecodes = proxy.take(REQUESTS)
        system = _system_calls(homes[1], api.port) if with_system_calls else {}
        return RequestCost(python, c, afterwards, bytecodes, system)


def count_waiting() -> RequestCost:
    """Count without system calls where there are fewer slots than connections: nearly all wait for one.

    Counting slows the proxy down, so more events come in one turn of its loop than usual.
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory))
        proxy = _CountingProxy(directory, api.port, {"accounts": accounts(FEW)})
        running.enter_context(proxy)
        clients = [running.enter_context(_Client(proxy.port, number)) for number in range(CROWD)]
        _ask_at_once(clients, 2)
        time.sleep(PRINTED_SEC)
        proxy.take(1)
        _ask_at_once(clients, CROWD_ASKS)
        time.sleep(PRINTED_SEC)
        python, c, afterwards, bytecodes = proxy.take(CROWD * CROWD_ASKS)
        return RequestCost(python, c, afterwards, bytecodes, {})


def call_rows(_bench: Bench) -> list[Row]:
    """Return what `make bench` prints of it."""
    cost = count()
    rows = [
        Row("one warm small request: Python calls", "", _ours(cost.python), _few(MOST_PYTHON_CALLS)),
        Row("one warm small request: Python calls afterwards", "", _ours(cost.afterwards)),
        Row("one warm small request: bytecodes", "", _ours(cost.bytecodes)),
        Row("one that waits for a slot: bytecodes", "", _ours(count_waiting().bytecodes)),
    ]
    if cost.system:
        target = _few(MOST_SYSTEM_CALLS)
        rows.append(Row("one warm small request: system calls", "", _ours(_own(cost.system)), target))
    return rows


def _ours(counts: Counts) -> Figures:
    return {"teamclaude": float(sum(counts.values()))}


def _own(system: Counts) -> Counts:
    """Return the system calls without those by which threads wait for each other: other load adds to them."""
    return {name: times for name, times in system.items() if name != "futex"}


def _few(most: int) -> Target:
    return Target(f"≤ {most}", lambda figures: figures["teamclaude"] <= most)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--waiting", action="store_true", help="count a request that waits for a slot")
    waiting = options.parse_args().waiting
    cost = count_waiting() if waiting else count()
    titles = "Python calls", "calls of C functions", "Python calls afterwards", "bytecodes"
    for title, counts in zip(titles, cost):
        _show(title, counts)
    if cost.system:
        _show("system calls", cost.system)
    elif not waiting:
        print("system calls are not counted: it takes strace")


def _show(title: str, counts: Counts) -> None:
    print(f"{sum(counts.values())} {title} per request")
    for name, times in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        print(f"{times:6} {name}")
    print()


class _Client:
    """One connection that stays open, and sends one small request after the other."""

    def __init__(self, port: int, number: int = 1) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        fields = {**HEADERS, "Host": f"127.0.0.1:{port}", "X-Claude-Code-Session-Id": session(number)}
        lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._head = "\r\n".join(lines)

    def ask(self, times: int) -> None:
        for number in range(times):
            self.send(number)
            self.receive()

    def send(self, number: int) -> None:
        content = body().replace("quota", "quota" * (1 + number % 9))  # a turn repeats all but the length
        self.sock.sendall(f"{self._head}\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode())

    def receive(self) -> None:
        answer = b""
        while message_end(answer) < 0:
            data = self.sock.recv(65536)
            assert data, "the proxy closed the connection"
            answer += data
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def _ask_at_once(clients: list[_Client], times: int) -> None:
    """Have each ask so often, each time as soon as it has its answer."""
    with selectors.DefaultSelector() as answered:
        left = dict.fromkeys(clients, times)
        for client in clients:
            answered.register(client.sock, selectors.EVENT_READ, client)
            client.send(0)
        while left:
            for key, _ in answered.select():
                client = key.data
                client.receive()
                left[client] -= 1
                if left[client]:
                    client.send(left[client])
                else:
                    del left[client]


class _CountingProxy(Server):
    """The proxy in a process that counts the calls of its threads."""

    def __init__(self, home: Path, upstream_port: int, document: Mapping[str, object] = {}) -> None:
        port, env = configured(home, upstream_port, ACCOUNT_SLOTS, document=document)
        ask, answer = home / "ask", home / "answer"
        os.mkfifo(ask)
        os.mkfifo(answer)
        self._ask, self._answer = ask, answer
        command = [sys.executable, "-m", "tests.bench.calls", str(ask), str(answer)]
        super().__init__(command, port, "/health", env=env)

    def take(self, requests: int) -> list[Counts]:
        """Return the counts since the last time, for each of so many: Python, C, afterwards, bytecodes."""
        self._ask.write_text("\n")
        return [_per_request(counts, requests) for counts in json.loads(self._answer.read_text())]


def _per_request(counts: Counts, requests: int) -> Counts:
    return {name: per for name, times in counts.items() if (per := round(times / requests))}


def _system_calls(home: Path, upstream_port: int) -> Counts:
    """Return the system calls by name; {} where strace is missing, or may not watch a process."""
    if shutil.which("strace") is None:
        return {}
    with teamclaude(home, upstream_port) as proxy, _Client(proxy.port) as client:
        client.ask(WARM_UP)
        watch = ["strace", "-f", "-c", "-p", str(proxy.pid)]
        strace = subprocess.Popen(watch, stderr=subprocess.PIPE, text=True)
        assert strace.stderr is not None
        if "attached" in strace.stderr.readline():
            client.ask(REQUESTS)
        strace.terminate()
        _, said = strace.communicate(timeout=20)
    lines = [words for line in said.splitlines() if (words := line.split())[3:4] and words[3].isdigit()]
    return _per_request({words[-1]: int(words[3]) for words in lines if words[-1] != "total"}, REQUESTS)


# --- the process that counts ------------------------------------------------------------------------


class _Profile:
    """Counts of one thread; each thread has its own, so that none is lost."""

    all: ClassVar[list[_Profile]] = []

    def __init__(self) -> None:
        self.afterwards = threading.current_thread().name != SERVING
        self.python: Counter[Any] = Counter()
        self.c: Counter[Any] = Counter()
        self.bytecodes: Counter[Any] = Counter()
        self.all.append(self)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self.python[frame.f_code] += 1
        elif event == "c_call":
            self.c[argument.__qualname__] += 1

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """Count the bytecodes of a frame; for `sys.settrace`."""
        if event == "opcode":
            self.bytecodes[frame.f_code] += 1
        elif event == "call":
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self.trace

    @staticmethod
    def begin(frame: FrameType, event: str, argument: object) -> None:
        """Profile the thread in which it is called, if it has to do with requests."""
        if threading.current_thread().name != BESIDE:
            profile = _Profile()
            sys.setprofile(profile)
            if not profile.afterwards:
                sys.settrace(profile.trace)


def _code_name(code: Any) -> str:
    path = Path(code.co_filename)
    parts = path.relative_to(ROOT).parts[1:] if path.is_relative_to(ROOT) else path.parts[-1:]
    return f"{'/'.join(parts)} {getattr(code, 'co_qualname', code.co_name)}"


class _KnownReporter(Reporter):
    """The reporter of the server: it hands over what waits when counts are asked for."""

    all: ClassVar[list[Reporter]] = []

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.all.append(self)


def _answer_counts(ask: Path, answer: Path) -> None:
    profile = _Profile()
    while True:
        ask.read_text()
        sys.setprofile(profile)
        for reporter in _KnownReporter.all:
            reporter.flush()
        sys.setprofile(None)
        python: Counter[str] = Counter()
        c: Counter[str] = Counter()
        afterwards: Counter[str] = Counter()
        bytecodes: Counter[str] = Counter()
        for profile in list(_Profile.all):
            named = afterwards if profile.afterwards else python
            for code, times in list(profile.python.items()):
                named[_code_name(code)] += times
            for code, times in list(profile.bytecodes.items()):
                bytecodes[_code_name(code)] += times
            c.update({} if profile.afterwards else dict(profile.c))
            profile.python.clear()
            profile.c.clear()
            profile.bytecodes.clear()
        answer.write_text(json.dumps([python, c, afterwards, bytecodes]))


def _serve(ask: Path, answer: Path) -> None:
    from teamclaude.__main__ import main as serve

    setattr(server, "Reporter", _KnownReporter)  # noqa: B010 - mypy takes it for a type
    queued_request.CLIENT_CHECK_SEC = 60.0  # counted it takes longer: no wait is to last longer than that
    history_feed.PLACE_SEC = 0.0  # the requests before those counted don't wait for their session's files
    threading.Thread(target=_answer_counts, args=(ask, answer), name="counts", daemon=True).start()
    threading.setprofile(_Profile.begin)
    sys.argv = ["teamclaude", "server", "--headless"]
    serve()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _serve(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
