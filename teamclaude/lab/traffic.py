"""Sessions as the lab replays them: read from a trace file, or synthetic with the same quantiles.

File format: JSON lines, gzip or plain, one session each: `{"id": str, "requests": [[t, family, in,
out, cached_prefix, api_time], ...]}`, times in seconds from the start of the session, counts in tokens.
The quantiles of `synthetic_sessions` are those of 355 published Claude Code sessions (data set
callanjfox/kv-cache-tester, Apache-2.0).
"""

from __future__ import annotations

import gzip
import json
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..routing.quota.lenient_json import LATEST_TIME, as_amount
from ..values import NamedTuple

__all__ = [
    "FileLine",
    "RequestTrace",
    "SessionTrace",
    "as_seconds",
    "as_time",
    "read_lines",
    "read_session",
    "recorded_files",
    "synthetic_sessions",
]


LONGEST_SEC = 366 * 86400.0  # of a session, a request or a wait: beyond it a number is none


class RequestTrace(NamedTuple):
    """One request; `gap` is the time of the person or tool before it (s)."""

    gap: float
    family: str
    input_tokens: int
    output_tokens: int
    cached_prefix: int  # shared with the request before: what a warm cache can hold
    duration: float  # s


class SessionTrace(NamedTuple):
    """A session's requests in order."""

    id: str
    requests: tuple[RequestTrace, ...]


# --- from a file --------------------------------------------------------------------------------


class FileLine(NamedTuple):
    """The JSON of a line; `problem` is why it can't be read."""

    where: str
    value: Any = None
    problem: str = ""

    @property
    def is_session(self) -> bool:
        """Return whether it is meant as a session, not as a recorded request."""
        return isinstance(self.value, dict) and "requests" in self.value


def recorded_files(path: Path) -> list[Path]:
    """Return the files of a recording's directory, or the one file."""
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise UsageError(f"{path} holds no recording (teamclaude record on)")
    return files


def read_lines(path: Path) -> Iterator[FileLine]:
    """Yield the lines that are not empty; UsageError if the file can't be read."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise UsageError(f"can't read the sessions in {path}: {error}") from error
    for number, line in enumerate(raw.splitlines(), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                yield FileLine(where, json.loads(line.decode("utf-8")))
            except (ValueError, RecursionError) as error:
                yield FileLine(where, problem=f"{where}: not JSON ({error})")


def read_session(data: Any, where: str) -> SessionTrace:
    """Read one session; raises UsageError."""
    try:
        rows = [_row(row) for row in data["requests"]]
        name = str(data["id"])
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise UsageError(f"{where}: not a session ({error})") from error
    if not rows:
        raise UsageError(f"{where}: a session without requests")
    requests, free_at = [], rows[0][0]
    for at, request in rows:
        requests.append(request._replace(gap=max(0.0, at - free_at)))
        free_at = at + request.duration
    return SessionTrace(name, tuple(requests))


def _row(row: Sequence[Any]) -> tuple[float, RequestTrace]:
    at, family, total, out, prefix, duration = row
    total, out, prefix = (int(as_amount(count)) for count in (total, out, prefix))
    trace = RequestTrace(0.0, str(family), total, out, min(prefix, total), as_seconds(duration))
    return as_seconds(at), trace


def as_seconds(value: Any) -> float:
    """Return how long something took, or how late it began (s); ValueError for what is no such time."""
    seconds = as_amount(value)
    if seconds > LONGEST_SEC:
        raise ValueError("too long")
    return seconds


def as_time(value: Any) -> float:
    """Return epoch seconds; ValueError for what is none."""
    seconds = as_amount(value)
    if seconds > LATEST_TIME:
        raise ValueError("not a time")
    return seconds


# --- synthetic ---------------------------------------------------------------------------------

LEVELS = (0.0, 0.05, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)
_COUNT = (3, 4, 15, 43, 92, 152, 229, 324, 439)
_GAP = (1.5, 3.6, 5.8, 9.9, 24, 123, 304, 2067, 20000)
_FIRST = (9000, 13370, 18768, 25439, 112994, 260297, 360181, 500000, 716145)
_NEW = (64, 192, 376, 716, 1668, 3948, 7461, 60000, 200000)
_OUT = (20, 92, 140, 221, 439, 894, 1517, 3625, 18195)
_DURATION = (1.0, 2.0, 4.0, 5.9, 10, 18, 27, 59, 300)
COMPACTION = 0.004  # of all requests begin with a summary in place of the conversation
LIMITS = (150_000, 170_000, 190_000, 320_000, 600_000)  # tokens at which conversations are summarized
SUMMARY = (40_000, 90_000)  # tokens of prompt and summary
OPUS = 0.6  # of all sessions


def synthetic_sessions(count: int, seed: int) -> list[SessionTrace]:
    """Return synthetic sessions; the same seed gives the same ones."""
    rng = random.Random(f"sessions {seed}")
    return [_synthetic_session(f"synthetic-{seed}-{number}", rng) for number in range(count)]


def _synthetic_session(name: str, rng: random.Random) -> SessionTrace:
    family = "opus" if rng.random() < OPUS else "sonnet"
    requests: list[RequestTrace] = []
    limit = rng.choice(LIMITS)
    total = out = 0
    for number in range(int(_draw(_COUNT, rng))):
        if number == 0:
            prefix, total = 0, int(_draw(_FIRST, rng))
        elif total > limit or rng.random() < COMPACTION:
            prefix, total = min(total, 12_000), int(rng.uniform(*SUMMARY))
        else:
            prefix = total  # the input of the request before; its answer is new in this one
            total += max(out, int(_draw(_NEW, rng)))
        gap = _draw(_GAP, rng) if number else 0.0
        out, duration = int(_draw(_OUT, rng)), _draw(_DURATION, rng)
        requests.append(RequestTrace(gap, family, total, out, prefix, duration))
    return SessionTrace(name, tuple(requests))


def _draw(values: Sequence[float], rng: random.Random) -> float:
    """Draw a number with these quantiles at LEVELS; straight lines between their logarithms."""
    level = rng.random()
    place = min(len(LEVELS) - 2, bisect_right(LEVELS, level) - 1)
    share = (level - LEVELS[place]) / (LEVELS[place + 1] - LEVELS[place])
    low, high = values[place], values[place + 1]
    return float(low * (high / low) ** share)
