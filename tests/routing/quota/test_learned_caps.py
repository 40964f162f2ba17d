"""What an account has burned, and what its windows can take, learned from its own answers."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from teamclaude.routing.quota.learned_caps import FOREIGN_RISE_7D, Burn, LearnedCap
from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.quota.windows import Window

HOUR, DAY = 3600.0, 86400.0
NOW = 1_800_000_000.0  # a bucket of burned tokens begins here
ALPHA = 0.3


class Account:
    """An account that burns tokens; its headers round to a hundredth."""

    def __init__(self, cap: LearnedCap) -> None:
        self.cap = cap
        self.used, self.burned, self.resets_at = 0.0, 0, 18_000.0

    def next_window(self) -> None:
        self.resets_at += 5 * HOUR
        self.used = 0.0

    def use_windows(self, count: int, share: float, size: int) -> None:
        """Burn a share of each of the next windows."""
        for _ in range(count):
            self.next_window()
            self.burn(share, size)

    def burn(self, share: float, size: int, by_others: float = 0.0) -> None:
        """Burn `share` of a window of `size` tokens in responses of half a percent; others use it at once."""
        for _ in range(round(share / 0.005)):
            self.used += 0.005
            self.burned += round(0.005 * size)
            self.cap.observe(Window(round(self.used, 2), self.resets_at), self.burned)
        self.used += by_others
        self.cap.observe(Window(round(self.used, 2), self.resets_at), self.burned)


@pytest.fixture
def account() -> Account:
    return Account(LearnedCap(FOREIGN_RISE_7D))


# --- size -------------------------------------------------------------------------------------


def test_nothing_is_known_at_first() -> None:
    assert LearnedCap().estimate(0.0) is None


def test_a_window_is_as_large_as_what_was_burned_while_it_rose(account: Account) -> None:
    account.burn(0.07, 4_000_000)
    assert account.cap.estimate(0.0) is None  # the rounding of headers hides too much
    account.burn(0.23, 4_000_000)
    assert account.cap.estimate(0.0) == pytest.approx(4_000_000, rel=0.1)


def test_what_was_used_before_the_first_answer_is_not_ours(account: Account) -> None:
    account.used = 0.5
    account.burn(0.3, 4_000_000)
    assert account.cap.size == pytest.approx(4_000_000, rel=0.1)


def test_what_others_use_at_a_stroke_makes_no_account_smaller(account: Account) -> None:
    account.burn(0.3, 4_000_000)
    account.burn(0.02, 4_000_000, by_others=0.3)
    account.burn(0.2, 4_000_000)
    assert account.cap.size == pytest.approx(4_000_000, rel=0.1)


def test_nor_one_whose_size_is_not_known_yet(account: Account) -> None:
    account.burn(0.03, 4_000_000, by_others=0.3)
    assert account.cap.size is None
    account.burn(0.2, 4_000_000)
    assert account.cap.size == pytest.approx(4_000_000, rel=0.1)


def test_a_new_window_is_measured_anew(account: Account) -> None:
    account.burn(0.2, 1_000_000)
    account.use_windows(1, 0.05, 1_000_000)
    assert account.cap.size == pytest.approx(1_000_000, rel=0.1)


def test_a_window_that_began_with_requests_in_flight_decides_little(account: Account) -> None:
    account.use_windows(3, 0.6, 4_000_000)
    account.next_window()
    account.burned += 1_500_000  # of the window before: known only now
    account.burn(0.3, 4_000_000)
    assert account.cap.size == pytest.approx(4_000_000, rel=0.35)  # by itself it says 9,000,000
    account.use_windows(1, 0.6, 4_000_000)
    assert account.cap.size == pytest.approx(4_000_000, rel=0.25)


def test_a_window_that_rose_little_says_less_than_one_that_was_used_up(account: Account) -> None:
    account.burn(0.9, 4_000_000)
    account.use_windows(4, 0.1, 2_500_000)
    assert account.cap.size == pytest.approx(4_000_000, rel=0.1)


def test_a_larger_plan_is_found_within_its_first_window(account: Account) -> None:
    account.use_windows(10, 0.9, 1_000_000)
    account.use_windows(1, 0.45, 5_000_000)
    assert account.cap.size == pytest.approx(5_000_000, rel=0.1)


def test_a_smaller_plan_is_found_slowly(account: Account) -> None:
    account.use_windows(2, 0.9, 5_000_000)
    account.use_windows(8, 0.9, 1_000_000)
    assert account.cap.size == pytest.approx(1_000_000, rel=0.7)


def test_after_a_restart_one_window_does_not_outweigh_all_before(account: Account) -> None:
    account.use_windows(3, 0.6, 4_000_000)
    saved = LenientObject(account.cap.to_json(), "x", [])
    account.cap = LearnedCap.from_json(saved, FOREIGN_RISE_7D)
    account.use_windows(1, 0.2, 6_000_000)
    assert account.cap.size == pytest.approx(4_000_000, rel=0.1)


def test_a_reset_that_jitters_is_the_same_window(account: Account) -> None:
    account.burn(0.05, 1_000_000)
    account.resets_at += 0.4
    account.burn(0.05, 1_000_000)
    assert account.cap.size == pytest.approx(1_000_000, rel=0.1)


def test_a_utilization_that_falls_begins_anew(account: Account) -> None:
    account.burn(0.5, 1_000_000)
    account.used = 0.0
    account.burn(0.05, 9_000_000)
    assert account.cap.size == pytest.approx(1_000_000, rel=0.1)


def test_a_window_without_a_reset_teaches_no_size() -> None:
    cap = LearnedCap()
    cap.observe(Window(0.1, None), 0)
    cap.observe(Window(0.5, None), 10_000)
    assert cap.size is None


def test_a_guess_is_raised_to_what_was_burned_under_a_small_rise(account: Account) -> None:
    assert account.cap.at_least(7.0) == 7.0
    account.burn(0.05, 20_000_000)
    assert (account.cap.at_least(1_000_000.0) or 0.0) > 10_000_000
    assert account.cap.at_least(None) is None


# --- ceiling ----------------------------------------------------------------------------------


def test_the_burn_at_a_refusal_is_the_first_ceiling_and_later_ones_are_smoothed() -> None:
    estimate = LearnedCap()
    estimate.record_429(1000, ALPHA, 0.0)
    assert estimate.estimate(0.0) == 1000
    estimate.record_429(2000, ALPHA, 0.0)
    assert estimate.estimate(0.0) == pytest.approx(0.3 * 2000 + 0.7 * 1000)


def test_a_refusal_before_anything_was_burned_teaches_nothing() -> None:
    estimate = LearnedCap()
    estimate.record_429(0, ALPHA, 0.0)
    assert estimate.estimate(0.0) is None


def test_a_success_above_the_ceiling_raises_it() -> None:
    estimate = LearnedCap()
    estimate.record_429(1000, ALPHA, 0.0)
    estimate.record_success(1500, 0.0)
    assert estimate.estimate(0.0) == 1500
    estimate.record_success(900, 0.0)
    assert estimate.estimate(0.0) == 1500


def test_the_ceiling_fades_towards_the_largest_success_with_a_half_life_of_a_day() -> None:
    estimate = LearnedCap()
    estimate.record_success(600, 0.0)
    estimate.record_429(1000, ALPHA, 5 * DAY)
    assert [estimate.estimate(days * DAY) for days in (5, 6, 7)] == [1000, 800, 700]
    assert estimate.estimate(0.0) == 1000  # a clock set back makes nothing grow


def test_from_below_it_fades_upwards() -> None:
    estimate = LearnedCap()
    estimate.record_success(1000, 0.0)
    estimate.record_429(600, ALPHA, 0.0)
    assert estimate.estimate(DAY) == 800


def test_the_size_is_better_known_than_the_ceiling(account: Account) -> None:
    account.burn(0.2, 10_000)
    account.cap.record_429(5000, ALPHA, 0.0)
    assert account.cap.estimate(0.0) == pytest.approx(10_000, rel=0.1)


def test_what_is_stored_comes_back(account: Account) -> None:
    account.burn(0.2, 10_000)
    account.cap.record_success(700, 5.0)
    account.cap.record_429(5000, ALPHA, 7.0)
    restored = LearnedCap.from_json(LenientObject(account.cap.to_json(), "x", []), FOREIGN_RISE_7D)
    assert restored == account.cap


def test_the_samples_of_an_older_file_are_its_size() -> None:
    lost: list[str] = []
    old = LenientObject({"samples": [900.0, 1000.0, 5000.0], "anchor": [0.1, 2, 3]}, "x", lost)
    assert LearnedCap.from_json(old, FOREIGN_RISE_7D).size == 1000.0
    assert lost == []
    assert LearnedCap.from_json(LenientObject({"size": -1}, "x", lost), FOREIGN_RISE_7D).size is None
    assert lost == ["x: size: not an amount: it is negative"]


# --- burned tokens ----------------------------------------------------------------------------


def burn(*spent):
    made = Burn()
    for ago, tokens in sorted(spent, reverse=True):
        made.add(tokens, NOW - ago)
    return made


def test_with_a_known_reset_the_burn_of_the_running_window_counts():
    made = burn((4 * HOUR, 1000), (2 * HOUR, 200), (0, 30))
    assert made.tokens_in_window(5 * HOUR, NOW + 2 * HOUR, NOW) == 230  # began three hours ago
    assert made.tokens_in_window(5 * HOUR, NOW + 4.9 * HOUR, NOW) == 30


def test_without_a_reset_the_last_five_hours_count():
    made = burn((6 * HOUR, 1000), (4 * HOUR, 200), (0, 30))
    assert made.tokens_in_window(5 * HOUR, None, NOW) == 230


def test_after_a_reset_only_what_was_burned_since_it_counts():
    made = burn((6 * HOUR, 1000), (4 * HOUR, 200), (HOUR, 30), (0, 7))
    assert made.tokens_in_window(5 * HOUR, NOW - 2 * HOUR, NOW) == 37
    assert made.tokens_in_window(5 * HOUR, NOW - 6 * HOUR, NOW) == 237  # no window is longer than its length


def test_a_reset_in_the_middle_of_a_bucket_cuts_it():
    made, reset = Burn(), NOW + 100
    made.add(1000, reset - 1, None)
    assert made.tokens_in_window(5 * HOUR, reset, reset) == 0
    made.add(20, reset, reset)
    made.add(3, reset + 30, reset)
    assert made.tokens_in_window(5 * HOUR, reset, reset + 30) == 23
    made.add(4, reset + 400, reset)
    assert made.tokens_in_window(5 * HOUR, reset, reset + 400) == 27
    assert made.tokens_in_window(5 * HOUR, None, reset + 400) == 1027


def test_tokens_add_up_in_buckets_of_five_minutes():
    made = burn((299, 1), (1, 2), (0, 4))
    assert made.to_json() == [(5_999_999, 3), (6_000_000, 4)]
    assert made.tokens_since(NOW, NOW) == 4
    assert made.tokens_since(NOW - 1, NOW) == 7


def test_nothing_and_less_than_nothing_leave_no_bucket():
    made = burn((0, 0), (0, -5))
    assert made.to_json() == []


def test_a_week_is_kept():
    made = burn((7 * DAY + 600, 1), (7 * DAY - 600, 20), (0, 300))
    assert made.tokens_since(0.0, NOW) == 320
    assert len(made.to_json()) == 2


def test_burn_after_now_does_not_count_when_the_clock_moved_back():
    made = burn((0, 5))
    made.add(7, NOW - DAY)
    assert made.tokens_in_window(5 * HOUR, None, NOW - DAY) == 7


def test_stored_buckets_come_back():
    made = burn((HOUR, 5), (0, 6))
    assert Burn(made.to_json()).to_json() == made.to_json()


def test_many_buckets_sum_the_same_either_way():
    made = burn(*((n * 300, n) for n in range(2000)))
    assert made.tokens_since(NOW - 10 * 300, NOW) == sum(range(11))
    assert made.tokens_since(0.0, NOW) == sum(range(2000))


def test_sums_that_are_asked_again_keep_up_with_what_is_added():
    made, day = Burn(), 86400
    plain: dict[int, int] = {}
    now = 0.0
    for step in range(800):
        now += (100.0, 400.0, 2600.0)[step % 3]  # 9 days in all
        made.add(step % 7, now)
        plain[int(now // 300)] = plain.get(int(now // 300), 0) + step % 7
        for start in (now - 18_000, now - 7 * day, now // day * day):
            first = max(int(start // 300), int(now // 300) - 7 * day // 300)
            assert made.tokens_since(start, now) == sum(n for i, n in plain.items() if first <= i)


def test_a_clock_that_was_set_back_sees_no_bucket_of_the_future():
    made = Burn([(10, 5), (20, 7)])
    assert made.tokens_since(0.0, 20 * 300.0) == 12
    assert made.tokens_since(0.0, 10 * 300.0) == 5
    made.add(1, 10 * 300.0)
    assert made.tokens_since(0.0, 20 * 300.0) == 13


def test_what_is_forgotten_leaves_the_sums_of_the_rest_right():
    made = burn((8 * DAY, 1000), (DAY, 20), (0, 3))
    assert made.to_json()[0][1] == 20
    assert (made.tokens_since(0.0, NOW), made.tokens_since(NOW - HOUR, NOW)) == (23, 3)


def test_a_late_bucket_is_put_between_the_others():
    made = burn((2 * HOUR, 1), (0, 4))
    made.add(2, NOW - HOUR)
    made.add(2, NOW - HOUR)
    assert [tokens for _, tokens in made.to_json()] == [1, 4, 4]
    assert (made.tokens_since(NOW - HOUR, NOW), made.tokens_since(NOW - 300, NOW)) == (8, 4)


@pytest.mark.parametrize("seed", range(20))
def test_sums_hold_whatever_the_order_of_times_and_questions(seed: int) -> None:
    some, burn, now = random.Random(seed), Burn(), NOW
    burned: Counter[int] = Counter()
    for _ in range(300):
        now += some.choice([0.0, 20.0, 200.0, 900.0, HOUR, -600.0])
        if some.random() < 0.6:
            burn.add(7, now)
            burned[int(now // 300)] += 7
        start = now - some.choice([0.0, 299.0, HOUR, 5 * HOUR])
        first, last = int(start // 300), int(now // 300)
        expected = sum(tokens for bucket, tokens in burned.items() if first <= bucket <= last)
        assert burn.tokens_since(start, now) == expected
