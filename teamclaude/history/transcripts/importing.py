"""Count the answers that Claude Code's transcripts tell of, as far as the proxy did not count them itself.

Rules that hold in this file:

1. An answer is counted once, in whichever files and imports it comes: its key is kept in the table
   `imported`, written in the transaction that counts it.  So an import can be broken off and repeated.
2. Only what ended before the proxy counted is taken: until MARGIN_SEC before the first request in the
   history, because the entries of that request's answer may be older than its end.  Without a request the
   limit is the last start of a server.
3. Memory holds one line of a file and one batch; transactions are short, because the server writes meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Optional

from ...errors import HistoryError
from ...routing.quota.usage import NO_USAGE, Price, Usage
from ..database import NO_MODULE, NewerSchemaError, open_to_write
from ..retention import Keep, Limits, keep_at
from ..rows import PROXY, TRANSCRIPTS, RequestFacts, UsageTotals
from ..steps import DAY, begin_of
from ..store import Batch, RowKey, Store, row_key
from .reading import Answer, ReadCounts, answers_in, transcript_files, transcript_roots

if TYPE_CHECKING:
    import sqlite3

__all__ = ["ImportCounts", "Progress", "default_directories", "import_answers"]

BATCH = 2000  # answers of one transaction
# The longest time of an answer: Claude Code gives up after it (API_TIMEOUT_MS, 600 s in 2.1.332).
MARGIN_SEC = 600.0
FUTURE_SEC = 86400.0  # beyond it a time is wrong


class ImportCounts(ReadCounts):
    """What an import has read, counted, and left out."""

    def __init__(self) -> None:
        super().__init__()
        self.all_files = 0
        self.all_bytes = 0
        self.counted = 0  # answers
        self.known = 0  # counted before
        self.served = 0  # in the time that the proxy counted itself
        self.expired = 0  # older than the retention
        self.usage: Usage = NO_USAGE
        self.cost = 0.0  # of the tokens with a known price
        self.cost_estimated = False
        self.unpriced_tokens = 0
        self.first_at: Optional[float] = None
        self.last_at: Optional[float] = None
        self.proxy_since: Optional[float] = None  # where the proxy's own counts begin

    def add(self, facts: RequestFacts) -> None:
        """Count a new answer."""
        self.counted += 1
        self.usage = self.usage.plus(facts.usage)
        self.cost += facts.cost or 0.0
        self.cost_estimated |= facts.cost_estimated
        self.unpriced_tokens += facts.usage.total if facts.cost is None else 0
        self.first_at = facts.at if self.first_at is None else min(self.first_at, facts.at)
        self.last_at = facts.at if self.last_at is None else max(self.last_at, facts.at)


Progress = Callable[[ImportCounts], None]


def import_answers(
    path: str,
    directories: Sequence[str],
    prices: Mapping[Optional[str], Optional[Price]],
    retention_days: float,
    clock: Callable[[], float],
    warn: Callable[[str], None],
    progress: Progress,
) -> ImportCounts:
    """Import all transcripts below `directories` into the history at `path`; raise HistoryError.

    `retention_days`: 0 takes all; `clock`: epoch seconds; `warn` gets a line when a damaged file is set
    aside; `progress` is called after each batch and each file.
    """
    try:
        import sqlite3
    except ImportError:
        raise HistoryError(NO_MODULE) from None
    counts = ImportCounts()
    files = transcript_files(transcript_roots(directories))
    counts.all_files, counts.all_bytes = len(files), sum(size for _, size in files)
    if not files:
        return counts
    try:
        database = open_to_write(path, warn, clock)
        try:
            importer = _Importer(database, prices, counts)
            importer.run([file for file, _ in files], clock(), retention_days, progress)
        finally:
            database.close()
    except NewerSchemaError:
        raise HistoryError(
            f"{path} was written by a newer version of teamclaude: import with that one"
        ) from None
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise HistoryError(f"the history file {path} can't be written ({reason})") from None
    return counts


class _Importer:
    """One import, over one connection."""

    def __init__(
        self,
        database: sqlite3.Connection,
        prices: Mapping[Optional[str], Optional[Price]],
        counts: ImportCounts,
    ) -> None:
        self._database, self._prices, self._counts = database, prices, counts
        self._store = Store(database)
        self._keep = Keep(0.0, 0.0, None)

    def run(self, files: Iterable[str], now: float, retention_days: float, progress: Progress) -> None:
        """Read the files and write what is new in batches."""
        counts = self._counts
        counts.proxy_since = self._proxy_since()
        end = now + FUTURE_SEC if counts.proxy_since is None else counts.proxy_since
        self._keep = keep_at(Limits(retention_days), now)
        wanted = self._within(self._answers(files, progress), self._keep.since or 0.0, end)
        while True:
            batch = list(islice(wanted, BATCH))
            if not batch:
                return
            self._write(batch)
            progress(counts)

    def _proxy_since(self) -> Optional[float]:
        """Return from when on the proxy's own counts are complete; None if it has not run yet."""
        sql = (
            "SELECT min(first_at) FROM days JOIN series ON series.id = days.series "
            "JOIN names ON names.id = series.source WHERE names.text = ?"
        )
        (first,) = self._database.execute(sql, (PROXY,)).fetchone()
        if first is not None:
            return float(first) - MARGIN_SEC
        (started,) = self._database.execute("SELECT max(at) FROM events WHERE kind = 'started'").fetchone()
        return None if started is None else float(started)

    def _answers(self, files: Iterable[str], progress: Progress) -> Iterator[Answer]:
        for file in files:
            yield from answers_in(file, self._counts)
            progress(self._counts)

    def _within(self, answers: Iterable[Answer], begin: float, end: float) -> Iterator[Answer]:
        for answer in answers:
            if answer.at >= end:
                self._counts.served += 1
            elif answer.at < begin:
                self._counts.expired += 1
            else:
                yield answer

    def _write(self, batch: Sequence[Answer]) -> None:
        """Count those of the batch that are new; all or nothing."""
        new: list[RequestFacts] = []
        with self._store.changes():
            for answer in batch:
                keep = "INSERT OR IGNORE INTO imported VALUES (?)"
                if self._database.execute(keep, (answer.key,)).rowcount > 0:
                    new.append(self._facts(answer))
            self._store.add(Batch(_rows(new, self._keep)))
        self._counts.known += len(batch) - len(new)
        for facts in new:
            self._counts.add(facts)

    def _facts(self, answer: Answer) -> RequestFacts:
        price = self._prices[answer.model]
        return RequestFacts(
            at=answer.at,
            model=answer.model,
            conversation=f"{answer.session}/{answer.agent}" if answer.agent else answer.session,
            project=answer.project,
            usage=answer.usage,
            cost=answer.usage.cost(price),
            cost_estimated=answer.usage.is_estimated(price),
            source=TRANSCRIPTS,
        )


def _rows(facts: Iterable[RequestFacts], keep: Keep) -> dict[RowKey, UsageTotals]:
    """Return rows as long as those of the proxy are that are as old."""
    rows: dict[RowKey, UsageTotals] = {}
    for each in facts:
        key, totals = row_key(each.at, each.series), UsageTotals.of(each)
        step = keep.step_at(each.at)
        if step != key.step:
            key = RowKey(int(begin_of("day" if step == DAY else "hour", each.at)), key.series, step)
        known = rows.get(key)
        rows[key] = totals if known is None else known.plus(totals)
    return rows


def default_directories(env: Mapping[str, str]) -> list[str]:
    """Return where Claude Code keeps transcripts: $CLAUDE_CONFIG_DIR, ~/.claude, ~/.config/claude."""
    home = env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")
    config = env.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    named = env.get("CLAUDE_CONFIG_DIR")
    found = [*([named] if named else []), os.path.join(home, ".claude"), os.path.join(config, "claude")]
    return [os.path.join(each, "projects") for each in found]
