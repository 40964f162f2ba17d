"""What a request does after a failed attempt, decided without a socket or a clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Optional, Union

import pytest

from teamclaude.proxy.forwarding.retry import (
    FIRST_BACKOFF_SEC,
    HOP_PAUSES_SEC,
    LARGE_PREFIX_TOKENS,
    MAX_ACCOUNTS,
    MAX_BACKOFF_SEC,
    MAX_STAYING_429S,
    MAX_STREAM_ERRORS,
    Action,
    AttemptResult,
    Failure,
    RetryConditions,
    RetryState,
    Step,
    next_step,
)
from teamclaude.routing.response_kinds import MEANINGS, NextStep, ResponseKind

NOW = RetryConditions()
Kind = Union[ResponseKind, Failure]
AMBIGUOUS = {ResponseKind.BARE, ResponseKind.CREDENTIAL, ResponseKind.MISSING, ResponseKind.SIDE_429}
OVERLOADS = {ResponseKind.OVERLOADED, ResponseKind.OUTAGE}
STREAM_ERRORS = {Failure.STREAM_LIMIT, Failure.STREAM_ERROR}


def refused(
    kind: Kind, status: int = 400, message: str = "no", trusted: bool = True, account: str = "a"
) -> AttemptResult:
    return AttemptResult(kind, account, status, message, trusted)


def follow(*results: AttemptResult, now: RetryConditions = NOW) -> tuple[RetryState, list[Action]]:
    """Return the state and the actions after these results, each of an account of its own."""
    state, actions = RetryState(), []
    for number, result in enumerate(results):
        state, step = next_step(state, result._replace(account=f"a{number}"), now)
        actions.append(step.action)
    return state, actions


CREDENTIAL = refused(ResponseKind.CREDENTIAL)
BARE = refused(ResponseKind.BARE, 429)

# --- every state × every kind ------------------------------------------------------------------------

KINDS: list[Kind] = [kind for kind in ResponseKind if kind is not ResponseKind.SERVED]
KINDS += list(Failure)
CONDITIONS = [
    NOW,
    NOW._replace(inference=False),
    NOW._replace(elapsed=29.9),
    NOW._replace(prefix=LARGE_PREFIX_TOKENS),
    NOW._replace(prefix=LARGE_PREFIX_TOKENS, elapsed=29.9),
    NOW._replace(may_hop=False),
    NOW._replace(may_doubt=False),
    NOW._replace(account_open=True),
    NOW._replace(stays=True),
    NOW._replace(stays=True, elapsed=29.9),
]
DEPTH = 4  # attempts: with four of a kind every limit of the table is reached
# Where four are looked at: all others reach with three what they change.
DEEP = (NOW, NOW._replace(may_doubt=False), NOW._replace(stays=True))


def results() -> Iterator[AttemptResult]:
    for kind in KINDS:
        yield AttemptResult(kind, "a", 400, "no")
    for kind in (ResponseKind.UNAUTHORIZED, ResponseKind.CREDENTIAL, Failure.TOKEN_STALE):
        yield AttemptResult(kind, "b", 400, "no")
    yield AttemptResult(ResponseKind.CREDENTIAL, "c", 400, "another message")
    yield AttemptResult(ResponseKind.CREDENTIAL, "d", 400, "no", doubtful=True)


def reachable(now: RetryConditions) -> Iterator[tuple[RetryState, AttemptResult, RetryState, Step]]:
    """Every transition of every state that up to DEPTH attempts lead to."""
    every, most = list(results()), DEPTH if now in DEEP else DEPTH - 1
    states, seen = deque([(RetryState(), 0)]), {RetryState()}
    while states:
        state, depth = states.popleft()
        for result in every:
            after, step = next_step(state, result, now)
            yield state, result, after, step
            if depth + 1 < most and after not in seen and step.action not in (Action.RELAY, Action.RAISE):
                seen.add(after)
                states.append((after, depth + 1))


def expected(state: RetryState, result: AttemptResult, now: RetryConditions) -> Step:
    """The table of the module, written down once more."""
    kind, account = result.kind, result.account
    waits = now.stays and kind is ResponseKind.BARE and state.overloads < MAX_STAYING_429S
    if kind in AMBIGUOUS and not waits:
        asked = len(state.ambiguous) + 1
        if not now.may_hop or is_settled(state, result, now):
            return Step(Action.RELAY)
        pause = HOP_PAUSES_SEC[min(asked, len(HOP_PAUSES_SEC)) - 1] if kind is ResponseKind.BARE else 0.0
        return Step(Action.ANOTHER, pause)
    if kind in OVERLOADS or waits:
        pause = min(MAX_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2**state.overloads)
        if not now.inference:
            return Step(Action.RELAY)
        if now.elapsed + pause > now.budget:
            ends = state.tried_elsewhere or now.stays
            return Step(Action.RELAY) if ends else Step(Action.AGAIN, 0.0, account)
        elsewhere = state.overloads == 1 and now.prefix < LARGE_PREFIX_TOKENS and not now.stays
        return Step(Action.AGAIN, pause, account if elsewhere else "")
    if kind in STREAM_ERRORS:
        lasts = kind is Failure.STREAM_LIMIT or state.stream_errors + 1 == MAX_STREAM_ERRORS
        return Step(Action.AGAIN, FIRST_BACKOFF_SEC, account if lasts and not now.stays else "")
    if kind is Failure.TOKEN_STALE and account not in state.skipped:
        return Step(Action.AGAIN, 0.0, account)
    if kind is ResponseKind.UNAUTHORIZED:
        return Step(Action.OTHERS if account in state.refreshed else Action.REFRESH)
    if kind is Failure.BODY_LOST:
        return Step(Action.RAISE if state.lost_bodies else Action.AGAIN)
    return Step(FIXED[kind])


FIXED: dict[Kind, Action] = {
    ResponseKind.QUOTA: Action.OTHERS,
    ResponseKind.MODEL_QUOTA: Action.OTHERS,
    ResponseKind.OVERAGE: Action.OTHERS,
    ResponseKind.TOLD_TO_WAIT: Action.OTHERS,
    ResponseKind.FORBIDDEN: Action.OTHERS,
    ResponseKind.SIDE_403: Action.OTHERS,
    ResponseKind.REQUEST: Action.RELAY,
    Failure.TOKEN_STALE: Action.REFRESH,
    Failure.LOGIN_ENDED: Action.OTHERS,
    Failure.REMOVED: Action.ANOTHER,
    Failure.NO_ROUTE: Action.ANOTHER,
    Failure.NO_ANSWER: Action.RAISE,
    Failure.SILENT: Action.RAISE,
    Failure.CUT: Action.RAISE,
}


def is_settled(state: RetryState, result: AttemptResult, now: RetryConditions) -> bool:
    if result.kind is ResponseKind.MISSING:
        return False
    if result.kind is ResponseKind.BARE:
        return len(state.ambiguous) + 1 >= MAX_ACCOUNTS
    alike = [r for r in (*state.ambiguous, result) if r.is_like(result)]
    doubtful = sum(r.doubtful for r in alike) if now.may_doubt else 0
    return len(alike) - doubtful >= 2 or (not doubtful and len(state.ambiguous) + 1 >= MAX_ACCOUNTS)


@pytest.mark.parametrize("now", CONDITIONS, ids=str)
def test_every_kind_in_every_state_takes_the_step_of_the_table(now: RetryConditions) -> None:
    for state, result, _, step in reachable(now):
        assert step == expected(state, result, now), (state, result)


def test_a_state_only_grows_and_says_what_happened() -> None:
    kinds = set()
    for state, result, after, step in reachable(NOW._replace(account_open=True)):
        kinds.add(result.kind)
        assert after.ambiguous[: len(state.ambiguous)] == state.ambiguous
        assert set(after.excluded) >= set(state.excluded)
        assert after.auth_failed >= state.auth_failed
        assert (result.account in after.excluded) or step.action is not Action.ANOTHER
        if after == state:  # another attempt alike would be taken again and again
            assert step.action in (Action.RELAY, Action.RAISE, Action.OTHERS, Action.ANOTHER, Action.REFRESH)
    assert kinds == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_kind_is_retried_for_ever(kind: Kind) -> None:
    """Every account asked says the same: the request ends, or no account is left to ask."""
    accounts = [f"a{number}" for number in range(6)]
    state, last = RetryState(), Step(Action.AGAIN)
    now = NOW._replace(account_open=True)
    for number in range(100):
        free = [a for a in accounts if a not in state.excluded and a not in state.auth_failed]
        if last.action in (Action.RELAY, Action.RAISE) or not free:
            return
        result = refused(kind, account=free[0])
        state, last = next_step(state, result, now._replace(elapsed=float(number)))
        if kind is ResponseKind.UNAUTHORIZED and last.action is Action.OTHERS:
            state, last = next_step(state, refused(Failure.LOGIN_ENDED, account=free[0]), now)
    assert kind in (*STREAM_ERRORS, Failure.TOKEN_STALE), "a third stream is relayed; a token is waited for"


def test_a_failure_on_an_open_account_excludes_it_and_on_a_benched_one_does_not() -> None:
    quota = refused(ResponseKind.QUOTA, 429)
    assert next_step(RetryState(), quota, NOW)[0].excluded == ()
    assert next_step(RetryState(), quota, NOW._replace(account_open=True))[0].excluded == ("a",)


@pytest.mark.parametrize("kind", [kind for kind in ResponseKind if kind is not ResponseKind.SERVED])
def test_every_kind_takes_the_step_its_meaning_names(kind: ResponseKind) -> None:
    _, step = next_step(RetryState(), refused(kind), NOW)
    actions = {
        NextStep.RELAY: Action.RELAY,
        NextStep.OTHER_ACCOUNT: Action.OTHERS,
        NextStep.SAME_THEN_OTHER: Action.REFRESH,
        NextStep.HOP_ONCE: Action.ANOTHER,
        NextStep.EACH_ONCE: Action.ANOTHER,
        NextStep.RETRY_LATER: Action.AGAIN,
    }
    assert step.action is actions[MEANINGS[kind].next]


# --- the account's fault or the request's ------------------------------------------------------------


def test_two_refusals_alike_settle_it_and_the_first_is_relayed() -> None:
    state, actions = follow(CREDENTIAL, CREDENTIAL)
    assert (actions, state.relay_index) == ([Action.ANOTHER, Action.RELAY], 0)


def test_refusals_that_differ_ask_a_third_account_and_the_pair_alike_is_believed() -> None:
    disabled = CREDENTIAL._replace(message="disabled", trusted=False)
    state, actions = follow(disabled, CREDENTIAL, CREDENTIAL)
    assert (actions, state.relay_index) == ([Action.ANOTHER, Action.ANOTHER, Action.RELAY], 1)


@pytest.mark.parametrize(("first", "second", "best"), [(False, True, 1), (True, False, 0), (False, False, 0)])
def test_of_two_that_differ_the_one_of_an_account_that_serves_others_is_believed(
    first: bool, second: bool, best: int
) -> None:
    state, _ = follow(
        CREDENTIAL._replace(message="x", trusted=first), CREDENTIAL._replace(message="y", trusted=second)
    )
    assert state.relay_index == best


def test_messages_that_differ_in_ids_and_numbers_alone_are_alike() -> None:
    messages = ("too long: 210000 tokens (req_011CSHo)", "too long: 210001 tokens (req_7f)")
    _, actions = follow(*(CREDENTIAL._replace(message=message) for message in messages))
    assert actions == [Action.ANOTHER, Action.RELAY]


def test_what_doubtful_accounts_say_alike_settles_nothing_unless_others_were_asked_of_late() -> None:
    doubtful = CREDENTIAL._replace(doubtful=True)
    assert follow(*[doubtful] * 6)[1] == [Action.ANOTHER] * 6
    assert follow(doubtful, CREDENTIAL, CREDENTIAL)[1] == [Action.ANOTHER, Action.ANOTHER, Action.RELAY]
    in_vain = RetryConditions(may_doubt=False)
    assert follow(doubtful, doubtful, now=in_vain)[1] == [Action.ANOTHER, Action.RELAY]


def test_four_accounts_at_most_are_asked_whatever_they_say() -> None:
    _, actions = follow(*(CREDENTIAL._replace(message=message) for message in "abcd"))
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


@pytest.mark.parametrize("result", [CREDENTIAL, BARE])
def test_what_others_have_just_refused_alike_goes_to_no_other_account(result: AttemptResult) -> None:
    _, actions = follow(result, now=NOW._replace(may_hop=False))
    assert actions == [Action.RELAY]


def test_what_is_not_found_is_asked_of_every_account() -> None:
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
    ("prefix", "avoided"),
    [
        (0, ["", "a", ""]),
        (LARGE_PREFIX_TOKENS - 1, ["", "a", ""]),
        (LARGE_PREFIX_TOKENS, ["", "", ""]),
    ],
)
def test_the_second_retry_goes_elsewhere_unless_a_large_cache_would_be_written_anew(
    prefix: int, avoided: list[Optional[str]]
) -> None:
    state, steps = RetryState(), []
    for _ in range(3):
        state, step = next_step(state, OVERLOADED, NOW._replace(prefix=prefix))
        steps.append(step.avoid)
    assert steps == avoided


def test_a_large_cache_is_left_once_before_the_overload_is_relayed() -> None:
    spent = NOW._replace(prefix=200_000, elapsed=29.9)
    state, step = next_step(RetryState(), OVERLOADED, spent)
    assert step == Step(Action.AGAIN, 0.0, "a")
    assert next_step(state, OVERLOADED, spent)[1].action is Action.RELAY


def test_off_the_inference_path_an_overload_is_relayed_at_once() -> None:
    _, actions = follow(OVERLOADED, now=NOW._replace(inference=False))
    assert actions == [Action.RELAY]
