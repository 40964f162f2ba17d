from __future__ import annotations

from teamclaude.routing.quota.burn import Burn

HOUR, DAY = 3600.0, 86400.0
NOW = 1_800_000_000.0  # a bucket begins here


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
    for step in range(3000):
        now = step * 400.0
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
