"""What a request does after a refusal, decided without a socket or a clock."""

from __future__ import annotations

import pytest

from teamclaude.proxy.forwarding.retry import (
    LARGE_PREFIX_TOKENS,
    Action,
    Refusal,
    RetryConditions,
    RetryState,
    next_step,
)
from teamclaude.routing.response_kinds import MEANINGS, NextStep, ResponseKind

NOW = RetryConditions()


def refused(kind: ResponseKind, status: int = 400, words: str = "no", trusted: bool = True) -> Refusal:
    return Refusal(kind, status, words, trusted)


def follow(*refusals: Refusal, now: RetryConditions = NOW) -> tuple[RetryState, list[Action]]:
    """The actions after each of these refusals."""
    state, actions = RetryState(), []
    for refusal in refusals:
        state, step = next_step(state, refusal, now)
        actions.append(step.action)
    return state, actions


CREDENTIAL = refused(ResponseKind.CREDENTIAL)
BARE = refused(ResponseKind.BARE, 429)


@pytest.mark.parametrize("kind", [kind for kind in ResponseKind if kind is not ResponseKind.SERVED])
def test_every_kind_leads_where_the_table_says(kind: ResponseKind) -> None:
    _, step = next_step(RetryState(), refused(kind), NOW)
    expected = {
        NextStep.RELAY: Action.RELAY,
        NextStep.OTHER_ACCOUNT: Action.OTHERS,
        NextStep.SAME_THEN_OTHER: Action.OTHERS,
        NextStep.HOP_ONCE: Action.ANOTHER,
        NextStep.EACH_ONCE: Action.ANOTHER,
        NextStep.RETRY_LATER: Action.AGAIN,
    }
    assert step.action is expected[MEANINGS[kind].next]


# --- suspicions --------------------------------------------------------------------------------------


def test_two_refusals_alike_settle_it_and_the_first_is_relayed() -> None:
    state, actions = follow(CREDENTIAL, CREDENTIAL)
    assert (actions, state.relay_index) == ([Action.ANOTHER, Action.RELAY], 0)


def test_refusals_that_differ_ask_a_third_account_and_the_pair_alike_is_believed() -> None:
    disabled = CREDENTIAL._replace(words="disabled", trusted=False)
    state, actions = follow(disabled, CREDENTIAL, CREDENTIAL)
    assert (actions, state.relay_index) == ([Action.ANOTHER, Action.ANOTHER, Action.RELAY], 1)


@pytest.mark.parametrize(("first", "second", "best"), [(False, True, 1), (True, False, 0), (False, False, 0)])
def test_of_two_that_differ_the_one_of_an_account_that_serves_others_is_believed(
    first: bool, second: bool, best: int
) -> None:
    state, _ = follow(
        CREDENTIAL._replace(words="x", trusted=first), CREDENTIAL._replace(words="y", trusted=second)
    )
    assert state.relay_index == best


def test_words_that_differ_in_ids_and_numbers_alone_are_alike() -> None:
    said = ("too long: 210000 tokens (req_011CSHo)", "too long: 210001 tokens (req_7f)")
    _, actions = follow(*(CREDENTIAL._replace(words=words) for words in said))
    assert actions == [Action.ANOTHER, Action.RELAY]


def test_what_doubtful_accounts_say_alike_settles_nothing_unless_others_were_asked_of_late() -> None:
    doubtful = CREDENTIAL._replace(doubtful=True)
    assert follow(*[doubtful] * 6)[1] == [Action.ANOTHER] * 6
    assert follow(doubtful, CREDENTIAL, CREDENTIAL)[1] == [Action.ANOTHER, Action.ANOTHER, Action.RELAY]
    assert follow(doubtful, doubtful, now=RetryConditions(may_doubt=False))[1] == [
        Action.ANOTHER,
        Action.RELAY,
    ]


def test_four_accounts_at_most_are_asked_whatever_they_say() -> None:
    _, actions = follow(*(CREDENTIAL._replace(words=words) for words in "abcd"))
    assert actions == [Action.ANOTHER] * 3 + [Action.RELAY]
    _, actions = follow(BARE, BARE, BARE, BARE)
    assert actions == [Action.ANOTHER] * 3 + [Action.RELAY]


def test_bare_429s_wait_longer_each_time_and_the_last_is_relayed() -> None:
    state, pauses = RetryState(), []
    for _ in range(3):
        state, step = next_step(state, BARE, NOW)
        pauses.append(step.pause)
    assert pauses == sorted(set(pauses))
    assert pauses[0] == 0.0
    assert state.relay_index == 2


def test_what_says_more_than_a_bare_429_is_relayed_before_it() -> None:
    state, _ = follow(BARE, CREDENTIAL, BARE)
    assert state.relay_index == 1


@pytest.mark.parametrize("refusal", [CREDENTIAL, BARE])
def test_what_others_have_just_refused_alike_goes_to_nobody_else(refusal: Refusal) -> None:
    _, actions = follow(refusal, now=NOW._replace(may_hop=False))
    assert actions == [Action.RELAY]


def test_what_is_not_found_is_looked_for_at_every_account() -> None:
    state, actions = follow(*[refused(ResponseKind.MISSING, 404)] * 9)
    assert (actions, state.relay_index) == ([Action.ANOTHER] * 9, 0)


# --- an overloaded API --------------------------------------------------------------------------------

OVERLOADED = refused(ResponseKind.OVERLOADED, 529)


def test_pauses_double_up_to_eight_seconds() -> None:
    state, pauses = RetryState(), []
    for _ in range(6):
        state, step = next_step(state, OVERLOADED, NOW._replace(budget=1000.0))
        pauses.append(step.pause)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


def test_jitter_takes_a_quarter_at_most() -> None:
    _, step = next_step(RetryState(), OVERLOADED, NOW._replace(jitter=0.0))
    assert step.pause == 0.375


@pytest.mark.parametrize(
    ("prefix", "elsewhere"),
    [
        (0, [False, True, False]),
        (LARGE_PREFIX_TOKENS - 1, [False, True, False]),
        (LARGE_PREFIX_TOKENS, [False, False, False]),
    ],
)
def test_the_second_retry_goes_elsewhere_unless_a_large_cache_would_be_written_anew(
    prefix: int, elsewhere: list[bool]
) -> None:
    state, steps = RetryState(), []
    for _ in range(3):
        state, step = next_step(state, OVERLOADED, NOW._replace(prefix=prefix))
        steps.append(step.elsewhere)
    assert steps == elsewhere


def test_a_large_cache_is_left_once_before_the_overload_is_told() -> None:
    spent = NOW._replace(prefix=200_000, elapsed=29.9)
    state, step = next_step(RetryState(), OVERLOADED, spent)
    assert step == (Action.AGAIN, 0.0, True)
    assert next_step(state, OVERLOADED, spent)[1].action is Action.RELAY


def test_off_the_inference_path_an_overload_is_relayed_at_once() -> None:
    _, actions = follow(OVERLOADED, now=NOW._replace(inference=False))
    assert actions == [Action.RELAY]
