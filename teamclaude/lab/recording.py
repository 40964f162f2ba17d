"""Recorded traffic (manual page `record`): as sessions for any team, or as the scenario it comes from.

The size of a recorded account is what was charged while its windows rose.  What others used on the same
account meanwhile cannot be seen, and makes it look smaller than it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Optional

from ..errors import UsageError
from ..routing.quota.lenient_json import as_count, as_fraction
from ..routing.user_rules.week_hours import utc_calendar
from ..values import NamedTuple
from .api_model import TokenWeights
from .scenario import FIVE_OF_WEEK, AccountSetup, Scenario, ScenarioSettings
from .traffic import (
    FileLine,
    RequestTrace,
    SessionTrace,
    as_seconds,
    as_time,
    read_lines,
    read_session,
    recorded_files,
)
from .upper_bound import unconstrained_demand
from .window_sizes import RecordedAccount, WindowSizes
from .workload import WEEK_SEC, PlannedSession, User

__all__ = ["Recording", "is_recording", "read_recording", "read_traffic", "recorded_scenario"]

LONGEST_COPY_SHIFT_SEC = 3600.0


class RecordingRow(NamedTuple):
    """One recorded request; times in seconds, counts in tokens."""

    at: float
    end: float
    conversation: str
    parent: str
    family: str
    total: int
    out: int
    read: int
    lasted: float
    waited: float
    life: float
    outcome: str
    account: str
    windows: dict[str, tuple[float, float]]  # axis -> used (0-1), reset

    @property
    def served(self) -> bool:
        return self.outcome == "served" and self.total > 0


class Recording(NamedTuple):
    """Sessions where they began, in seconds from the beginning; the accounts in order of appearance."""

    plans: tuple[PlannedSession, ...]
    began: float  # epoch seconds
    length: float
    life: float
    accounts: tuple[RecordedAccount, ...]
    requests: int
    waited: float  # seconds that requests waited for an account
    refused: int  # requests that were refused after waiting


def read_traffic(path: Path, warn: Optional[Callable[[str], None]] = None) -> list[SessionTrace]:
    """Read sessions to replay: a trace file, or a recording (a file of it, or its directory).

    Of a file with sessions each line must be right: raises UsageError.  Else `warn` gets one line.
    """
    sessions, rows = [], _Rows(path)
    for file in recorded_files(path):
        lines = list(read_lines(file))
        is_trace = any(line.is_session for line in lines)
        for line in lines:
            if is_trace and line.problem:
                raise UsageError(line.problem)
            if line.is_session:
                sessions.append(read_session(line.value, line.where))
            else:
                rows.add(line)
    sessions.extend(session for _, session, _ in _conversations(rows.told(warn)))
    if not sessions:
        raise UsageError(f"{path} holds no sessions")
    return sessions


def is_recording(path: Path) -> bool:
    """Return whether `path` is the proxy's own record of requests, not a file of sessions."""
    return path.is_dir() or not any(line.is_session for line in read_lines(path))


def read_recording(path: Path, warn: Optional[Callable[[str], None]] = None) -> Recording:
    """Read a recording as it happened; UsageError when nothing in it was served.

    What can't be read is left out, and `warn` gets one line.
    """
    found = _Rows(path)
    for file in recorded_files(path):
        for line in read_lines(file):
            found.add(line)
    rows = sorted(found.told(warn), key=lambda row: row.at)
    served = [row for row in rows if row.served]
    if not served:
        raise UsageError(f"nothing that was answered is recorded in {path} yet (teamclaude record status)")
    begin = served[0].at
    lives = sorted(row.life for row in served)
    return Recording(
        plans=tuple(_plans(rows, begin)),
        began=begin,
        length=max(row.end for row in served) - begin,
        life=lives[len(lives) // 2],
        accounts=tuple(_accounts(rows, begin)),
        requests=len(served),
        waited=sum(row.waited for row in rows),
        refused=sum(row.outcome == "held out" for row in rows),
    )


def recorded_scenario(recording: Recording, accounts: int, load: float, seed: int = 0) -> Scenario:
    """Return what was recorded, `load` times as much of it, with `accounts` accounts.

    Accounts beyond the recorded ones are like those on average.  Where no window has moved enough to tell
    their size, they are assumed to just suffice for what was recorded.
    """
    everybody = [User(0, ((0.0, float("inf")),), max_sessions=10**9)]
    settings = ScenarioSettings(sizes=(1.0,) * accounts, load=load, cache_life=recording.life)
    weeks = max(1, -(-int(recording.length) // int(WEEK_SEC)))
    end = weeks * WEEK_SEC
    plans = _scale_plans(recording.plans, load)
    demand = unconstrained_demand(everybody, plans, settings.weights, settings.cache_life, end)
    known = [account.week for account in recording.accounts if account.week is not None]
    if known:
        mean = sum(known) / len(known)
    else:
        as_it_was = unconstrained_demand(
            everybody, recording.plans, settings.weights, settings.cache_life, end
        )
        mean = as_it_was.wanted_before(end) / weeks / max(1, len(recording.accounts))
    rng = random.Random(f"resets {seed}")
    setups = []
    for number in range(accounts):
        its = recording.accounts[number] if number < len(recording.accounts) else RecordedAccount()
        week, anywhere = its.week or mean, rng.uniform(0.0, WEEK_SEC)
        resets_at = anywhere if its.resets_at is None else its.resets_at
        setups.append(AccountSetup(week, its.five or week * FIVE_OF_WEEK, resets_at))
    calendar = partial(_calendar_from, recording.began)
    return Scenario(settings, (everybody, plans), demand, setups, end, calendar=calendar)


def _calendar_from(began: float, at: float) -> tuple[int, int]:
    return utc_calendar(began + at)


# --- rows ---------------------------------------------------------------------------------------


class _Rows:
    """The rows of a recording that can be read: a crash or a full disk may have cut some off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[RecordingRow] = []
        self._problems: list[str] = []

    def add(self, line: FileLine) -> None:
        if line.problem:
            self._problems.append(line.problem)
        elif _is_measured(line.value):
            try:
                self._rows.append(_row(line.value, line.where))
            except UsageError as error:
                self._problems.append(str(error))

    def told(self, warn: Optional[Callable[[str], None]]) -> list[RecordingRow]:
        """Return the rows; tell of what is missing, in one line; UsageError if that is everything."""
        count = len(self._problems)
        if count and not self._rows:
            raise UsageError(self._problems[0])
        if count and warn is not None:
            lines, first = (f"{count} lines", "the first: ") if count > 1 else ("1 line", "")
            warn(f"{lines} of {self._path} can't be read and left out ({first}{self._problems[0]})")
        return self._rows


def _is_measured(value: Any) -> bool:
    """Return whether its tokens are known; the others are like use by somebody else."""
    return not isinstance(value, dict) or value.get("in", 0) is not None


def _row(value: Any, where: str) -> RecordingRow:
    try:
        at, waited, lasted = as_time(value["t"]), as_seconds(value["wait"]), as_seconds(value["s"])
        total, out, read = (as_count(value[key]) for key in ("in", "out", "read"))
        windows = {str(axis): (used, reset) for axis, used, reset in _windows(value)}
        return RecordingRow(
            at,
            at + waited + lasted,
            str(value["c"]),
            str(value.get("p", "")),
            str(value["m"]),
            total,
            out,
            read,
            lasted,
            waited,
            as_seconds(value["life"]),
            str(value["o"]),
            str(value.get("a", "")),
            windows,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{where}: neither a session nor a recorded request ({error})") from error


def _windows(value: Any) -> Iterator[tuple[str, float, float]]:
    for axis, (used, reset) in value.get("q", {}).items():
        if used is not None and reset is not None:
            yield axis, as_fraction(used), as_time(reset)


def _conversations(rows: Iterable[RecordingRow]) -> list[tuple[float, SessionTrace, str]]:
    """Return when each conversation began, its served requests, and the conversation that started it."""
    found: dict[str, list[RecordingRow]] = {}
    for row in rows:
        found.setdefault(row.conversation, []).append(row)
    made = []
    for name, mine in found.items():
        requests, before, ends = [], None, mine[0].at
        for row in mine:
            if row.served:
                requests.append(_request(row, before, max(0.0, row.at - ends)))
                before = row
            ends = max(ends, row.end)
        if requests:
            made.append((mine[0].at, SessionTrace(name, tuple(requests)), mine[0].parent))
    return made


def _request(row: RecordingRow, before: Optional[RecordingRow], gap: float) -> RequestTrace:
    """Count as cacheable what the request before had, unless the conversation was cut since."""
    prefix = row.read
    if before is not None and row.total >= before.total:
        prefix = max(prefix, before.total)
    return RequestTrace(gap, row.family, row.total, row.out, min(prefix, row.total), row.lasted)


def _plans(rows: Sequence[RecordingRow], begin: float) -> list[PlannedSession]:
    found = {session.id: (at, session, parent) for at, session, parent in _conversations(rows)}
    agents: dict[str, list[tuple[float, SessionTrace]]] = {}
    for name, (at, session, _) in found.items():
        root = _root_conversation(name, found)
        if root != name:
            agents.setdefault(root, []).append((max(0.0, at - found[root][0]), session))
    roots = [name for name in found if _root_conversation(name, found) == name]
    plans = [
        PlannedSession(max(0.0, found[name][0] - begin), 0, found[name][1], tuple(agents.get(name, ())))
        for name in roots
    ]
    return sorted(plans, key=lambda plan: (plan.at, plan.session.id))


def _root_conversation(name: str, found: dict[str, tuple[float, SessionTrace, str]]) -> str:
    seen = {name}
    while found[name][2] in found and found[name][2] not in seen:
        name = found[name][2]
        seen.add(name)
    return name


def _scale_plans(plans: Sequence[PlannedSession], load: float) -> list[PlannedSession]:
    """Repeat each session `load` times, a fraction by chance; copies begin a little later."""
    rng = random.Random("load")
    scaled = []
    for plan in plans:
        copies = int(load) + (rng.random() < load - int(load))
        for number in range(copies):
            later = rng.uniform(1.0, LONGEST_COPY_SHIFT_SEC) if number else 0.0
            scaled.append(plan._replace(at=plan.at + later))
    return sorted(scaled, key=lambda plan: (plan.at, plan.session.id))


def _accounts(rows: Iterable[RecordingRow], begin: float) -> list[RecordedAccount]:
    sizes: dict[str, WindowSizes] = {}
    weights = TokenWeights()
    for row in rows:
        if row.account:
            charge = row.total - row.read + weights.output * row.out + weights.read * row.read
            sizes.setdefault(row.account, WindowSizes()).record_response(row.windows, charge)
    return [size.result(begin)._replace(name=name) for name, size in sizes.items()]
