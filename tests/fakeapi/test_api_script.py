"""Which request meets which fault."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.fakeapi.api_script import ApiScript, FaultProfile
from teamclaude.fakeapi.fault import Fault
from teamclaude.fakeapi.wire import Request

A, B = Fault.status(500), Fault.status(502)


def asked(target: str = "/v1/messages?beta=true", method: str = "POST", body: bytes = b"") -> Request:
    return Request(method, target, "HTTP/1.1", (), body)


def test_once_is_used_up_and_always_is_not() -> None:
    script = ApiScript()
    script.always(B)
    script.once(A)
    assert [script.fault(asked(), "a") for _ in range(3)] == [A, B, B]
    script.clear()
    assert script.fault(asked(), "a") is None


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({"account": "a"}, True),
        ({"account": "b"}, False),
        ({"path": "/v1/messages"}, True),
        ({"path": "/v1/models"}, False),
        ({"method": "GET"}, False),
        ({"when": lambda request: b"opus" in request.body}, True),
        ({"account": "a", "path": "/v1/models"}, False),
    ],
)
def test_a_rule_matches_all_it_names(where: dict[str, Any], matches: bool) -> None:
    script = ApiScript()
    script.once(A, **where)
    assert script.fault(asked(body=b"opus"), "a") == (A if matches else None)


def test_the_nth_matching_request() -> None:
    script = ApiScript()
    script.once(A, account="a", nth=3)
    order = ["a", "b", "a", "a", "a"]
    assert [script.fault(asked(), name) for name in order] == [None, None, None, A, None]


def test_a_number_of_times_in_the_order_given() -> None:
    script = ApiScript()
    script.times(2, A)
    script.once(B)
    assert [script.fault(asked(), None) for _ in range(4)] == [A, A, B, None]


def test_faults_at_accept_wait_for_connections() -> None:
    script = ApiScript()
    script.once(Fault.never_read())
    assert script.fault(asked(), "a") is None
    assert script.on_accept() == Fault.never_read()
    assert script.on_accept() is None
    with pytest.raises(ValueError, match="number of times"):
        script.always(Fault.never_read())


def test_a_profile_is_the_same_for_the_same_seed() -> None:
    profile = FaultProfile(bare_429=0.2, overloaded=0.2, slow_start=0.2)

    def drawn(seed: int) -> list[Fault | None]:
        script = ApiScript(seed=seed, profile=profile)
        return [script.fault(asked(), "a") for _ in range(200)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    codes = [fault.code if fault else 0 for fault in drawn(1)]
    assert 20 < codes.count(429) < 60
    assert 20 < codes.count(529) < 60
    assert any(fault and fault.before_head for fault in drawn(1))


def test_a_profile_is_for_inference_only() -> None:
    script = ApiScript(profile=FaultProfile(bare_429=1.0))
    assert script.fault(asked("/v1/messages/count_tokens"), "a") is None
    assert script.fault(asked(), "a") == Fault.bare_429()
