"""Measure the history: `make bench-history` prints one table.

A year of 30 agents, 12 hours a day, in a file as upkeep leaves it: how large it is, and how long reports
take.  Then the work for 20 requests a second, as a share of a core.  It takes some minutes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from teamclaude.history.database import file_bytes, open_to_write
from teamclaude.history.histogram import Histogram
from teamclaude.history.pending import Pending
from teamclaude.history.reader import HistoryReader
from teamclaude.history.retention import Keep, Limits, keep_at
from teamclaude.history.rows import QuotaReading, RequestFacts, Series, UsageTotals
from teamclaude.history.steps import DAY, HOUR, begin_of
from teamclaude.history.store import Batch, RowKey, Store
from teamclaude.history.upkeep import upkeep
from teamclaude.routing.quota.usage import Usage

DAYS, AGENTS = 400, 30
WORK_HOURS, SESSION_HOURS, SUBAGENTS, SUBAGENT_SEC = 12, 4, 4, 1800
REQUESTS_PER_SEC = 0.05  # of a conversation at work
ACCOUNTS, PROJECTS, ISSUES_A_DAY = 5, 8, 40
READINGS_A_DAY = 144  # of each window of an account
ROOT = Path(__file__).resolve().parents[2]


class Talk(NamedTuple):
    """A conversation at work."""

    series: Series
    begin: float
    end: float


def talks(day: float, random_: random.Random) -> Iterator[Talk]:
    """Yield the conversations of a day."""
    begin = day + 9 * HOUR
    for agent in range(AGENTS):
        for number in range(WORK_HOURS // SESSION_HOURS):
            session = f"{random_.getrandbits(128):032x}"
            session = "-".join((session[:8], session[8:12], session[12:16], session[16:20], session[20:]))
            at = begin + number * SESSION_HOURS * HOUR
            main = Series(
                account=f"account-{random_.randrange(ACCOUNTS)}@example.com",
                model="claude-opus-4-8",
                session=session,
                project=f"project-{agent % PROJECTS}",
                client="ci" if agent % 5 == 0 else "",
                issue=f"ENG-{int(day // DAY) * 7 + random_.randrange(ISSUES_A_DAY)}",
            )
            end = at + SESSION_HOURS * HOUR
            if random_.random() < 0.1:  # it moves to another account
                other = main._replace(account=f"account-{random_.randrange(ACCOUNTS)}@example.com")
                yield Talk(other, end - HOUR, end)
            yield Talk(main, at, end)
            for _ in range(SUBAGENTS):
                start = at + random_.random() * (SESSION_HOURS * HOUR - SUBAGENT_SEC)
                model = random_.choice(("claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-8"))
                agent_id = f"a{random_.getrandbits(64):016x}"
                yield Talk(main._replace(model=model, agent=agent_id), start, start + SUBAGENT_SEC)


def rows_of(talk: Talk, keep: Keep, random_: random.Random) -> Iterator[tuple[RowKey, UsageTotals]]:
    """Yield the rows of a conversation, each of the length of its age."""
    at = talk.begin
    while at < talk.end:
        step = keep.step_at(at)
        unit = {DAY: "day", HOUR: "hour"}.get(step)
        begin = int(begin_of(unit, at) if unit else at // step * step)
        end = min(talk.end, begin + step)
        yield RowKey(begin, talk.series, step), totals_of(at, end, random_)
        at = end


@cache
def durations(requests: int) -> list[tuple[Histogram, Histogram]]:
    """Return some histograms of so many requests, for TTFB and duration: to draw each anew takes minutes."""
    random_ = random.Random(requests)
    some = []
    for _ in range(20):
        ttfb, duration = Histogram(), Histogram()
        for _ in range(requests):
            ttfb.add(random_.lognormvariate(0.3, 0.6))
            duration.add(random_.lognormvariate(2.3, 0.9))
        some.append((ttfb, duration))
    return some


def totals_of(begin: float, end: float, random_: random.Random) -> UsageTotals:
    """Return what a conversation used in a time."""
    requests = max(1, round((end - begin) * REQUESTS_PER_SEC))
    ttfb, duration = random_.choice(durations(requests))
    failed = {"upstream error": 1} if random_.random() < 0.05 else {}
    return UsageTotals(
        requests=requests,
        usage=Usage(requests * 900, requests * 700, requests * 90_000, requests * 2_100, 0),
        cost=requests * random_.uniform(0.03, 0.09),
        errors=failed,
        failovers=len(failed),
        waits=int(random_.random() < 0.1),
        waited_sec=round(random_.random() * 9, 3),
        ttfb=ttfb,
        duration=duration,
        first_at=begin,
        last_at=end - 1,
    )


def readings_of(day: float, keep: Keep, random_: random.Random) -> Iterator[QuotaReading]:
    """Yield the quota readings of a day, as many as are kept: of the 5h window three a day at least."""
    recent, hours = day >= keep.hours_until, day >= keep.days_until
    count = READINGS_A_DAY if recent else WORK_HOURS if hours else 3
    for number in range(count):
        at = day + 9 * HOUR + number * WORK_HOURS * HOUR / count
        for account in range(ACCOUNTS):
            for axis, length in (("5h", 5 * HOUR), ("7d", 7 * DAY), ("7d_opus", 7 * DAY)):
                resets = at // length * length + length
                yield QuotaReading(
                    at, f"account-{account}@example.com", axis, round(random_.random(), 2), resets
                )


def fill(path: Path, now: float) -> None:
    """Write the year, day by day as time went."""
    random_, keep = random.Random(14), keep_at(Limits(), now)
    database = open_to_write(str(path), print, lambda: now)
    store = Store(database)
    for age in range(DAYS - 1, -1, -1):
        day = begin_of("day", now - age * DAY)
        usage: dict[RowKey, UsageTotals] = {}
        for talk in talks(day, random_):
            for key, totals in rows_of(talk, keep, random_):
                usage[key] = usage[key].plus(totals) if key in usage else totals
        store.write(Batch(usage, list(readings_of(day, keep, random_))))
    upkeep(store, Limits(0.0, 10**10), now, lambda: False)
    database.close()


# --- measurements -------------------------------------------------------------------------------


def command_ms(path: Path, *options: str) -> float:
    """Return the time of the whole command in milliseconds: the best of 5."""
    config = path.with_name("x.json")
    config.touch(0o600)
    config.write_text('{"accounts": []}', "utf-8")
    env = {**os.environ, "TEAMCLAUDE_CONFIG": str(config), "HOME": str(path.parent)}
    argv = [sys.executable, "-m", "teamclaude", "usage", *options]
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(argv, env=env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


def reader_ms(path: Path, by: tuple[str, ...], step: str | None) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with HistoryReader(str(path)) as reader:
            reader.usage(by, step=step)
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


def writing_share(directory: Path, per_sec: int = 20, seconds: int = 600, write_sec: int = 5) -> float:
    """Return the processor time of that many requests a second as a share of one core: counting, writing."""
    random_ = random.Random(1)
    store = Store(open_to_write(str(directory / "busy.history.db"), print, time.time))
    pending, conversations = Pending(), [Series(account=f"a{n % 5}", session=f"s{n}") for n in range(60)]
    now = 1_800_000_000.0
    began = time.process_time()
    for second in range(seconds):
        for _ in range(per_sec):
            series = random_.choice(conversations)
            facts = RequestFacts(
                now + second,
                series.account,
                "claude-opus-4-8",
                series.session,
                "web",
                ttfb_sec=random_.lognormvariate(0.3, 0.6),
                duration_sec=random_.lognormvariate(2.3, 0.9),
                usage=Usage(900, 700, 90_000, 2100),
                cost=0.05,
            )
            pending.add_all([facts])
        if second % write_sec == 0:
            store.write(pending.take())
    used = time.process_time() - began
    store.database.close()
    return used / seconds


def main() -> int:
    """Print the table."""
    now = begin_of("day", time.time()) - HOUR
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "x.history.db"
        began = time.perf_counter()
        fill(path, now)
        print(f"{DAYS} days of {AGENTS} agents, written in {time.perf_counter() - began:.0f} s")
        database = open_to_write(str(path), print, lambda: now)
        for table in ("usage", "days", "totals", "series", "names", "readings", "growth"):
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            print(f"  {table:<34}{count:>12,} rows")
        (requests,) = database.execute("SELECT sum(requests) FROM days").fetchone()
        database.close()
        print(f"  {'requests':<34}{requests:>12,}")
        print(f"  {'file':<34}{file_bytes(str(path)) / 1e6:>12.1f} MB")
        for options in (
            ("--by", "month", "--since", "365d"),
            ("--by", "month", "--since", "365d", "--json"),
            ("--by", "day", "--since", "365d"),
            ("--by", "month,account", "--since", "365d"),
            ("--by", "project", "--since", "365d"),
        ):
            print(f"  usage {' '.join(options):<28}{command_ms(path, *options):>12.0f} ms, whole process")
        for by, step in (((), "month"), (("issue",), None), (("session",), None), ((), "hour")):
            what = f"reader: by {', '.join(by) or 'nothing'}, step {step}"
            print(f"  {what:<34}{reader_ms(path, by, step):>12.0f} ms")
        share = writing_share(Path(home))
        print(f"  {'20 requests/s':<34}{100 * share:>12.2f} % of a core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
