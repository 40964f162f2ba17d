"""Find what goes on only when its person does something: `needs_you` is the list, the longest wait first.

Rule 1: a client that waits for its operator is listed as long as its process lives (sources.registry).
Rule 2: an issue that is blocked or in review is listed as long as its pin is read, also when its session has
been quiet for so long that its row is gone; a display folds those (OVERDUE_SEC) into a count.
Rule 3: a session is listed once, with the most urgent of its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Optional

from ...snapshot import AccountView, BindingView, NeedsYouView, Snapshot
from ...values import NamedTuple
from ..sources.sources import SHOWN_SEC, Sources
from ..text.cells import clean, printable
from .conversations import Conversation
from .labels import chip_of, project_of, session_label

if TYPE_CHECKING:
    from .model import NeedRow, Node

__all__ = [
    "BLOCKED",
    "IN_REVIEW",
    "LOGIN_NEEDED",
    "OVERDUE_SEC",
    "PINNED_TWICE",
    "WAITS_FOR_ANSWER",
    "is_overdue",
    "needs_rows",
    "needs_you",
]

OVERDUE_SEC = SHOWN_SEC  # since the last turn of a session whose issue is blocked or in review
MAX_ROWS = 200
WAITS_FOR_ANSWER = "waits for an answer"  # unless the client says for what
BLOCKED, IN_REVIEW, PINNED_TWICE, LOGIN_NEEDED = "blocked", "in review", "issue pinned twice", "login needed"
_BY_CHIP = {"block": BLOCKED, "review": IN_REVIEW}


def is_overdue(row: NeedsYouView, now: float) -> bool:
    """Return whether it waits for so long that a display counts it only; a client's own question never is."""
    return row.reason in _BY_CHIP.values() and (row.since is None or now - row.since > OVERDUE_SEC)


def needs_rows(waiting: Iterable[NeedsYouView], nodes: Mapping[str, Node], now: float) -> tuple[NeedRow, ...]:
    """Return the rows that are not overdue, with the most urgent reasons first, then the longest waits."""
    from .model import NeedRow  # 0.4 MB that a server without a display does not need

    rows = []
    for view in waiting:
        if not is_overdue(view, now):
            node = nodes.get(view.session)
            age = None if view.since is None else max(0.0, now - view.since)
            rows.append(NeedRow(printable(view), age, node.emoji if node is not None else ""))
    return tuple(sorted(rows, key=lambda row: (_URGENCY.get(row.view.reason, 0), -(row.age_sec or 0.0))))


# Any other reason is what a client asks.
_URGENCY = {LOGIN_NEEDED: 1, BLOCKED: 2, IN_REVIEW: 3, PINNED_TWICE: 4}


def needs_you(sources: Sources, snapshot: Snapshot, now: float) -> tuple[NeedsYouView, ...]:
    """Return what waits for a person at `now` (epoch seconds): sessions, and accounts without a login."""
    sessions = _sessions(sources, snapshot, now)
    found = [*_logins(snapshot.accounts), *_asking(sessions), *_stuck(sessions), *_twice(sessions)]
    first: dict[tuple[str, str], NeedsYouView] = {}
    for row in found:
        first.setdefault((row.session, "" if row.session else row.label), row)
    longest_first = sorted(first.values(), key=lambda row: now if row.since is None else row.since)
    return tuple(longest_first[:MAX_ROWS])


class _Session(NamedTuple):
    """A session that waits or works on an issue."""

    id: str
    sources: Sources
    last_turn: Optional[float]
    shown: bool
    asks: bool  # its client waits for its operator

    def row(self, reason: str, since: Optional[float]) -> NeedsYouView:
        label = session_label(self.sources, self.id)
        return NeedsYouView(self.id, "", label, project_of(self.sources, self.id), reason, since)


def _sessions(sources: Sources, snapshot: Snapshot, now: float) -> list[_Session]:
    asking = [session for session, client in sources.clients.items() if client.status == "waiting"]
    wanted = {*sources.pins, *asking}
    if not wanted:
        return []
    bindings = {row.sid: row for row in snapshot.session_bindings if row.agent is None and row.sid in wanted}
    running = {one.request.session for one in snapshot.inflight if not one.request.agent}
    return [
        _session(session, sources, bindings.get(session), session in running, now)
        for session in sorted(wanted)
    ]


def _session(
    session: str, sources: Sources, binding: Optional[BindingView], requesting: bool, now: float
) -> _Session:
    conversation = Conversation(session, binding=binding or BindingView())
    conversation.requesting = requesting or conversation.binding.inflight > 0
    signs = conversation.activity(sources)
    client = sources.clients.get(session)
    asks = client is not None and client.status == "waiting" and not conversation.requesting
    last = signs.started if signs.last_turn(now) is None else signs.last_turn(now)
    return _Session(session, sources, last, signs.is_shown(now), asks)


def _logins(accounts: Iterable[AccountView]) -> Iterator[NeedsYouView]:
    for account in accounts:
        if account.status == "auth_failed":
            yield NeedsYouView(label=clean(account.name), reason=LOGIN_NEEDED)


def _asking(sessions: Iterable[_Session]) -> Iterator[NeedsYouView]:
    for session in sessions:
        if session.asks:
            client = session.sources.clients[session.id]
            since = session.last_turn if client.waiting_since is None else client.waiting_since
            yield session.row(client.waiting_for or WAITS_FOR_ANSWER, since)


def _stuck(sessions: Iterable[_Session]) -> Iterator[NeedsYouView]:
    for session in sessions:
        pin = session.sources.pins.get(session.id)
        reason = _BY_CHIP.get(chip_of(pin.status)) if pin is not None and pin.status else None
        if pin is not None and reason is not None:
            yield session.row(reason, pin.commented if session.last_turn is None else session.last_turn)


def _twice(sessions: Iterable[_Session]) -> Iterator[NeedsYouView]:
    """Yield one row for each issue that several shown sessions work on, with the last one that began."""
    working: dict[str, list[_Session]] = {}
    for session in sessions:
        issue = session.sources.issue_of(session.id)
        if issue and session.shown:
            working.setdefault(issue.casefold(), []).append(session)
    for several in working.values():
        if len(several) > 1:
            newest = max(several, key=lambda session: (_began(session) or 0.0, session.id))
            yield newest.row(PINNED_TWICE, _began(newest))


def _began(session: _Session) -> Optional[float]:
    row = session.sources.registry.get(session.id)
    return None if row is None else row.started
