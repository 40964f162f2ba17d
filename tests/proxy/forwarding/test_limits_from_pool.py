"""limitsFromPool: clients see the pool's limits; without it, and in all else, the API's bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
U = "anthropic-ratelimit-unified-"
LOGIN = {"authorization": "Bearer sk-ant-oat01-FAKE-the-clients-own"}


def unified(reply: Any) -> dict[str, str]:
    return {
        name.lower()[len(U) :]: value for name, value in reply.headers.items() if name.lower().startswith(U)
    }


def for_usage(asked: Any) -> bool:
    return bool(asked.path == "/api/oauth/usage")


@pytest.fixture
def used(stage: Build, clock: Any) -> Build:
    """Accounts a and b, which have used 90 % and 30 % of their five hours."""

    def build(**config: Any) -> Any:
        s = stage("a", "b", **config)
        for name, share, hours in (("a", 0.9, 1), ("b", 0.3, 3)):
            s.api.accounts[name].fill("5h", share, clock.now, reset_in=3600.0 * hours)
            s.api.accounts[name].fill("7d", share / 2, clock.now, reset_in=86400.0 * hours)
        return s

    return build


@pytest.mark.parametrize("stream", [True, False])
def test_the_pool_is_shown(used: Build, clock: Any, stream: bool) -> None:
    s = used(limitsFromPool=True)
    for name in ("a", "b"):  # each shows what is known by then
        s.ask(session=name, headers={"x-teamclaude-account": name}, stream=stream)
    for name in ("a", "b"):
        shown = unified(s.ask(session=name, headers={"x-teamclaude-account": name}, stream=stream))
        assert (shown["5h-utilization"], shown["7d-utilization"]) == ("0.60", "0.30"), name
        assert (shown["5h-reset"], shown["status"]) == (str(int(clock.now) + 3600), "allowed")
        assert "5h-surpassed-threshold" not in shown


@pytest.mark.parametrize("stream", [True, False])
def test_the_first_response_counts_at_once(used: Build, stream: bool) -> None:
    s = used(limitsFromPool=True)
    shown = unified(s.ask(headers={"x-teamclaude-account": "a"}, stream=stream))
    assert shown["5h-utilization"] == "0.45", "b is not known to have used anything"


def test_off_nothing_changes(used: Build) -> None:
    s = used()
    for name in ("a", "b"):
        s.ask(session=name, headers={"x-teamclaude-account": name})
    shown = unified(s.ask(session="a", headers={"x-teamclaude-account": "a"}))
    assert (shown["5h-utilization"], shown["status"]) == ("0.9", "allowed_warning")


def test_it_is_switched_by_a_reload(used: Build) -> None:
    s = used()
    s.write({**s.document(), "limitsFromPool": True})
    s.send("POST", "/teamclaude/accounts/reload")
    assert unified(s.ask(headers={"x-teamclaude-account": "a"}))["5h-utilization"] == "0.45"


def test_the_rest_of_the_response_is_the_apis(used: Build) -> None:
    def others(reply: Any) -> list[tuple[str, str]]:
        changing = ("request-id", "x-teamclaude-request", "date")
        fields = [(name.lower(), value) for name, value in reply.headers.items()]
        return [field for field in fields if not field[0].startswith(U) and field[0] not in changing]

    plain, pooled = used(), used(limitsFromPool=True)
    for s in (plain, pooled):
        s.api.script.reply_with("The same words.")
    one, other = (s.ask(headers={"x-teamclaude-account": "a"}, stream=False) for s in (plain, pooled))
    assert others(one) == others(other)
    assert json.loads(one.body)["content"] == json.loads(other.body)["content"]


def test_a_refusal_that_is_relayed_shows_it_too(used: Build) -> None:
    s = used(limitsFromPool=True)
    for name in ("a", "b"):
        s.ask(session=name, headers={"x-teamclaude-account": name})
    said = {f"{U}status": "allowed", f"{U}5h-utilization": "0.01", f"{U}overage-status": "rejected"}
    s.api.script.always(Fault.status(400, "prompt is too long: 3 tokens > 2 maximum", headers=said))
    reply = s.ask()
    assert (reply.status, reply.message) == (400, "prompt is too long: 3 tokens > 2 maximum")
    shown = unified(reply)
    assert (shown["status"], "overage-status" in shown) == ("allowed", False)
    assert shown["7d-utilization"] == "0.30"


def test_the_request_log_has_what_either_side_saw(used: Build, tmp_path: Path) -> None:
    s = used(limitsFromPool=True, logRequests=True, logDir=str(tmp_path / "log"))
    s.ask(headers={"x-teamclaude-account": "a"})
    s.service.stop(0)
    (log,) = (tmp_path / "log").iterdir()
    shown = [line for line in log.read_text().splitlines() if "5h-utilization" in line]
    assert [line.partition(": ")[2] for line in shown] == ["0.9", "0.45"]


# --- the usage ----------------------------------------------------------------------------------


def test_the_clients_own_question_for_its_usage(used: Build) -> None:
    s = used(limitsFromPool=True)
    s.api.script.always(
        Fault.status(200, body=b'{"five_hour": null}'), when=lambda asked: "usage" in asked.path
    )
    assert s.send("GET", "/api/oauth/usage", headers=LOGIN).json() == {"five_hour": None}, (
        "nothing is known yet"
    )
    s.ask(headers={"x-teamclaude-account": "a"})
    s.ask(session="s2", headers={"x-teamclaude-account": "b"})
    asked = len(s.seen(3))
    reply = s.send("GET", "/api/oauth/usage?skip_spend=1", headers=LOGIN)
    assert reply.json()["five_hour"]["utilization"] == 60.0
    assert reply.headers["content-type"] == "application/json"
    assert s.send("HEAD", "/api/oauth/usage", headers=LOGIN).status == 200
    assert len(s.seen(asked + 1)) == asked + 1, "only HEAD went to the API"
    assert s.outcomes(5)[3] == "served"


def test_off_the_question_goes_to_the_api(used: Build) -> None:
    s = used()
    s.ask()
    s.api.script.always(Fault.status(200, body=b'{"mine": 1}'), when=for_usage)
    assert s.send("GET", "/api/oauth/usage", headers=LOGIN).json() == {"mine": 1}
    assert s.seen(2)[1].header("authorization") == LOGIN["authorization"]
