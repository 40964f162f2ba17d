"""The classification table of upstream answers, row by row."""

from __future__ import annotations

import pytest

from teamclaude.routing.quota.windows import Overage, QuotaReading, Window
from teamclaude.routing.response_kinds import MEANINGS, Effect, NextStep, ResponseKind, classify

NOTHING = QuotaReading({})
RETRY_AFTER = QuotaReading({}, retry_after=30.0)
FIVE_HOURS = QuotaReading({"5h": Window(1.13, None, "rejected")})
WEEK = QuotaReading(
    {"5h": Window(0.2, None, "allowed"), "7d": Window(1.0, None, "rejected")}, retry_after=9.0
)
FLAGSHIP = QuotaReading(
    {"5h": Window(0.2, None, "allowed"), "7d_oi": Window(1.0, None, "rejected")}, retry_after=9.0
)
BOTH = QuotaReading({"5h": Window(1.0, None, "rejected"), "7d_oi": Window(1.0, None, "rejected")})
KEY_AXIS = QuotaReading({"input-tokens": Window(1.0)})
ONLY_OVERAGE = QuotaReading(
    {"5h": Window(0.4, None, "allowed"), "7d": Window(0.5, None, "allowed")}, overage=Overage(refuses=True)
)
ALLOWED = QuotaReading({"5h": Window(1.0, None, "allowed_warning"), "7d": Window(0.1, None, "allowed")})

SERVED = (ResponseKind.SERVED, Effect.RECORD_SUCCESS, NextStep.RELAY)
QUOTA = (ResponseKind.QUOTA, Effect.BENCH, NextStep.OTHER_ACCOUNT)
MODEL = (ResponseKind.MODEL_QUOTA, Effect.CAP_MODEL, NextStep.OTHER_ACCOUNT)
WAIT = (ResponseKind.TOLD_TO_WAIT, Effect.BENCH, NextStep.OTHER_ACCOUNT)
BARE = (ResponseKind.BARE, Effect.SUSPECT, NextStep.EACH_ONCE)
SIDE = (ResponseKind.SIDE_429, Effect.NOTHING, NextStep.HOP_ONCE)
LOGIN = (ResponseKind.UNAUTHORIZED, Effect.MARK_AUTH_FAILED, NextStep.SAME_THEN_OTHER)
FORBIDDEN = (ResponseKind.FORBIDDEN, Effect.BENCH_AFTER_403, NextStep.OTHER_ACCOUNT)
SIDE_403 = (ResponseKind.SIDE_403, Effect.NOTHING, NextStep.OTHER_ACCOUNT)
OVERLOADED = (ResponseKind.OVERLOADED, Effect.NOTHING, NextStep.RETRY_LATER)
OUTAGE = (ResponseKind.OUTAGE, Effect.NOTHING, NextStep.RETRY_LATER)
CREDENTIAL = (ResponseKind.CREDENTIAL, Effect.SUSPECT, NextStep.HOP_ONCE)
MISSING = (ResponseKind.MISSING, Effect.NOTHING, NextStep.EACH_ONCE)
OVERAGE = (ResponseKind.OVERAGE, Effect.CAP_SCOPE, NextStep.OTHER_ACCOUNT)
REQUEST = (ResponseKind.REQUEST, Effect.NOTHING, NextStep.RELAY)


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
    assert (kind, *MEANINGS[kind]) == expected


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize("status", [401, 403, 407, 511])
def test_a_login_refused_by_a_body_that_is_not_the_api_s_is_an_outage(status, inference):
    assert classify(status, NOTHING, inference, is_api_error=False) is ResponseKind.OUTAGE


@pytest.mark.parametrize("status", [200, 400, 402, 404, 413, 429, 500, 529])
def test_for_other_statuses_the_body_decides_nothing(status):
    assert classify(status, NOTHING, True, False) is classify(status, NOTHING, True, True)


def test_every_kind_has_a_meaning():
    assert set(MEANINGS) == set(ResponseKind)


def test_a_status_beats_a_utilization_that_looks_full():
    """100 % and still allowed: overage is paying; the API said so."""
    assert classify(429, QuotaReading({"5h": Window(1.0, None, "allowed")}), True) is ResponseKind.BARE
    assert classify(429, QuotaReading({"5h": Window(1.0)}), True) is ResponseKind.QUOTA
