"""The evidence of one schedule: what clients, APIs and disk show after it, all from outside the proxy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from tests.faults.rules.answer_reader import AnswerReader, MalformedAnswerError, event_names, plain
from tests.faults.schedules.plan import SPEED, Client, Request, Schedule

__all__ = ["Evidence", "Heard", "Overlap", "Seen"]

HELD = re.compile(rb"(?:: held, [^\n]+\n\n)+")  # the comments of a hold


@dataclass
class Seen:
    """One request as its client saw it.  Times are monotonic seconds.

    ended   whole    the answer is complete
            fin/rst  the proxy ended the connection
            left     the client ended it
            refused  there was no connection
            silence  neither an answer nor an end came within PATIENCE_SEC
    """

    tag: str
    client: Client
    request: Request
    body: bytes
    began: float
    reused: bool = False
    request_sent: bool = False
    sent_at: float = 0.0
    first: Optional[float] = None
    last: float = 0.0
    left_at: Optional[float] = None
    ended: str = ""
    wire: bytearray = field(default_factory=bytearray)
    reader: AnswerReader = field(default_factory=AnswerReader)
    nonsense: str = ""

    @property
    def status(self) -> int:
        return self.reader.status

    @property
    def account(self) -> Optional[str]:
        """The account that answered, according to the proxy."""
        return self.reader.field("x-teamclaude-account")

    @property
    def id(self) -> Optional[str]:
        """The proxy's id of this request."""
        own = self.reader.field("request-id")
        return self.reader.field("x-teamclaude-request") or (own if own and own.startswith("tc-") else None)

    @property
    def upstream_id(self) -> Optional[str]:
        """The fake API's id of the answer that was relayed."""
        found = self.reader.field("request-id")
        return found if found and found.startswith("req_fake") else None

    @property
    def relayed(self) -> bool:
        """Whether the answer is the upstream's."""
        return self.account is not None or self.upstream_id is not None

    @property
    def held(self) -> bool:
        """Whether the answer began with the comments of a hold."""
        return self.status == 200 and not self.relayed and HELD.match(self.payload) is not None

    @property
    def payload(self) -> bytes:
        return self.reader.arrived

    @property
    def content(self) -> bytes:
        """The payload behind the comments of a hold, decompressed."""
        found = self.payload
        if self.held:
            found = HELD.sub(b"", found, count=1)
        return plain(found, self.reader.field("content-encoding"))

    @property
    def is_stream(self) -> bool:
        return (self.reader.field("content-type") or "").startswith("text/event-stream")

    @property
    def events(self) -> list[str]:
        return event_names(self.content) if self.is_stream else []

    @property
    def stayed(self) -> bool:
        """Whether the client waited for the end."""
        return self.left_at is None and self.ended not in ("refused", "")

    @property
    def whole(self) -> bool:
        return self.reader.whole

    @property
    def last_event(self) -> str:
        events = self.events
        return events[-1] if events else ""


@dataclass
class Heard:
    """One request as an API saw it; `at` and `over` are monotonic, `clock` and `over_clock` the fast clock's.

    `how` is how the API ended the connection: "" (it did not), fin, rst or hang.  `cancelled`: the proxy
    closed it before all was sent.  `over` is 0 while it is open.
    """

    api: str
    number: int
    tag: str
    at: float
    clock: float
    account: Optional[str]
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int = 0
    fields: tuple[tuple[str, str], ...] = ()
    cancelled: bool = False
    stale: bool = False  # read after the connection was closed: the time of sending is unknown
    hung_up: bool = False  # the API closed all its connections meanwhile: some of `wire` may be unsent
    how: str = ""
    over: float = 0.0
    over_clock: float = 0.0
    last_sent: float = 0.0
    wire: bytes = b""

    def header(self, name: str) -> Optional[str]:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def field(self, name: str) -> Optional[str]:
        return next((value for key, value in self.fields if key.lower() == name), None)

    @property
    def id(self) -> str:
        return f"req_fake{self.number:08d}"

    @property
    def inference(self) -> bool:
        return self.path == "/v1/messages"

    @property
    def served(self) -> bool:
        """Whether the answer was below 300, also one that was scripted byte by byte."""
        reader = self.read()
        return reader is not None and 200 <= reader.status < 300

    def read(self) -> Optional[AnswerReader]:
        """Return the parsed answer; None when it is not HTTP."""
        reader = AnswerReader(self.method)
        try:
            reader.feed(self.wire)
        except MalformedAnswerError:
            return None
        if not self.cancelled:
            reader.end(self.how)
        return reader


@dataclass(frozen=True)
class Overlap:
    """`second` arrived while the connection of `first`, for the same request, was still open at both ends."""

    first: Heard
    second: Heard


@dataclass
class Evidence:
    """Everything the rules read."""

    schedule: Schedule
    began: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    deck: Mapping[str, Any] = field(default_factory=dict)  # status, activity and what is in flight
    texts: dict[str, str] = field(default_factory=dict)  # everything that was written or shown, by place
    logged: int = 0  # files of the request log
    logging: bool = False
    secrets: dict[str, str] = field(default_factory=dict)  # credential -> its owner
    happened: list[tuple[float, str, tuple[Any, ...]]] = field(default_factory=list)
    clock_marks: list[tuple[float, float]] = field(
        default_factory=list
    )  # monotonic -> clock, after each jump
    most_waiting: int = 0
    lag: float = 0.0  # longest delay of a thread in seconds: how busy the machine was
    quiet: bool = False
    leftover_threads: list[str] = field(default_factory=list)
    leftover_files: list[str] = field(default_factory=list)
    state: str = ""

    def attempts(self, tag: str) -> list[Heard]:
        """Return the attempts of one request, in order of arrival."""
        return sorted((each for each in self.heard if each.tag == tag), key=lambda each: each.at)

    def records_of(self, seen: Seen) -> list[Mapping[str, Any]]:
        """Return its records, found by id or by tag (in a field that activity records show)."""
        return [r for r in self.records if r["id"] == seen.id or seen.tag in (r["effort"], r["session"])]

    def clock(self, moment: float) -> float:
        """Return the fast clock at a monotonic moment."""
        at, reading = max(
            mark for mark in self.clock_marks if mark[0] <= moment or mark is self.clock_marks[0]
        )
        return reading + (moment - at) * SPEED
