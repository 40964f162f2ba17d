"""One client request from its head to its recorded outcome."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from random import Random
from typing import Any, Optional, Union

from ...errors import NoAccountAvailableError, TeamClaudeError, UpstreamError, WaitQueueFullError
from ...routing.expected_account import ExpectedAccount
from ...routing.quota.usage import NO_USAGE, Usage
from ...routing.quota.windows import QuotaReading
from ...routing.state.decision import Decision, RoutingRequest, Wait
from ...routing.user_rules.routes import RouteTable
from ...routing.wait_queue import Waiter
from ...snapshot import HeldView, WaitView
from ...typed_json import to_json
from ...values import NamedTuple, dataclass, field, replace
from ..http.framing import keep_alive
from ..http.head import RequestHead
from ..http.path_kinds import PathKind, Route
from ..messages.access import AccessPolicy, Caller
from ..messages.body_scan import NO_FACTS, BodyFacts
from ..messages.redact import redact_text
from ..net.bodies.body_limit import BodyReservation
from .request_wait import HELD, RequestWait, current_hold, held_seconds

__all__ = [
    "Attempt",
    "Exchange",
    "Outcome",
    "RepeatedRequest",
    "RequestIds",
    "RoutedRequest",
    "SeriesMemo",
    "new_request_id",
    "outcome_of",
]

MAX_PATH_CHARS = 200  # as shown: a mistyped one may have any length

# Ids must differ, not be secret: `os.urandom` would be one system call more than the six of a small request.
_ids = Random(os.urandom(32)).getrandbits


def new_request_id() -> str:
    """Return a new id of the proxy's own, as responses carry it."""
    return f"tc-{_ids(64):016x}"


class Outcome(Enum):
    """Every request ends in exactly one of these."""

    SERVED = "served"
    UPSTREAM_ERROR = "upstream error"
    CLIENT_GONE = "client gone"
    HELD_OUT = "held out"
    REFUSED = "refused"


def outcome_of(error: TeamClaudeError) -> Outcome:
    """Return how a request ended that was answered with this error."""
    if isinstance(error, (NoAccountAvailableError, WaitQueueFullError)):
        return Outcome.HELD_OUT
    return Outcome.UPSTREAM_ERROR if isinstance(error, UpstreamError) else Outcome.REFUSED


class Attempt:
    """One try on one account.  Values not known yet are class attributes, as in `Exchange`."""

    status: Optional[int] = None
    note: str = ""  # what the upstream or the connection said
    reading: Optional[QuotaReading] = None  # the account's windows in the response's head
    usage: Usage = NO_USAGE
    unseen_tokens: int = 0  # that `usage` lacks, estimated: the answer was left before it told them
    model: Optional[str] = None  # as the answer names it, else as asked for

    def __init__(self, account: str, decision: Decision, note: str = "") -> None:
        self.account = account  # name
        self.decision = decision
        if note:
            self.note = note


class RequestIds(NamedTuple):
    """What a request's head says of the conversation, and the betas it asks for."""

    session: Optional[str]
    agent: Optional[str]
    parent_agent: Optional[str]
    betas: str
    names_account: bool


class RepeatedRequest(NamedTuple):
    """What the last request of a series asks of routing, where nothing but its `facts` decides that.

    To ask for the same again saves 2.5 % of the bytecodes of a small request.
    """

    context: object  # the configuration under which it was read
    facts: BodyFacts
    request: RoutingRequest


class RoutedRequest(NamedTuple):
    """The last request of a series to which the user's rules were applied, and what came of it."""

    request: RoutingRequest
    routes: RouteTable
    project: str
    result: RoutingRequest


@dataclass
class SeriesMemo:
    """What is computed once for the heads of one connection that differ only in the length of their body.

    Nothing in it depends on that length; the peer and the local address are the connection's.  A reload
    brings another policy, and so another memo.
    """

    route: Route
    client_ip: str = ""  # the address the requests come from
    access_policy: Optional[AccessPolicy] = None  # the one that the route and `caller` are of
    is_plain: bool = False  # nothing in the head asks for another protocol, or to be told to go on
    keep_alive: Optional[bool] = None
    caller: Optional[Caller] = None  # once it is authorized
    ids: Optional[RequestIds] = None
    repeated: Optional[RepeatedRequest] = None
    routed: Optional[RoutedRequest] = None
    # The head as sent upstream, by upstream target and whether `identity` was required.
    rendered: dict[tuple[Hashable, bool], bytes] = field(default_factory=dict)


_NO_ASK = RoutingRequest()


class Exchange:
    """What is known of one request; filled in as it proceeds, read by log, activity and `explain`.

    Values not known yet are class attributes; most requests never set them.
    """

    caller: Optional[Caller] = None
    has_body = False  # the request announced one, even an empty one
    body_read = False
    body: Union[bytes, bytearray, memoryview] = b""
    body_room: Optional[BodyReservation] = None  # its share of the memory for all bodies
    facts: BodyFacts = NO_FACTS
    routing_request: RoutingRequest = _NO_ASK
    status: Optional[int] = None  # sent to the client
    ttfb: Optional[float] = None  # seconds to the first response byte
    ended: Optional[float] = None  # monotonic
    usage: Usage = NO_USAGE
    cost: Optional[float] = None  # dollars; None: price unknown
    cost_estimated = False  # from the price of another version of the model
    outcome: Optional[Outcome] = None
    note = ""
    client_limit = ""  # the limit of its client that refused it, before its body was read
    tokens_limited = False  # its client has a limit of tokens: they must be counted
    hold_committed = False  # a hold has sent the client its 200
    closes = False  # the connection ends after this response
    switched = False  # the connection continues with another protocol
    waiting_since: Optional[float] = None  # monotonic, while it waits for an account
    waited = 0.0  # seconds it has waited for accounts
    waits: tuple[RequestWait, ...] = ()  # oldest first; replaced as a whole

    def __init__(
        self,
        head: RequestHead,
        route: Route,
        at: float,
        id: Optional[str] = None,
        started: Optional[float] = None,
        memo: Optional[SeriesMemo] = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.head = head
        self.route = route
        self.memo = SeriesMemo(route) if memo is None else memo
        self.at = at  # epoch seconds on the proxy's clock
        self.id = new_request_id() if id is None else id
        self._monotonic = monotonic
        self.started = monotonic() if started is None else started
        self.attempts: list[Attempt] = []

    def response_started(self, status: int, final: bool = True) -> None:
        """Record the first byte to the client; not `final`: nothing has been sent upstream yet.

        Afterwards nothing is retried, so the body is dropped: a stream may last for minutes.
        """
        self.status = status
        if self.ttfb is None:
            self.ttfb = self._monotonic() - self.started
        if final:
            self.body = b""
            if self.body_room is not None:
                self.drop_body()

    def drop_body(self) -> None:
        """Free the body: it will not be sent again."""
        self.body = b""
        if self.body_room is not None:
            self.body_room.release()
            self.body_room = None

    def reset_response(self) -> None:
        """Forget the response: nothing of it was sent after all."""
        self.status = self.ttfb = None

    def end(self, outcome: Outcome, note: str = "") -> None:
        """Record the outcome; the first one stands."""
        if self.outcome is None:
            self.outcome = outcome
            self.note = redact_text(note) if note else self.note
            self.ended = self._monotonic()

    def begin_wait(self, waiting: RequestWait) -> None:
        """Append a wait that begins now."""
        self.waits = (*self.waits, waiting)

    def wait_recorder(
        self, clock: Callable[[], float], outlook_of: Callable[[Waiter], ExpectedAccount]
    ) -> Callable[[Waiter], None]:
        """Return the callback for `Router.acquiring` that records the wait of a queued request."""

        def begin(waiter: Waiter) -> None:
            if waiter.wait is not None:
                since, attempts = waiter.since, len(self.attempts)
                self.begin_wait(RequestWait(waiter.wait, since, clock, attempts, waiter, outlook_of))

        return begin

    @contextmanager
    def pausing(self, reason: str) -> Iterator[None]:
        """Record a wait for something else than an account while the block runs."""
        at = self.at + self.duration
        paused = Wait(Decision(None, reason, at=at))
        self.begin_wait(RequestWait(paused, at, lambda: self.at + self.duration, len(self.attempts)))
        try:
            yield
        finally:
            self.end_wait()

    def update_wait(self) -> None:
        """Begin a new wait if the request waits for something of another kind by now."""
        if self.waits:
            last = self.waits[-1]
            followed = last.follow()
            if followed is not last:
                self.begin_wait(followed)

    def end_wait(self) -> None:
        """End the wait, if there is one."""
        if self.waits:
            self.waits[-1].end()

    @property
    def waiting(self) -> Optional[RequestWait]:
        """The wait it is in, or None."""
        last = self.waits[-1] if self.waits else None
        return None if last is None or last.over else last

    def waiting_view(self, names: Mapping[str, str]) -> Optional[WaitView]:
        """Return what it waits for now; of a hold `sec` is how long it has been held in all."""
        waiting = self.waiting
        if waiting is None:
            return None
        view = waiting.view(names)
        return replace(view, sec=held_seconds(self.waits)) if waiting.kind == HELD else view

    def held(self) -> Optional[HeldView]:
        """Return the hold it is in now; None while it is in none."""
        hold = current_hold(self.waits)
        if hold is None:
            return None
        account, back_at = hold.outlook()
        return HeldView(
            self.id,
            self.routing_request.session or "",
            self.routing_request.agent or "",
            self.facts.model or "",
            held_seconds(self.waits),
            hold.reason,
            hold.decision.detail,
            account,
            back_at,
        )

    @property
    def path(self) -> str:
        """The path as it may be shown: a mistyped base URL may have put a credential into it."""
        if self.route.kind is PathKind.INFERENCE:  # an exact path
            return self.route.path
        return redact_text(self.route.path[:MAX_PATH_CHARS])

    @property
    def closing_fields(self) -> list[tuple[str, str]]:
        """`Connection: close` if the connection ends after this response (RFC 9112 9.6)."""
        return [] if self.keeps_open else [("Connection", "close")]

    @property
    def keeps_open(self) -> bool:
        """Whether the client will use the connection again."""
        if self.switched or self.closes:
            return False
        memo = self.memo
        if memo.keep_alive is None:
            memo.keep_alive = keep_alive(self.head)
        return memo.keep_alive

    @property
    def duration(self) -> float:
        """Seconds from the arrival of the head to now, or to the end."""
        return (self._monotonic() if self.ended is None else self.ended) - self.started

    @property
    def decision(self) -> Optional[Decision]:
        """The latest routing decision."""
        return self.attempts[-1].decision if self.attempts else None

    def explain_json(self, names: dict[str, str]) -> dict[str, Any]:
        """Return the decision record that `explain` shows."""
        return {
            "request": self.id,
            "at": self.at,
            "method": self.head.method,
            "path": self.path,
            "session": self.routing_request.session,
            "agent": self.routing_request.agent,
            "clientIp": self.memo.client_ip,
            "model": self.routing_request.model,
            "status": self.status,
            "outcome": self.outcome.value if self.outcome else None,
            "note": self.note,
            "waits": [
                {
                    **to_json(wait.view(names)),
                    "attempts": wait.attempts,
                    "decision": wait.decision.as_json(names),
                }
                for wait in self.waits
            ],
            "attempts": [
                {
                    "account": attempt.account,
                    "status": attempt.status,
                    "note": redact_text(attempt.note),
                    "decision": attempt.decision.as_json(names),
                }
                for attempt in self.attempts
            ],
        }
