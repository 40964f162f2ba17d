"""Measure what the web page costs the server, with 30 agents at work and with none.

    python -m tests.bench.page [--seconds S] [--rounds N]          Markdown lines; about 2 minutes

The server runs in a home with the transcripts of the agents; each agent asks something every 3 s.  Processor
time without and with viewers is measured in turn, in the same process.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import deck, servers
from tests.deck.claude_home import session_id

AGENTS, VIEWERS = deck.SESSIONS, 3
EVERY_SEC = 3.0
READ_TIMEOUT_SEC = 30.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of each measurement (10)")
    options.add_argument("--rounds", type=int, default=5, metavar="N", help="(5)")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="teamclaude-bench-") as path, ExitStack() as stack:
        home = Path(path)
        deck.fill(home)
        upstream = stack.enter_context(servers.upstream(home))
        server = stack.enter_context(servers.teamclaude(home, upstream.port))
        with agents(server.port):
            report(f"{AGENTS} agents", server, chosen.seconds, chosen.rounds)
        report("nobody at work", server, chosen.seconds, chosen.rounds)
    return 0


def report(what: str, server: servers.Server, seconds: float, rounds: int) -> None:
    without, watched, events, sizes = [], [], 0, 0
    for _ in range(rounds):
        without.append(share(server, seconds))
        with viewers(server.port) as seen:
            time.sleep(2.0)  # the first, whole state is not what a page costs that stays open
            before = list(map(len, seen)), sum(map(sum, seen))
            watched.append(share(server, seconds))
            events += sum(map(len, seen)) - sum(before[0])
            sizes += sum(map(sum, seen)) - before[1]
    more = statistics.median(b - a for a, b in zip(without, watched))
    each = rounds * VIEWERS
    print(
        f"- {what}, {VIEWERS} viewers: {statistics.median(without):.2%} of a core without, "
        f"{statistics.median(watched):.2%} with, {more:.2%} more; "
        f"{events / each / seconds:.2f} events/s, {sizes / each / seconds / 1e3:.1f} kB/s to each"
    )


def share(server: servers.Server, seconds: float) -> float:
    """Return the share of one core that the server takes."""
    began, before = time.monotonic(), server.cpu_sec
    time.sleep(seconds)
    after = server.cpu_sec
    assert before is not None
    assert after is not None
    return (after - before) / (time.monotonic() - began)


@contextmanager
def agents(port: int) -> Iterator[None]:
    """Let each agent ask something every EVERY_SEC, over one connection."""
    ended = threading.Event()

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READ_TIMEOUT_SEC)
        body = json.dumps(
            {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        )
        headers = {"x-api-key": servers.KEY, "x-claude-code-session-id": session_id(number + 1)}
        ended.wait(EVERY_SEC * number / AGENTS)
        while not ended.is_set():
            connection.request("POST", "/v1/messages", body, headers)
            connection.getresponse().read()
            ended.wait(EVERY_SEC)
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(AGENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def viewers(port: int) -> Iterator[list[list[int]]]:
    """Keep VIEWERS pages open; yield the sizes of the events that each has got."""
    seen: list[list[int]] = [[] for _ in range(VIEWERS)]
    connections = []

    def read(response: http.client.HTTPResponse, sizes: list[int]) -> None:
        try:
            for line in response:
                if line.startswith(b"data:"):
                    sizes.append(len(line))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):  # it is closed
            return

    threads = []
    for sizes in seen:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READ_TIMEOUT_SEC)
        connection.request("GET", "/teamclaude/page/events", headers={"x-api-key": servers.KEY})
        sock = connection.sock
        threads.append(threading.Thread(target=read, args=(connection.getresponse(), sizes)))
        connections.append(sock)
        threads[-1].start()
    try:
        yield seen
    finally:
        for sock in connections:
            sock.shutdown(2)
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    raise SystemExit(main())
