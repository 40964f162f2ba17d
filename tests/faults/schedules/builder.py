"""The builder of a schedule: collects accounts, clients, troubles and events from one random generator."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

from teamclaude.fakeapi.fault import Fault
from tests.faults.schedules.plan import MODELS, Client, Event, PlannedAccount, Request, Trouble

__all__ = ["NAMES", "ScheduleBuilder", "ordinary"]

NAMES = ("alice", "bob", "carol", "dave")
_SESSIONS = ("s-one", "s-two", "s-three")

_Maker = Callable[[random.Random], Fault]


@dataclass
class ScheduleBuilder:
    """The parts of a schedule; themes add to them, and draw from `rng` only."""

    rng: random.Random
    accounts: list[PlannedAccount] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    kind: str = ""  # of the theme `kinds`

    def __post_init__(self) -> None:
        self.config.update(_times(self.rng))

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def add_accounts(self, low: int = 1, high: int = 3) -> None:
        """Add accounts of the main API."""
        self.accounts += [PlannedAccount(name) for name in NAMES[: self.rng.randint(low, high)]]

    def any_account(self) -> str:
        return self.rng.choice(self.accounts).name

    def add_client(self, *requests: Request, **changes: Any) -> None:
        """Add a client with these requests, or with one to three ordinary ones."""
        rng = self.rng
        if not requests:
            requests = tuple(ordinary(rng) for _ in range(rng.choice([1, 1, 2, 3])))
        values: dict[str, Any] = {
            "session": rng.choice(_SESSIONS),
            "at": rng.choice([0.0, 0.0, 0.005, 0.02]),
            "subscription": self.chance(0.3),
            "tries": rng.choice([1, 1, 2, 3]),
        }
        self.clients.append(Client(requests=tuple(requests), **{**values, **changes}))

    def add_trouble(self, make: _Maker, account: Optional[str] = None, **more: Any) -> None:
        fault = make(self.rng)
        if fault.on_accept:
            self.troubles.append(Trouble(fault, count=self.rng.choice([1, 1, 2, 4])))
            return
        values: dict[str, Any] = {
            "account": account if account is not None or self.chance(0.5) else self.any_account(),
            "count": self.rng.choice([1, 1, 1, 2, 3, None]),
            "nth": self.rng.choice([1, 1, 1, 2]),
            "path": "/v1/messages" if self.chance(0.9) else None,
        }
        self.troubles.append(Trouble(fault, **{**values, **more}))

    def add_event(self, what: str, *args: Any, at: Optional[float] = None) -> None:
        self.events.append(Event(round(self.rng.uniform(0.0, 0.06), 4) if at is None else at, what, args))


def ordinary(rng: random.Random) -> Request:
    """Return a request as clients send it, in some variety."""
    kind = rng.choices(["messages", "count", "models", "profile"], [20, 2, 1, 1])[0]
    return Request(
        kind=kind,
        stream=rng.random() < 0.75,
        model=rng.choices(MODELS, [4, 1])[0],
        chunked=rng.random() < 0.08,
        expects=rng.random() < 0.04,
        version="1.0" if rng.random() < 0.08 else "1.1",
        reads="slow" if rng.random() < 0.06 else "all",
        bad_json=rng.random() < 0.03,
        pause=rng.choice([0.0, 0.0, 0.01]),
        fresh=rng.random() < 0.2,
    )


def _times(rng: random.Random) -> dict[str, Any]:
    """Return timeouts: real seconds for sockets; fast-clock seconds for holds, benches and slots."""
    return {
        "connectTimeoutSec": 0.2,
        "headTimeoutSec": 0.12,
        "bodyIdleTimeoutSec": 0.12,
        "headerReadSec": 0.3,
        "bodyReadIdleSec": 0.15,
        "writeIdleSec": 0.25,
        "drainSec": 0.15,
        "upstreamRetryBudgetSec": rng.choice([0.0, 0.05, 0.1]),
        "allThrottledHoldBudgetSec": rng.choice([0, 8, 20]),
        "holdCommitSec": rng.choice([0.02, 0.05, 30.0]),
        "apikeyFallbackDeadlineSec": rng.choice([3, 290]),
        "maxInflightPerAccount": rng.choice([1, 2, 5]),
        "slotWaitSec": 1.0,
        "backoffSec": 2.0,
        "backoffCapSec": 8.0,
        "logRequests": rng.random() < 0.2,
    }
