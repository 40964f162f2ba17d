"""The classification table of upstream answers, row by row."""

from __future__ import annotations

import pytest

from teamclaude.routing.answers import MEANING, AnswerKind, Effect, Next, classify
from teamclaude.routing.windows import Overage, Reading, Window

NOTHING = Reading({})
RETRY_AFTER = Reading({}, retry_after=30.0)
FIVE_HOURS = Reading({"5h": Window(1.13, None, "rejected")})
WEEK = Reading({"5h": Window(0.2, None, "allowed"), "7d": Window(1.0, None, "rejected")}, retry_after=9.0)
FLAGSHIP = Reading(
    {"5h": Window(0.2, None, "allowed"), "7d_oi": Window(1.0, None, "rejected")}, retry_after=9.0
)
BOTH = Reading({"5h": Window(1.0, None, "rejected"), "7d_oi": Window(1.0, None, "rejected")})
KEY_AXIS = Reading({"input-tokens": Window(1.0)})
ONLY_OVERAGE = Reading(
    {"5h": Window(0.4, None, "allowed"), "7d": Window(0.5, None, "allowed")}, overage=Overage(refuses=True)
)
ALLOWED = Reading({"5h": Window(1.0, None, "allowed_warning"), "7d": Window(0.1, None, "allowed")})

SERVED = (AnswerKind.SERVED, Effect.PROVE, Next.RELAY)
QUOTA = (AnswerKind.QUOTA, Effect.BENCH, Next.OTHER_ACCOUNT)
MODEL = (AnswerKind.MODEL_QUOTA, Effect.CAP_MODEL, Next.OTHER_ACCOUNT)
WAIT = (AnswerKind.TOLD_TO_WAIT, Effect.BENCH, Next.OTHER_ACCOUNT)
BARE = (AnswerKind.BARE, Effect.SUSPECT, Next.EACH_ONCE)
SIDE = (AnswerKind.SIDE_429, Effect.NOTHING, Next.HOP_ONCE)
LOGIN = (AnswerKind.UNAUTHORIZED, Effect.LOCK_OUT, Next.SAME_THEN_OTHER)
FORBIDDEN = (AnswerKind.FORBIDDEN, Effect.REST, Next.OTHER_ACCOUNT)
SIDE_403 = (AnswerKind.SIDE_403, Effect.NOTHING, Next.OTHER_ACCOUNT)
OVERLOADED = (AnswerKind.OVERLOADED, Effect.NOTHING, Next.RETRY_LATER)
OUTAGE = (AnswerKind.OUTAGE, Effect.NOTHING, Next.RETRY_LATER)
CREDENTIAL = (AnswerKind.CREDENTIAL, Effect.SUSPECT, Next.HOP_ONCE)
MISSING = (AnswerKind.MISSING, Effect.NOTHING, Next.EACH_ONCE)
OVERAGE = (AnswerKind.OVERAGE, Effect.CAP_SCOPE, Next.OTHER_ACCOUNT)
REQUEST = (AnswerKind.REQUEST, Effect.NOTHING, Next.RELAY)


@pytest.mark.parametrize(
    ("status", "reading", "inference", "expected"),
    [
        (200, NOTHING, True, SERVED),
        (200, FIVE_HOURS, True, SERVED),
        (204, NOTHING, False, SERVED),
        (429, FIVE_HOURS, True, QUOTA),
        (429, WEEK, True, QUOTA),
        (429, BOTH, True, QUOTA),
        (429, KEY_AXIS, True, QUOTA),
        (429, FLAGSHIP, True, MODEL),
        (429, RETRY_AFTER, True, WAIT),
        (429, ALLOWED._replace(retry_after=0.0), True, WAIT),
        (429, NOTHING, True, BARE),
        (429, ALLOWED, True, BARE),
        (429, NOTHING, False, SIDE),
        (429, FIVE_HOURS, False, SIDE),
        (429, RETRY_AFTER, False, SIDE),
        (401, NOTHING, True, LOGIN),
        (403, NOTHING, True, FORBIDDEN),
        (403, NOTHING, False, SIDE_403),
        (500, NOTHING, True, OVERLOADED),
        (502, NOTHING, True, OVERLOADED),
        (503, NOTHING, True, OVERLOADED),
        (504, NOTHING, True, OVERLOADED),
        (529, RETRY_AFTER, True, OVERLOADED),
        (529, NOTHING, False, OVERLOADED),
        (299, NOTHING, True, SERVED),
        (300, NOTHING, True, REQUEST),
        (307, NOTHING, True, REQUEST),
        (400, FIVE_HOURS, True, CREDENTIAL),
        (402, NOTHING, True, CREDENTIAL),
        (404, NOTHING, True, CREDENTIAL),
        (400, NOTHING, False, CREDENTIAL),
        (402, NOTHING, False, CREDENTIAL),
        (404, NOTHING, False, MISSING),
        (429, ONLY_OVERAGE, True, OVERAGE),
        (429, ONLY_OVERAGE._replace(retry_after=121320.0), True, OVERAGE),
        (429, ONLY_OVERAGE, False, SIDE),
        (429, FIVE_HOURS._replace(overage=Overage(refuses=True)), True, QUOTA),
        (429, FLAGSHIP._replace(overage=Overage(refuses=True)), True, MODEL),
        (429, RETRY_AFTER._replace(overage=Overage()), True, WAIT),
        (200, ONLY_OVERAGE, True, SERVED),
        (407, NOTHING, True, REQUEST),
        (511, NOTHING, True, REQUEST),
        (408, NOTHING, True, REQUEST),
        (409, NOTHING, True, REQUEST),
        (413, NOTHING, True, REQUEST),
        (422, NOTHING, True, REQUEST),
        (501, NOTHING, True, REQUEST),
    ],
)
def test_an_answer_means_this_for_the_account_and_the_request(status, reading, inference, expected):
    kind = classify(status, reading, inference)
    assert (kind, *MEANING[kind]) == expected


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize("status", [401, 403, 407, 511])
def test_a_login_refused_in_words_that_are_not_the_api_s_is_an_outage_of_the_way_there(status, inference):
    assert classify(status, NOTHING, inference, api_words=False) is AnswerKind.OUTAGE


@pytest.mark.parametrize("status", [200, 400, 402, 404, 413, 429, 500, 529])
def test_of_other_statuses_the_words_decide_nothing(status):
    assert classify(status, NOTHING, True, False) is classify(status, NOTHING, True, True)


def test_every_kind_has_a_meaning():
    assert set(MEANING) == set(AnswerKind)


def test_a_status_beats_a_utilization_that_looks_full():
    """100 % and still allowed: overage is paying; the API said so."""
    assert classify(429, Reading({"5h": Window(1.0, None, "allowed")}), True) is AnswerKind.BARE
    assert classify(429, Reading({"5h": Window(1.0)}), True) is AnswerKind.QUOTA
