"""Give the history what is remembered of a request, a quota reading and a notice.

Rules that hold in this file:

1. Numbers and names only: no text of a request or an answer.  A project is the last part of a path.
2. Tokens count for the account that took them: an attempt that failed after some is a fact of its own.
3. A reading is kept when it tells something new (`ReadingFilter`), not with every response.
4. A session's first requests wait until its files have been read, a few seconds at most and MAX_UNPLACED
   in all, and then have its project and issue like all others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Optional, Protocol

from ...history.rows import SERVED, Event, QuotaReading, RequestFacts
from ...routing.quota.usage import NO_USAGE, Price
from ...routing.quota.windows import API_KEY_AXES, SAME_WINDOW_SEC
from ...routing.quota.windows import QuotaReading as Reading
from ..http.header_rewrite import own_header_text
from ..http.path_kinds import PathKind
from ..records.exchange import Attempt, Exchange
from ..records.notice import API, BENCH, CLIENT, HELD, LIMIT, LOGIN, RESET, SERVER, Notice
from .live_history import LiveHistory
from .reporter import Observer

__all__ = ["HistoryFeed", "Lookups", "ReadingFilter", "event_of", "project_name"]

PROJECT_HEADER = "x-teamclaude-project"
MAX_PROJECT_CHARS = 80
MAX_TEXT_CHARS = 300
PLACE_SEC = 2.0  # that a session's files may take to be found; a kill loses that, too: 10 s in all at most
MAX_UNPLACED = 200  # requests that wait for it, which are counted at once: 2 ms; more are of no known project


class Lookups(Protocol):
    """Where the rest of what is remembered comes from: the Runtime."""

    @property
    def issue_of(self) -> Callable[[str], Optional[str]]:
        """Return the issue that a session works on."""

    @property
    def project_of(self) -> Callable[[str], Optional[str]]:
        """Return the directory that a session works in; empty: none is known, None: being looked for."""

    def price_of(self, model: Optional[str]) -> Optional[Price]:
        """Return the list price of a model."""


class HistoryFeed(Observer):
    """The observer for the history and for the usage by issue; without a writer only for the latter."""

    def __init__(self, history: LiveHistory, lookups: Lookups) -> None:
        self._writer, self._issues, self._lookups = history.writer, history.issues, lookups
        self._readings = ReadingFilter()
        self._events = EventFilter()
        # By session: those whose files have not been read yet.
        self._unplaced: dict[str, list[Exchange]] = defaultdict(list)
        self.unplaced = 0  # how many they are; any thread may read it

    def record_all(self, exchanges: Sequence[Exchange]) -> None:
        """Count the requests to a model and those that took tokens, and keep new readings."""
        facts: list[RequestFacts] = []
        readings: list[QuotaReading] = []
        for exchange in exchanges:
            if exchange.route.kind is PathKind.INFERENCE or exchange.usage != NO_USAGE:
                directory = self._directory(exchange)
                if directory is None and self.unplaced < MAX_UNPLACED:
                    self._unplaced[exchange.routing_request.session or ""].append(exchange)
                    self.unplaced += 1
                else:
                    facts += self._facts_of(exchange, directory or "")
            for attempt in exchange.attempts:
                if attempt.reading is not None:
                    readings += self._readings.new_of(attempt.account, attempt.reading)
        self._count(facts)
        if readings and self._writer is not None:
            self._writer.add_readings(readings)

    def notice(self, notice: Notice, now: float) -> None:
        """Keep what happened."""
        if self._writer is not None:
            event = self._events.event_of(notice, now)
            if event is not None:
                self._writer.add_event(event)

    def tick(self, now: float) -> None:
        """Count the requests whose sessions' files have been read by now; warn of a disk that hangs."""
        if self._unplaced:
            self._place(lambda oldest: abs(now - oldest.at - oldest.duration) >= PLACE_SEC)
        if self._writer is not None:
            self._writer.check()

    def close(self) -> None:
        """Write out the rest."""
        self._place(lambda oldest: True)
        if self._writer is not None:
            self._writer.close()

    def _place(self, ends: Callable[[Exchange], bool]) -> None:
        """Count what waits for the files of its session; asked of the oldest request, `ends` gives up."""
        facts: list[RequestFacts] = []
        for session, exchanges in list(self._unplaced.items()):
            directory = self._lookups.project_of(session)
            if directory is not None or ends(exchanges[0]):
                del self._unplaced[session]
                self.unplaced -= len(exchanges)
                for exchange in exchanges:
                    facts += self._facts_of(exchange, directory or "")
        self._count(facts)

    def _count(self, facts: Sequence[RequestFacts]) -> None:
        if facts:
            self._issues.add_all(facts)
            if self._writer is not None:
                self._writer.add_all(facts)

    def _facts_of(self, exchange: Exchange, directory: str) -> Sequence[RequestFacts]:
        """Return the request, and before it the tokens of earlier attempts."""
        request, tried = exchange.routing_request, [one for one in exchange.attempts if one.account]
        session, caller, outcome = request.session, exchange.caller, exchange.outcome
        last = tried[-1] if tried else None
        duration = exchange.duration
        facts = RequestFacts(  # by position: keywords double its time
            exchange.at + duration,
            last.account if last is not None else "",
            (last.model if last is not None else None) or request.model or exchange.facts.model or "",
            request.conversation or "",
            project_name(directory),
            (caller.name or "") if caller is not None else "",
            (self._lookups.issue_of(session) if session else None) or "",
            outcome.value if outcome is not None else SERVED,
            len(tried),
            sum([wait.seconds for wait in exchange.waits]) if exchange.waits else 0.0,
            exchange.ttfb,
            duration,
            exchange.usage,
            exchange.cost,
            exchange.cost_estimated,
        )
        if len(tried) < 2:
            return (facts,)
        earlier = [attempt for attempt in tried[:-1] if attempt.usage != NO_USAGE]
        if not earlier or last is None:
            return (facts,)
        return [*[self._tokens_of(each, facts) for each in earlier], self._priced(facts, last)]

    def _tokens_of(self, attempt: Attempt, facts: RequestFacts) -> RequestFacts:
        """Return what an earlier attempt took: no request of its own."""
        alone = RequestFacts(
            facts.at,
            attempt.account,
            attempt.model or facts.model,
            facts.conversation,
            facts.project,
            facts.client,
            facts.issue,
            attempts=0,
        )
        return self._priced(alone, attempt)

    def _priced(self, facts: RequestFacts, attempt: Attempt) -> RequestFacts:
        price = self._lookups.price_of(attempt.model)
        return facts._replace(
            usage=attempt.usage,
            cost=attempt.usage.cost(price),
            cost_estimated=attempt.usage.is_estimated(price),
        )

    def _directory(self, exchange: Exchange) -> Optional[str]:
        """Return where the client works; empty: unknown, None: the session's files are being looked for."""
        named = exchange.head.get(PROJECT_HEADER)
        if named is not None:
            return own_header_text(named)
        session = exchange.routing_request.session
        return self._lookups.project_of(session) if session else ""


@lru_cache(maxsize=256)  # asked for with each request
def project_name(path: str) -> str:
    """Return the last part of a path, printable and bounded."""
    parts = [part for part in re.split(r"[/\\]+", path[-1000:]) if part.strip()]
    name = "".join(char if char.isprintable() else " " for char in parts[-1]) if parts else ""
    return name.strip()[:MAX_PROJECT_CHARS]


class ReadingFilter:
    """Which readings tell something new: the first, a new window, a whole percent, any change after 5 min."""

    CHANGE = 0.01
    EVERY_SEC = 300.0

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], QuotaReading] = {}
        self._last_read: dict[str, Reading] = {}  # by account

    def new_of(self, account: str, reading: Reading) -> Sequence[QuotaReading]:
        """Return the new readings in the answer to an attempt on an account."""
        # Answers that say the same within a second share one reading.
        if not account or self._last_read.get(account) is reading:
            return ()
        self._last_read[account] = reading
        new = []
        for axis, window in reading.axes.items():
            if window.utilization is None:
                continue
            found = QuotaReading(window.seen_at, account, axis, window.utilization, window.resets_at)
            if self._is_new(found):
                self._last[account, axis] = found
                new.append(found)
        return new

    def _is_new(self, found: QuotaReading) -> bool:
        last = self._last.get((found.account, found.axis))
        if last is None:
            return True
        late = not 0 <= found.at - last.at < self.EVERY_SEC
        if found.axis in API_KEY_AXES:  # they move with every response
            return late and found.used != last.used
        moved = abs((found.resets_at or 0.0) - (last.resets_at or 0.0)) > SAME_WINDOW_SEC
        change = abs(found.used - last.used)
        return moved or change >= self.CHANGE - 1e-9 or (late and change > 0)


_KINDS: dict[str, Sequence[tuple[str, str]]] = {
    # Kind of the notice -> begin of its text -> kind of the event; the first that fits
    BENCH: (("", "bench"),),
    LIMIT: (("", "limit"),),
    RESET: (("", "reset"),),
    HELD: (("over after", "hold over"), ("", "hold")),
    LOGIN: (("lost", "login lost"), ("ends", "login ends"), ("", "login renewed")),
    CLIENT: (("", "client limit"),),
    API: (("reachable", "api reachable"), ("", "api unreachable")),
    SERVER: (("started", "started"), ("stopped", "stopped")),
}


def event_of(notice: Notice, now: float) -> Optional[Event]:
    """Return what is kept of a notice; None: nothing."""
    kind = next((kind for begin, kind in _KINDS.get(notice.kind, ()) if notice.text.startswith(begin)), None)
    if kind is None:
        return None
    account = notice.account
    text = notice.text if account else f"{notice.subject}: {notice.text}"
    printable = "".join(char if char.isprintable() else " " for char in text)
    return Event(now, kind, account, printable[:MAX_TEXT_CHARS])


class EventFilter:
    """Events of notices, without the lines that a lasting hold repeats."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    def event_of(self, notice: Notice, now: float) -> Optional[Event]:
        """Return the event of a notice; None for a repetition, and for what is not kept."""
        event = event_of(notice, now)
        if event is None:
            return None
        if event.kind == "hold":
            if re.match(r"\d+ requests, ", notice.subject) or any(
                notice.subject == begun or notice.subject.startswith(f"{begun} ") for begun in self._held
            ):
                return None
            self._held.add(notice.subject)
        elif event.kind == "hold over":
            self._held.discard(notice.subject)
        return event
