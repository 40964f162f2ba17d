"""The fake client retries and gives up exactly as measured with the real one."""

from __future__ import annotations

import random

import pytest

from teamclaude.demo.retry import Failure, RetryStep, next_retry

OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-4-9"
UNIFIED = {"anthropic-ratelimit-unified-representative-claim": "five_hour"}


def requests_made(failure: Failure, *, subscription: bool = False, model: str = SONNET) -> int:
    rng, tries = random.Random(1), 1
    while next_retry(failure, tries, subscription=subscription, model=model, rng=rng) is not None:
        tries += 1
    return tries


def answer(status: int, **headers: str) -> Failure:
    return Failure("answer", status, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("failure", "subscription", "model", "requests"),
    [
        (answer(429), False, SONNET, 11),
        (answer(429, retry_after="60"), False, SONNET, 11),
        (answer(429, retry_after="61"), False, SONNET, 1),
        (answer(503, retry_after="120"), False, SONNET, 1),
        (answer(429, x_should_retry="false"), False, SONNET, 1),
        (Failure("answer", 429, UNIFIED), True, SONNET, 1),
        (Failure("answer", 429, UNIFIED), False, SONNET, 11),
        (answer(429), True, SONNET, 11),
        (answer(429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), False, SONNET, 11),
        (answer(529), False, OPUS, 3),
        (answer(529), True, OPUS, 11),
        (answer(529), False, SONNET, 11),
        (answer(529, x_should_retry="false"), False, SONNET, 1),
        (answer(500), False, SONNET, 11),
        (answer(500, x_should_retry="false"), False, SONNET, 1),
        (answer(504), False, SONNET, 11),
        (answer(408), False, SONNET, 11),
        (answer(409), False, SONNET, 11),
        (answer(401), False, SONNET, 11),
        (answer(401), True, SONNET, 2),
        (answer(403), True, SONNET, 1),
        (answer(402), False, SONNET, 1),
        (answer(413), False, SONNET, 1),
        (answer(400), False, SONNET, 6),
        (Failure("answer", 400, body=b"prompt is too long: 9 tokens > 8 maximum"), False, SONNET, 1),
        (answer(404), False, SONNET, 2),
        (answer(200), False, SONNET, 2),
        (Failure("network"), False, SONNET, 11),
        (Failure("cut"), False, SONNET, 11),
        (Failure("early"), False, SONNET, 11),
    ],
)
def test_number_of_requests(failure: Failure, subscription: bool, model: str, requests: int) -> None:
    assert requests_made(failure, subscription=subscription, model=model) == requests


def test_delays_double_from_half_a_second_to_32_with_a_quarter_of_jitter() -> None:
    for tries, base in enumerate([0.5, 1, 2, 4, 8, 16, 32, 32, 32, 32], 1):
        delays = [
            again.delay
            for seed in range(50)
            if (
                again := next_retry(
                    answer(529), tries, subscription=True, model=OPUS, rng=random.Random(seed)
                )
            )
        ]
        assert base <= min(delays) < max(delays) <= base * 1.25


def test_retry_after_is_waited_for_and_a_little_longer() -> None:
    again = next_retry(
        answer(429, retry_after="30"), 1, subscription=False, model=SONNET, rng=random.Random(1)
    )
    assert again is not None
    assert 30 <= again.delay <= 37.5


@pytest.mark.parametrize(
    ("kind", "tries", "stream", "resume"),
    [
        ("cut", 1, True, False),
        ("cut", 10, False, False),
        ("late", 1, False, False),
        ("finished", 1, True, True),
        ("early", 1, True, False),
    ],
)
def test_how_a_broken_stream_is_asked_for_again(kind: str, tries: int, stream: bool, resume: bool) -> None:
    again = next_retry(Failure(kind), tries, subscription=False, model=SONNET, rng=random.Random(1))
    assert isinstance(again, RetryStep)
    assert (again.stream, again.resume) == (stream, resume)
