"""The limits of one client, decided and said without a server."""

from __future__ import annotations

import pytest

from teamclaude.proxy.clients.limits import ClientState, Limits, Reached, reached, refusal
from teamclaude.routing.pool.fair_share import ShareUsedUp

NOW = 1_800_000_000.0
MIDNIGHT = NOW + 10_000.0
IDLE = ClientState(0, 0, MIDNIGHT)
USED_UP = ShareUsedUp("5h", 0.25, NOW + 2400.0)


@pytest.mark.parametrize(
    ("limits", "state", "found"),
    [
        (Limits(), ClientState(99, 10**9, MIDNIGHT), None),
        (Limits(max_inflight=2), ClientState(1, 0, MIDNIGHT), None),
        (Limits(max_inflight=2), ClientState(2, 0, MIDNIGHT), Reached("maxInflight")),
        (Limits(daily_tokens=100), ClientState(0, 99, MIDNIGHT), None),
        (Limits(daily_tokens=100), ClientState(0, 100, MIDNIGHT), Reached("dailyTokens", MIDNIGHT)),
        (Limits(share=0.25), IDLE._replace(share=USED_UP), Reached("share", NOW + 2400.0)),
        (Limits(), IDLE._replace(share=USED_UP), Reached("share", NOW + 2400.0)),
        (Limits(1, 100), ClientState(1, 100, MIDNIGHT, USED_UP), Reached("maxInflight")),
    ],
)
def test_the_limit_that_another_message_would_meet(
    limits: Limits, state: ClientState, found: Reached | None
) -> None:
    assert reached(limits, state) == found


def test_what_uses_no_tokens_is_limited_by_its_number_alone() -> None:
    state = ClientState(1, 100, MIDNIGHT, USED_UP)
    assert reached(Limits(2, 100), state, is_message=False) is None
    assert reached(Limits(1, 100), state, is_message=False) == Reached("maxInflight")


def said(limits: Limits, state: ClientState) -> tuple[str, dict[str, str]]:
    found = reached(limits, state)
    assert found is not None
    error = refusal("ci", limits, state, found, NOW)
    assert (error.status, error.kind, error.limit) == (429, "rate_limit_error", found.limit)
    return str(error), dict(error.headers())


@pytest.mark.usefixtures("utc")
def test_the_refusal_says_whose_limit_it_is_and_when_it_ends() -> None:
    assert said(Limits(2), ClientState(2, 0, MIDNIGHT)) == (
        "refused by the limit of client 'ci': 2 requests run, as many as it may have (maxInflight); try "
        "again when one has ended",
        {"Retry-After": "2"},
    )
    assert said(Limits(1), ClientState(1, 0, MIDNIGHT))[0].startswith(
        "refused by the limit of client 'ci': 1 request runs, as many"
    )
    assert said(Limits(None, 1_000_000), ClientState(0, 1_200_345, MIDNIGHT)) == (
        "refused by the limit of client 'ci': 1,200,345 tokens used today, of 1,000,000 (dailyTokens); the "
        "next day begins at 10:46 (in 2 h 47 min)",
        {"Retry-After": "10000", "x-should-retry": "false"},
    )
    assert said(Limits(share=0.25), IDLE._replace(share=USED_UP)) == (
        "refused by the limit of client 'ci': its share of the 5-hour windows is used (0.25), and other "
        "clients need what is left (share); back at 08:40 (in 40 min), or earlier",
        {"Retry-After": "2400", "x-should-retry": "false"},
    )


def test_a_short_wait_is_one_that_a_client_waits() -> None:
    state = ClientState(0, 100, NOW + 30.0)
    assert said(Limits(None, 100), state)[1] == {"Retry-After": "30"}
    late = ClientState(0, 100, NOW - 5.0)  # the clock has moved since
    assert said(Limits(None, 100), late)[1] == {"Retry-After": "1"}
