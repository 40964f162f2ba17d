"""A fleet in virtual time: what every test of routing starts from.

A module's tests run under one policy, its `POLICY` or the default one.  A module with `EVERY_POLICY = True`
tests what no policy may change: there each test runs under all of them, the default first, or under those
that `only` names where the case itself is one of theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional, TypeVar, Union

import pytest

from teamclaude.accounts.config.config import RoutingConfig
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.quota.rate_limit_headers import read_windows
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import NO_USAGE, Usage
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.response_kinds import ResponseKind
from teamclaude.routing.state.account import Account, AccountSpec
from teamclaude.routing.state.decision import Decision, Lease, RoutingRequest, Wait

START = 1_800_000_000.0  # a round multiple of nothing: no test may depend on it
HOUR, DAY = 3600.0, 86400.0
DEFAULT = RoutingConfig().policy
EVERY = (DEFAULT, *(name for name in POLICIES if name != DEFAULT))
# The other two move warm conversations: that is their idea.
STAYING = tuple(name for name in EVERY if name not in ("threshold", "round-robin"))
UNIFIED = "anthropic-ratelimit-unified-"


class Pool:
    """Accounts named by their key, and a clock that moves when told to."""

    policy = DEFAULT

    def __init__(
        self, *accounts: Union[str, AccountSpec], rules: Optional[Rules] = None, proven: bool = True
    ):
        self.now = START
        self.fleet = Fleet(rules or Rules(), POLICIES[self.policy]())
        self.specs = [a if isinstance(a, AccountSpec) else AccountSpec(a, a) for a in accounts]
        self.fleet.configure(self.specs)
        for account in self.fleet.accounts.values():
            account.proven = proven

    def __getitem__(self, name: str) -> Account:
        return self.fleet.accounts[name]

    def wait(self, seconds: float) -> None:
        self.now += seconds

    # --- what is known of an account ------------------------------------------------------------

    def quota(
        self,
        name: str,
        axis: str,
        used: Optional[float] = None,
        resets_in: Optional[float] = None,
        status: Optional[str] = None,
    ) -> None:
        """Account `name` is known to have used this share of `axis`."""
        resets_at = None if resets_in is None else self.now + resets_in
        self[name].windows.update({axis: Window(used, resets_at, status, self.now)}, self.now)

    def week(self, resets_in: float = 5 * DAY, **used: float) -> None:
        for name, share in used.items():
            self.quota(name, "7d", share, resets_in)

    def five_hours(self, resets_in: float = 3 * HOUR, **used: float) -> None:
        for name, share in used.items():
            self.quota(name, "5h", share, resets_in)

    # --- requests -------------------------------------------------------------------------------

    def ask(self, session: Optional[str] = None, **more: Any) -> RoutingRequest:
        return RoutingRequest(session, **more)

    def choose(self, session: Optional[str] = None, waited: float = 0.0, **more: Any) -> Decision:
        return self.fleet.choose(RoutingRequest(session, **more), self.now, waited)

    def admit(self, session: Optional[str] = None, waited: float = 0.0, **more: Any) -> Lease | Wait:
        return self.fleet.admit(RoutingRequest(session, **more), self.now, waited)

    def lease(self, session: Optional[str] = None, waited: float = 0.0, **more: Any) -> Lease:
        got = self.admit(session, waited, **more)
        assert isinstance(got, Lease), got
        return got

    def busy(self, name: str, requests: int) -> list[Lease]:
        """Requests in flight on one account."""
        self[name].proven, proven = True, self[name].proven
        leases = [self.lease(f"busy-{name}-{n}", pin=name) for n in range(requests)]
        self[name].proven = proven
        return leases

    def bind(self, session: str, name: str, **more: Any) -> None:
        """A conversation that is warm on `name` with nothing in flight."""
        self.settle(self.lease(session, pin=name, **more), served=True)

    def answer(self, lease: Lease, status: int = 200, *headers: tuple[str, str], **more: Any) -> ResponseKind:
        return self.fleet.record_response(lease, status, self.read(*headers), self.now, **more)

    def settle(
        self, lease: Lease, usage: Usage = NO_USAGE, model: Optional[str] = None, served: bool = False
    ) -> None:
        self.fleet.settle_lease(lease, self.now, usage, model, served)

    def serve(self, session: Optional[str] = None, usage: Usage = NO_USAGE, **more: Any) -> str:
        """One request from admission to its complete answer; returns the account."""
        lease = self.lease(session, **more)
        self.answer(lease)
        self.settle(lease, usage, served=True)
        return lease.account

    def read(self, *headers: tuple[str, str]) -> QuotaReading:
        return read_windows(headers, self.now)


def unified(**fields: Any) -> list[tuple[str, str]]:
    """`unified(status="rejected", **{"5h-reset": 5})` as headers; `__` in a name reads as `-`."""
    return [(UNIFIED + name.replace("__", "-"), str(value)) for name, value in fields.items()]


T = TypeVar("T", bound=Callable[..., Any])


def only(*policies: str) -> Callable[[T], T]:
    """The test is run under these policies alone."""

    def mark(test: T) -> T:
        test.policies = policies  # type: ignore[attr-defined]
        return test

    return mark


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if getattr(metafunc.module, "EVERY_POLICY", False) and "policy" in metafunc.fixturenames:
        metafunc.parametrize("policy", getattr(metafunc.function, "policies", EVERY))


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> str:
    return getattr(request.module, "POLICY", DEFAULT)


@pytest.fixture(name="make_pool")
def pool_type(policy: str) -> type[Pool]:
    return type("Pool", (Pool,), {"policy": policy})


@pytest.fixture(name="unified")
def unified_headers() -> Any:
    return unified
