"""What others use of an account, seen from its headers; and that nothing is told without proof."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.routing.quota.use_elsewhere import OwnUse, UseElsewhere
from teamclaude.routing.quota.windows import Window, Windows

HOUR = 3600.0
NOW = 1_800_000_000.0
SIZE = 10_000_000


class Account:
    """An account that this proxy and others use; its headers round to a hundredth."""

    def __init__(self, size: Optional[float] = SIZE) -> None:
        self.used_elsewhere, self.windows, self.size = UseElsewhere(), Windows(), size
        self.now, self.used, self.unmeasured = NOW, 0.1, 0
        self.resets_at = NOW + 5 * HOUR
        self.burns: list[tuple[float, int]] = []  # when answers ended, their tokens
        self.open_leases: list[int] = []

    def read(self) -> None:
        window = Window(round(self.used, 2), self.resets_at, None, self.now)
        self.windows.update({"5h": window}, self.now)
        own = OwnUse(self.burned_since(0.0), self.unmeasured, self.burned_since, self.open_leases)
        self.used_elsewhere.observe(self.windows, own, {"5h": self.size}, self.now)

    def burned_since(self, start: float) -> int:
        return sum(tokens for at, tokens in self.burns if at >= start)

    def go_on(self, hours: float, ours: float = 0.0, others: float = 0.0, cost: float = 1.0) -> None:
        """Use the account at these rates per hour; a token of ours costs `cost` times what is expected."""
        for _ in range(round(hours * 12)):
            self.now += 300.0
            self.burns.append((self.now, round(ours * SIZE / 12)))
            self.used += (ours * cost + others) / 12
            self.read()

    @property
    def rate(self) -> Optional[float]:
        return self.used_elsewhere.rate("5h", self.now)


@pytest.fixture
def account() -> Account:
    account = Account()
    account.read()
    return account


def test_a_rise_without_a_request_of_ours_is_theirs() -> None:
    account = Account(size=None)
    account.read()
    account.go_on(1.0, others=0.22)
    assert account.rate == pytest.approx(0.22, abs=0.01)


def test_what_our_own_tokens_explain_is_ours(account: Account) -> None:
    account.go_on(2.0, ours=0.3)
    assert account.rate is None
    account.go_on(1.0, ours=0.05, others=0.3)
    assert account.rate == pytest.approx(0.3 / 3, abs=0.01), "over the last three hours"


def test_tokens_that_cost_more_than_expected_are_no_others(account: Account) -> None:
    account.go_on(2.0, ours=0.1, cost=3.9)
    assert account.rate is None


def test_without_a_known_size_our_own_work_proves_nothing() -> None:
    account = Account(size=None)
    account.read()
    account.go_on(2.0, ours=0.01, others=0.3)
    assert account.rate is None


def test_an_answer_is_in_the_headers_of_the_next_one_only(account: Account) -> None:
    """A large answer has ended; its own headers are from before it, the next ones have it."""
    account.burns.append((account.now + 300.0, 2_000_000))
    account.go_on(1 / 12)
    account.used += 0.2
    account.go_on(1.0)
    assert account.rate is None


@pytest.mark.parametrize(("hours", "others"), [(2.0, 0.015), (0.4, 0.3), (1.0, 0.03)])
def test_little_or_short_use_is_not_told(account: Account, hours: float, others: float) -> None:
    account.go_on(hours, others=others)
    assert account.rate is None


def test_a_reset_in_between_is_no_use(account: Account) -> None:
    account.used = 0.0
    account.go_on(0.5)
    account.used, account.resets_at = 0.5, account.resets_at + 5 * HOUR
    account.go_on(0.5)
    assert account.rate is None


def test_an_answer_of_unknown_tokens_proves_nothing(account: Account) -> None:
    for _ in range(12):
        account.unmeasured += 1
        account.go_on(1 / 12, others=0.3)
    assert account.rate is None


def test_a_request_in_flight_may_have_used_it(account: Account) -> None:
    account.go_on(0.5, ours=0.01)
    account.open_leases.append(7)
    account.used += 0.2
    account.go_on(1.0, ours=0.01)
    assert account.rate is None, "it runs on"
    account.open_leases[:] = [8]
    account.burns.append((account.now, 2_000_000))
    account.go_on(1.0, ours=0.01)
    assert account.rate is None, "it has ended"


def test_what_runs_elsewhere_and_long_hides_nothing_for_ever(account: Account) -> None:
    account.open_leases.append(7)
    account.go_on(1.0, others=0.2)
    assert account.rate is None
    account.open_leases.clear()
    account.go_on(1 / 12, others=0.2)
    assert account.rate == pytest.approx(0.2, abs=0.01)


def test_an_old_estimate_is_forgotten(account: Account) -> None:
    account.go_on(1.0, others=0.2)
    assert account.rate is not None
    account.now += 4 * HOUR
    assert account.rate is None


def test_a_clock_that_is_set_back_forgets_what_came_after(account: Account) -> None:
    account.go_on(1.0, others=0.2)
    account.now -= 2 * HOUR
    account.read()
    assert account.rate is None


def test_it_is_asked_again_after_five_minutes(account: Account) -> None:
    assert account.used_elsewhere.next_at == account.now + 300.0


def test_the_week_has_a_threshold_of_its_own() -> None:
    windows, use = Windows(), UseElsewhere()
    for n in range(13):
        now = NOW + n * 1800.0
        windows.update({"7d": Window(0.2 + 0.01 * n, NOW + 86400.0 * 5, None, now)}, now)
        use.observe(windows, OwnUse(0, 0, lambda start: 0), {}, now)
    assert use.rate("7d", now) == pytest.approx(0.02, rel=0.01)
