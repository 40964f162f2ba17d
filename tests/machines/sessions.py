"""Conversations that ask one request after another, and begin again where Claude Code would.

What counts as what:

- an error is what a person would see: an answer after which Claude Code does not ask again, or the eleventh
  failure of a request
- a repeat is a request that Claude Code sends again without telling anybody: no connection, no head, or a
  status of 408, 409, 429 or 5xx
- a cut is a stream that ended before its end: Claude Code asks again, and the person may see it begin anew
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

__all__ = ["Load", "Phase", "Session", "moved", "spread_sessions", "table"]

MAX_REPEATS = 10
FIRST_PAUSE_SEC = 0.5  # doubled each time, as Claude Code does
MAX_BETWEEN_SEC = 0.2
SERVERS = 3
PATIENCE_SEC = 180.0
BODY = json.dumps(
    {
        "model": "claude-opus-4-8",
        "max_tokens": 64,
        "stream": True,
        "messages": [{"role": "user", "content": "hello " * 4000}],  # 24 kB: more than a balancer's buffer
    }
).encode()


class Phase(NamedTuple):
    """What happened in one part of a run."""

    name: str
    requests: int
    errors: int
    cuts: int
    repeats: int
    moved: int
    slowest_sec: float


class Session:
    """One conversation; `server` is the first letter of the account that served it last."""

    def __init__(self, port: int, key: str, trust: str, source: str = "127.0.0.1") -> None:
        self.id = str(uuid.uuid4())
        self.server = ""
        self.served = self.cuts = self.repeats = 0
        self.errors: list[str] = []
        self.slowest_sec = 0.0
        self.servers: Counter[str] = Counter()
        self._port, self._key, self._source = port, key, source
        self._context = ssl.create_default_context(cafile=trust)
        self._connection: Optional[http.client.HTTPSConnection] = None

    def turn(self, fields: Mapping[str, str] = {}) -> None:
        """Ask one request, with further header fields, until it is answered or Claude Code would give up."""
        began, failures, last = time.monotonic(), 0, ""
        while failures <= MAX_REPEATS:
            last = self._attempt(fields)
            if last in ("served", "error"):
                break
            failures += 1
            time.sleep(min(FIRST_PAUSE_SEC * 2 ** (failures - 1), 32.0))
        if last == "served":
            self.served += 1
        elif last != "error":
            self.errors.append(f"gave up after {failures}: {last}")
        self.slowest_sec = max(self.slowest_sec, time.monotonic() - began)

    def _attempt(self, fields: Mapping[str, str]) -> str:
        try:
            status, served_by, body = self._exchange(fields)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            self.repeats += 1
            return type(error).__name__
        if status == 200 and b"event: message_stop" in body:
            self.server = served_by
            self.servers[served_by] += 1
            return "served"
        if status == 200:
            self.close()
            self.cuts += 1
            return "cut"
        if status in (408, 409, 429) or status >= 500:
            self.repeats += 1
            return str(status)
        self.errors.append(f"{status}: {body[:200]!r}")
        return "error"

    def _exchange(self, fields: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Return status, server and body; of a stream that broke off what came of it."""
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                "127.0.0.1", self._port, timeout=60, context=self._context, source_address=(self._source, 0)
            )
        headers = {
            "Host": "pool.example",
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "x-claude-code-session-id": self.id,
            **fields,
        }
        self._connection.request("POST", "/v1/messages?beta=true", BODY, headers)
        answer = self._connection.getresponse()
        body = b""
        with contextlib.suppress(OSError, http.client.HTTPException):
            while data := answer.read1(65536):
                body += data
        return answer.status, (answer.headers["x-teamclaude-account"] or "?")[0], body

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def spread_sessions(port: int, key: str, trust: str, count: int) -> list[Session]:
    """Return sessions that have been served once, at most one more of one server than of another."""
    found: list[Session] = []
    while len(found) < count:
        new = [Session(port, key, trust) for _ in range(2 * count)]
        threads = [threading.Thread(target=each.turn) for each in new]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SEC)
        for each in new:
            placed = Counter(other.server for other in found)
            if len(found) < count and placed[each.server] <= count // SERVERS:
                found.append(each)
            else:
                each.close()
    return found


class Load:
    """Sessions at work, all the time; `phase` counts what happens in its block."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = sessions
        self.phases: list[Phase] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in sessions]

    def start(self, wait: bool = True) -> None:
        """Begin, and return when each has been served."""
        for thread in self._threads:
            thread.start()
        if wait:
            self.settle()

    def _work(self, session: Session) -> None:
        while not self._over.is_set():
            session.turn()
            self._over.wait(random.uniform(0.0, MAX_BETWEEN_SEC))  # else all of them would be in step
        session.close()

    def settle(self, turns: int = 2) -> None:
        """Return when each session has been served so often again, or has failed."""
        wanted = [(each, each.served + len(each.errors) + turns) for each in self.sessions]
        deadline = time.monotonic() + PATIENCE_SEC
        while any(each.served + len(each.errors) < least for each, least in wanted):
            assert time.monotonic() < deadline, "a session is not served any more"
            time.sleep(0.02)

    def placed(self) -> dict[str, str]:
        """Return the server of each session."""
        return {each.id: each.server for each in self.sessions}

    def wait_until_placed(self, wanted: Mapping[str, str]) -> None:
        """Return when each session is served by this server."""
        deadline = time.monotonic() + PATIENCE_SEC
        while self.placed() != wanted:
            assert time.monotonic() < deadline, f"elsewhere: {moved(wanted, self.placed())}"
            time.sleep(0.02)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens until each session has been served twice more after the block."""
        before, placed = self._sums(), self.placed()
        for each in self.sessions:
            each.slowest_sec = 0.0
        yield
        self.settle()
        after, now = self._sums(), self.placed()
        served, errors, cuts, repeats = (b - a for a, b in zip(before, after))
        slowest = max(each.slowest_sec for each in self.sessions)
        self.phases.append(Phase(name, served, errors, cuts, repeats, len(moved(placed, now)), slowest))

    def _sums(self) -> tuple[int, int, int, int]:
        return (
            sum(each.served for each in self.sessions),
            sum(len(each.errors) for each in self.sessions),
            sum(each.cuts for each in self.sessions),
            sum(each.repeats for each in self.sessions),
        )

    def stop(self) -> None:
        """Finish the requests that run."""
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SEC)


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return from where to where each session went that is elsewhere now."""
    return {each: (before[each], after[each]) for each in before if before[each] != after[each]}


def table(title: str, phases: Sequence[Phase]) -> str:
    """Return the phases as a table."""
    heads = f"{'requests':>9}{'errors':>8}{'cut':>6}{'repeated':>10}{'moved':>7}{'slowest':>9}"
    lines = [title, f"  {'':<24}{heads}"]
    for each in phases:
        lines.append(
            f"  {each.name:<24}{each.requests:>9}{each.errors:>8}{each.cuts:>6}{each.repeats:>10}"
            f"{each.moved:>7}{each.slowest_sec:>7.1f} s"
        )
    return "\n".join(lines)
