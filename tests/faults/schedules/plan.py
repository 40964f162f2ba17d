"""The values of a fault schedule: accounts, clients, requests, troubles, events. PURE.

Times called `at`, `seconds` and those of the config's timeouts are real seconds.  Everything the proxy
measures on its own clock (benches, resets, hold budgets, retry-after) runs `SPEED` times as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from teamclaude.fakeapi.fault import Fault

__all__ = ["MODELS", "SPEED", "Client", "Event", "Leave", "PlannedAccount", "Request", "Schedule", "Trouble"]

SPEED = 100.0
# The second one has a model-scoped window.
MODELS = ("claude-opus-4-8", "claude-fable-5")


@dataclass(frozen=True)
class PlannedAccount:
    """An account of the pool.

    `upstream`: "" the main API; "own" another API that knows only such accounts; "closed" a closed port;
    "not http" an https URL with a server of another protocol; "nowhere" a name without an address.
    `expires`: when its token expires: "" far away, "soon" or "past".  `refresh`: what happens to its refresh
    token, if it has one: works, slow, refused, busy, lost (the answer).
    """

    name: str
    kind: str = "oauth"
    last_resort: bool = True
    upstream: str = ""
    disabled: bool = False
    priority: int = 0
    expires: str = ""
    refresh: str = ""

    @property
    def is_paid(self) -> bool:
        return self.kind == "apikey" and self.last_resort

    @property
    def reachable(self) -> bool:
        return self.upstream in ("", "own")


@dataclass(frozen=True)
class Trouble:
    """A fault of the API: for `account` (None: any), from the `nth` matching request on, `count` times.

    Without a count it is permanent.  With a `model` only requests for that one match.
    """

    fault: Fault
    account: Optional[str] = None
    count: Optional[int] = 1
    nth: int = 1
    path: Optional[str] = "/v1/messages"
    model: str = ""


@dataclass(frozen=True)
class Leave:
    """A client that does not wait for the end.

    when  request  after `n` bytes of its request
          bytes    after `n` bytes of the answer
          time     `n` seconds after its request was sent
    """

    when: str
    n: float
    how: str = "fin"


@dataclass(frozen=True)
class Request:
    """One request of a client.

    kind      messages, count, models, profile (the client's own login), huge (a body over the limit);
              batch, file, skill: makes an id; fetch: asks for the id its client made last
    malformed "" or how it violates HTTP
    reads     all, slow (a few bytes at a time), stuck (stops reading for a while)
    size      bytes of its body (0: as few as possible), or, if `sized` is "request", of head and body
    accepts   its Accept-Encoding; None: it has none
    half      the client closes its sending half after the request, and continues to read
    prefix    tokens of a cached system prompt in front of its message
    thread    it continues the thread that the API keeps of its conversation, or makes one if there is none
    split     "" head and body in one write; head: the body in a second one; body: cut in the body's middle
    """

    kind: str = "messages"
    stream: bool = True
    model: str = MODELS[0]
    pin: Optional[str] = None
    chunked: bool = False
    expects: bool = False
    version: str = "1.1"
    malformed: str = ""
    bad_json: bool = False
    reads: str = "all"
    leave: Optional[Leave] = None
    pause: float = 0.0
    fresh: bool = False
    size: int = 0
    sized: str = "body"
    split: str = ""
    accepts: Optional[str] = "gzip"
    half: bool = False
    prefix: int = 0
    thread: bool = False

    @property
    def inference(self) -> bool:
        return self.kind in ("messages", "huge")


@dataclass(frozen=True)
class Client:
    """One client: requests in order, each tried up to `tries` times as Claude Code does.

    `session`: "" for a program that sends none.  `key`: the name of a client key, or "" for the proxy's own.
    `pipelined`: all requests are sent at once.
    """

    session: str
    requests: tuple[Request, ...]
    at: float = 0.0
    agent: str = ""
    key: str = ""
    subscription: bool = False
    tries: int = 1
    pipelined: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happens at a time.

    jump seconds · reload · watched (a reload by the file's time stamp) · remove/add/disable/enable/renew
    account · switch account or None · fill (account, axis, share, seconds to reset) · stop_listening/listen
    (the API's listener) · close_connections (all of the API's) · stop seconds of drain
    """

    at: float
    what: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Everything that happens in one run."""

    seed: int
    theme: str
    accounts: tuple[PlannedAccount, ...]
    clients: tuple[Client, ...]
    troubles: tuple[Trouble, ...] = ()
    events: tuple[Event, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stops(self) -> bool:
        return self.happens("stop")

    def happens(self, *what: str) -> bool:
        return any(event.what in what for event in self.events)

    def lines(self) -> Iterator[str]:
        """Yield the schedule as lines for a person."""
        yield f"seed {self.seed}: {self.theme}; config {dict(self.config)}"
        for account in self.accounts:
            yield f"  account {_said(account)}"
        for trouble in self.troubles:
            yield f"  trouble {_said(trouble)}"
        for event in self.events:
            yield f"  at {event.at:.3f} s: {event.what} {event.args}"
        for number, client in enumerate(self.clients):
            yield f"  client {number} {_said(client, 'requests')}"
            for request in client.requests:
                yield f"    {_said(request)}"


def _said(value: Any, *without: str) -> str:
    """Return the fields that differ from their defaults."""
    parts = []
    for name, spec in type(value).__dataclass_fields__.items():
        found = getattr(value, name)
        if name in without or found == spec.default or found == ():
            continue
        text = _said(found) if isinstance(found, (Fault, Leave)) else repr(found)
        parts.append(f"{name}={text if len(text) < 200 else text[:200] + '...'}")
    return f"{type(value).__name__}({', '.join(parts)})"
