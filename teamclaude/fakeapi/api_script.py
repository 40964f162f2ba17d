"""The script of the fake API: faults by rule, replies in order, and random faults by profile.

The first rule that matches and is due decides.  Rules are tried in the order they were given,
`once` and `times` before `always`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Union

from ..values import dataclass, field
from .fault import Fault

__all__ = ["ApiScript", "FaultProfile", "FaultRule", "RequestView", "ScriptedReply"]

Block = Mapping[str, Any]
ScriptedReply = Union[str, Sequence[Block]]


class RequestView(Protocol):
    """What a rule sees of a request."""

    @property
    def method(self) -> str:
        """The request method, upper case."""

    @property
    def path(self) -> str:
        """The target without its query."""

    @property
    def body(self) -> bytes:
        """The whole body, chunked coding removed."""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""


Condition = Callable[[RequestView], bool]


@dataclass
class FaultRule:
    """One fault, due from the `nth` matching request on, `left` times (None: always)."""

    fault: Fault
    account: str | None = None
    path: str | None = None
    method: str | None = None
    when: Condition | None = None
    nth: int = 1
    left: int | None = 1
    seen: int = 0

    def applies(self, request: RequestView, account: str | None) -> bool:
        """Count a matching request; return whether the fault is due for it."""
        if self.left == 0 or not self._matches(request, account):
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        if self.left is not None:
            self.left -= 1
        return True

    def _matches(self, request: RequestView, account: str | None) -> bool:
        return (
            (self.account is None or self.account == account)
            and (self.path is None or self.path == request.path)
            and (self.method is None or self.method == request.method)
            and (self.when is None or self.when(request))
        )


@dataclass(frozen=True)
class FaultProfile:
    """Shares (0 to 1) of inference requests that meet a fault; `slow_sec` is a typical slow start."""

    bare_429: float = 0.0
    overloaded: float = 0.0
    slow_start: float = 0.0
    slow_sec: float = 20.0

    def draw(self, rng: random.Random) -> Fault | None:
        """Return the fault of one request; None: no fault."""
        share = rng.random()
        if share < self.bare_429:
            return Fault.bare_429()
        if share < self.bare_429 + self.overloaded:
            return Fault.overloaded()
        if share < self.bare_429 + self.overloaded + self.slow_start:
            return Fault.slow(before_head=self.slow_sec * (0.5 + rng.random()))
        return None


@dataclass
class ApiScript:
    """Faults and replies for the requests to come; `seed` drives the profile alone."""

    seed: int = 0
    profile: FaultProfile | None = None
    _rules: list[FaultRule] = field(default_factory=list)
    _accept_faults: list[Fault] = field(default_factory=list)
    _replies: list[tuple[Condition | None, list[ScriptedReply]]] = field(default_factory=list)
    _draws: int = 0
    # Guards the lists and the rule counters: a test adds while connection threads read.
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    # --- writing -------------------------------------------------------------------------

    def once(self, fault: Fault, **where: Any) -> None:
        """Give `fault` to one matching request (`account`, `path`, `method`, `when`, `nth`)."""
        self.times(1, fault, **where)

    def times(self, count: int, fault: Fault, **where: Any) -> None:
        """Give `fault` to the next `count` matching requests (an `on_accept` fault: connections)."""
        with self._lock:
            if fault.on_accept:
                self._accept_faults.extend([fault] * count)
                return
            lasting = [i for i, rule in enumerate(self._rules) if rule.left is None]
            position = lasting[0] if lasting else len(self._rules)
            self._rules.insert(position, FaultRule(fault, left=count, **where))

    def always(self, fault: Fault, **where: Any) -> None:
        """Give `fault` to every matching request until `clear`."""
        if fault.on_accept:
            raise ValueError("a fault at accept needs a number of times")
        with self._lock:
            self._rules.append(FaultRule(fault, left=None, **where))

    def reply_with(self, *replies: ScriptedReply, when: Condition | None = None) -> None:
        """Set the next answers to inference requests that satisfy `when`, in order: texts or content blocks.

        Blocks are the API's own: `{"type": "tool_use", "id": …, "name": "Bash", "input": {…}}`
        makes the stop reason `tool_use`.
        """
        with self._lock:
            self._replies.append((when, list(replies)))

    def clear(self) -> None:
        """Remove all rules and replies; the profile stays."""
        with self._lock:
            self._rules.clear()
            self._accept_faults.clear()
            self._replies.clear()

    # --- reading -------------------------------------------------------------------------

    def on_accept(self) -> Fault | None:
        """Return the fault of the connection that was just accepted."""
        with self._lock:
            return self._accept_faults.pop(0) if self._accept_faults else None

    def fault(self, request: RequestView, account: str | None) -> Fault | None:
        """Return the fault of this request, which carries the credential of `account`."""
        with self._lock:
            for rule in self._rules:
                if rule.applies(request, account):
                    return rule.fault
            if self.profile is None or request.path != "/v1/messages":
                return None
            self._draws += 1
            return self.profile.draw(random.Random(f"{self.seed}/{self._draws}"))

    def reply(self, request: RequestView) -> ScriptedReply | None:
        """Return the next scripted reply for this request."""
        with self._lock:
            for condition, replies in self._replies:
                if replies and (condition is None or condition(request)):
                    return replies.pop(0)
            return None
