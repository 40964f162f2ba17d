"""Findings about what a server writes: state, history, logs, and what crashes have left.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from ...terminal import plural
from ..finding import RESTART, Action, Finding, Fix, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.record_facts import HistoryFacts, RecordFacts, StateFacts

__all__ = ["check_records"]

STATE = Kind(
    "records.state", Level.WARNING, "A server that starts sets it aside and knows nothing of its windows."
)
HISTORY = Kind("records.history", Level.WARNING, "Usage can't be reported.")
DAMAGED = Kind(
    "records.history-damaged", Level.WARNING, "A server that starts sets it aside and begins a new one."
)
NEWER = Kind("records.history-newer", Level.WARNING, "A newer version wrote it; this one writes no history.")
TOO_LARGE = Kind(
    "records.history-size", Level.NOTE, "A running server deletes the oldest, a little each hour."
)
UNSAVED = Kind("records.not-saved", Level.WARNING, "A crash loses what was observed since.")
READABLE = Kind("records.mode", Level.WARNING, "It says what you work on, or holds credentials.")
CORRUPT = Kind("records.corrupt", Level.NOTE, "It was set aside, and nothing reads it any more.")
REPLACED = Kind("records.replaced", Level.NOTE, "It holds logins that are in use nowhere.")
TEMPORARY = Kind("records.temporary", Level.WARNING, "A crash has left it, and it may hold credentials.")
LOCK = Kind("records.lock", Level.WARNING, "Nothing can change the config file meanwhile.")
LOGS = Kind("records.logs", Level.WARNING, "Requests are not logged, or others can replace the logs.")
ALERT = Kind("alerts.program", Level.WARNING, "Nobody is told when that happens.")

SAVED_LATE_SEC = 120.0  # a server saves within 10 s of a change, but for a slow disk
SIZE_SLACK = 1.2  # upkeep runs once an hour


def check_records(facts: RecordFacts, limit_mb: float, last_used: float = 0.0, now: float = 0.0) -> Group:
    """Return what is wrong; `limit_mb`: historyMaxMB; `last_used`: the running server's last request."""
    found = [
        *_state(facts.state, last_used, now),
        *_history(facts.history, limit_mb),
        *_modes(facts),
        *_left_over(facts),
    ]
    if facts.held_lock:
        found.append(
            LOCK.found(f"another process keeps {facts.held_lock}", f"see who: fuser {quote(facts.held_lock)}")
        )
    for danger in facts.log_dangers:
        text, _, command = danger.partition("; run: ")
        found.append(LOGS.found(text, command or "mend logDir in the config file"))
    found += [
        ALERT.found(line, "mend it in the config file; teamclaude alerts test")
        for line in facts.alert_problems
    ]
    return Group("records", _summary(facts), found)


def _summary(facts: RecordFacts) -> str:
    if not facts.history.exists and not facts.state.exists:
        return "none yet"
    checked = "" if facts.history.was_checked or not facts.history.exists else ", not checked"
    return f"history {facts.history.size / 1e6:.1f} MB{checked}, state {facts.state.size / 1e3:.0f} kB"


def _state(state: StateFacts, last_used: float, now: float) -> Iterator[Finding]:
    if state.problem:
        yield STATE.found(f"{state.path} {state.problem}", f"rm {quote(state.path)}")
    elif last_used > (state.saved_at or 0.0) and now - last_used > SAVED_LATE_SEC:
        yield UNSAVED.found(
            f"{state.path} was not written after the last request", "see the server's log for the reason"
        )


def _history(history: HistoryFacts, limit_mb: float) -> Iterator[Finding]:
    if history.problem:
        yield HISTORY.found(history.problem, "see the line; teamclaude help history")
    elif history.damage:
        yield DAMAGED.found(f"{history.path} is damaged ({history.damage})", f"{RESTART} (or server)")
    elif history.is_newer:
        yield NEWER.found(f"{history.path} is of a newer version", "use that version of teamclaude")
    if limit_mb and history.size > limit_mb * 1e6 * SIZE_SLACK:
        yield TOO_LARGE.found(
            f"the history has {history.size / 1e6:.0f} MB, historyMaxMB is {limit_mb:g}",
            "let a server run for some hours, or raise historyMaxMB",
        )


def _modes(facts: RecordFacts) -> Iterator[Finding]:
    for path, mode in facts.readable:
        wanted = 0o700 if mode & 0o100 else 0o600
        command = f"chmod {wanted:o} {quote(path)}"
        yield READABLE.found(
            f"others can read {path} (mode {mode:o})", command, Fix(command, Action("chmod", path, wanted))
        )


def _left_over(facts: RecordFacts) -> Iterator[Finding]:
    for kind, paths in ((CORRUPT, facts.corrupt), (REPLACED, facts.replaced)):
        if paths:
            more = f" and {plural(len(paths) - 1, 'more file')}" if len(paths) > 1 else ""
            files = " ".join(quote(path) for path in paths[:3])
            yield kind.found(f"{paths[0]}{more} can be removed", f"rm {files}")
    for path in facts.temporary:
        command = f"rm {quote(path)}"
        yield TEMPORARY.found(f"{path} was left behind", command, Fix(command, Action("remove", path)))
