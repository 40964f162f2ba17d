"""Which login is asked for its quota when, what an answer changes, and what a refusal does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

import pytest

from teamclaude.accounts.oauth.token_endpoint import OutboundRoute
from teamclaude.errors import LoginRefusedError, TokenEndpointUnavailableError
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding.context import RequestContext
from teamclaude.proxy.own_requests.quota_probe import QuotaProbe
from teamclaude.snapshot import ProbeView
from tests.proxy.conftest import Clock, Stage, account_json

Build = Callable[..., Stage]
HOUR = 3600.0


class Probes:
    """The probes of a stage, asked by the test; `answer` is what the usage endpoint says or raises."""

    def __init__(self, stage: Stage, clock: Clock) -> None:
        self.stage, self.clock = stage, clock
        self.asked: list[tuple[str, float]] = []
        self.routes: list[OutboundRoute] = []
        self.answer: Any = {"five_hour": {"utilization": 50.0, "resets_at": None}}
        self.over = False
        self.warnings: list[str] = []
        self.during: Callable[[], object] = lambda: None
        self.probe = QuotaProbe(self.warnings.append, lambda: self.over, self._fetch, lambda: 0.5)

    def _fetch(self, oauth: object, token: str, route: OutboundRoute) -> Mapping[str, Any]:
        self.asked.append((token.rpartition("-")[2], self.clock.now))
        self.routes.append(route)
        self.during()
        if isinstance(self.answer, Exception):
            raise self.answer
        found: Mapping[str, Any] = self.answer
        return found

    @property
    def context(self) -> RequestContext:
        return self.stage.service.runtime.context

    def run(self) -> Optional[float]:
        return self.probe.run_due(self.context)

    def go_on(self, seconds: float) -> list[float]:
        """Do all that is due in this time; return when something was asked, from now on."""
        start, before = self.clock.now, len(self.asked)
        while self.clock.now <= start + seconds:
            pause = self.run()
            assert pause is not None
            self.clock.now += pause
        self.clock.now = start + seconds
        return [at - start for _, at in self.asked[before:]]

    @property
    def view(self) -> ProbeView:
        (found,) = self.probe.views().values()
        return found

    def used(self, name: str = "a") -> Optional[float]:
        used: Optional[float] = self.stage.account(name)["quota"]["unified5h"]
        return used


@pytest.fixture
def probes(stage: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Probes:
    monkeypatch.setattr("teamclaude.proxy.own_requests.worker.OwnRequests.check", lambda self: None)
    return Probes(stage("a", quotaProbeSec=600), clock)


def test_it_is_off_unless_it_is_asked_for(stage: Build, clock: Clock) -> None:
    off = Probes(stage("a"), clock)
    assert off.run() is None
    assert (off.asked, off.probe.views()) == ([], {})


def test_an_unknown_quota_is_asked_for_at_first_and_then_every_so_often(probes: Probes) -> None:
    assert probes.go_on(1900.0) == [30.0, 630.0, 1230.0, 1830.0]
    assert probes.used() == 0.5
    assert probes.view.problem == ""
    assert probes.stage.api.log == (), "no request is sent for it"


def test_what_an_answer_told_is_not_asked_for(probes: Probes) -> None:
    for _ in range(5):
        probes.stage.ask()
        assert probes.go_on(300.0) == []
    assert probes.go_on(400.0) == [300.0], "600 s after the last answer"


def test_the_next_answer_is_newer_than_a_probe(probes: Probes) -> None:
    probes.stage.ask()
    told = probes.used()
    probes.go_on(700.0)
    assert probes.used() == 0.5
    probes.stage.ask()
    assert probes.used() == told, "it says the same as before, and counts"


def test_an_answer_that_came_meanwhile_is_not_undone(probes: Probes) -> None:
    probes.clock.now += 30.0
    probes.run()

    def served() -> None:
        probes.clock.now += 1.0
        probes.stage.ask()

    probes.during = served
    probes.clock.now += 700.0
    probes.answer = {"five_hour": {"utilization": 99.0, "resets_at": None}}
    probes.run()
    assert probes.used() not in (None, 0.5, 0.99)


def test_a_window_that_rejects_goes_on_to_reject(probes: Probes) -> None:
    probes.stage.api.script.once(Fault.quota("5h", reset_in=3 * HOUR))
    probes.stage.ask(stream=False, session=None)
    assert not probes.stage.account("a")["usable"]
    probes.go_on(700.0)
    assert probes.asked
    assert not probes.stage.account("a")["usable"]


def test_a_429_never_touches_the_account(probes: Probes) -> None:
    probes.answer = TokenEndpointUnavailableError(
        "the usage endpoint takes no requests now (429)", may_be_spent=False, answered=429
    )
    assert probes.go_on(4 * HOUR) == [30.0, 630.0, 1830.0, 4230.0, 7830.0, 11430.0]
    account = probes.stage.account("a")
    assert (account["status"], account["usable"], account["streak"]) == ("active", True, 0)
    assert account["quota"]["axes"] == {}
    assert len(probes.warnings) == 1
    assert (
        "a: its quota can't be asked for: the usage endpoint takes no requests now (429)"
        in (probes.warnings[0])
    )
    assert (probes.view.problem, probes.view.next_at) == ("429", probes.asked[-1][1] + HOUR)
    probes.answer = {"five_hour": {"utilization": 1.0}}
    assert probes.go_on(2 * HOUR) == [630.0, *(630.0 + 600.0 * n for n in range(1, 11))]
    assert probes.warnings[1:] == ["a: the usage endpoint answers again"]
    assert probes.view.problem == ""


def test_the_endpoint_may_name_a_longer_time(probes: Probes) -> None:
    probes.answer = TokenEndpointUnavailableError("429", pause_sec=7000.0, may_be_spent=False, answered=429)
    assert probes.go_on(7100.0) == [30.0, 7030.0]


def test_without_a_network_nothing_is_said(probes: Probes) -> None:
    probes.answer = TokenEndpointUnavailableError(
        "the usage endpoint can't be reached: x", may_be_spent=False
    )
    probes.go_on(2 * HOUR)
    assert probes.warnings == []
    assert probes.view.problem == "the usage endpoint can't be reached: x"
    probes.answer = {"five_hour": {"utilization": 1.0}}
    probes.go_on(2 * HOUR)
    assert probes.warnings == []


def test_a_401_has_the_login_renewed_once_for_each_token(
    stage: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.own_requests.worker.OwnRequests.check", lambda self: None)
    login = account_json("a", refreshToken="sk-ant-ort01-FAKE-a")
    probes = Probes(stage("a", accounts=[login], quotaProbeSec=600), clock)
    renewed: list[str] = []
    manager = probes.context.token_manager
    monkeypatch.setattr(manager, "after_401", lambda key, token: renewed.append(token))
    probes.answer = LoginRefusedError("the access token is not accepted (401)", 401)
    probes.go_on(4 * HOUR)
    assert renewed == ["sk-ant-oat01-FAKE-a"]
    assert probes.stage.account("a")["status"] == "active"


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_cannot_be_renewed_is_left_alone(probes: Probes, status: int) -> None:
    """One of `claude setup-token` has no right to ask; it serves all the same."""
    probes.answer = LoginRefusedError("the access token is not accepted", status)
    probes.go_on(2 * HOUR)
    assert probes.view.problem == str(status)
    assert probes.stage.ask().status == 200


def test_who_is_not_asked(stage: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.own_requests.worker.OwnRequests.check", lambda self: None)
    accounts = [
        account_json("off", disabled=True),
        account_json("elsewhere", upstream="http://127.0.0.1:9/gateway"),
        account_json("expired", expiresAt=1_700_000_000_000),
        {"name": "key", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"},
        account_json("b", proxy="http://127.0.0.1:9"),
    ]
    probes = Probes(stage("b", accounts=accounts, quotaProbeSec=600), clock)
    probes.go_on(700.0)
    assert {name for name, _ in probes.asked} == {"b"}
    assert set(probes.probe.views()) == {"b"}
    assert probes.routes[0].proxy is not None, "by the proxy of the account"


def test_an_answer_without_a_window_is_a_failure(probes: Probes) -> None:
    probes.answer = {"of": "another version"}
    probes.go_on(100.0)
    assert probes.view.problem == "the usage endpoint named no window"


def test_a_server_that_ends_takes_nothing_over(probes: Probes) -> None:
    probes.during = lambda: setattr(probes, "over", True)
    probes.go_on(100.0)
    assert len(probes.asked) == 1
    assert probes.used() is None
    probes.during = lambda: None
    assert probes.go_on(700.0) == [], "and asks nothing more"


def test_a_clock_that_is_set_back_does_not_end_the_probes(probes: Probes) -> None:
    probes.go_on(100.0)
    probes.clock.now -= 30 * 86400.0
    assert probes.go_on(4000.0) != []


def test_a_reload_may_switch_it_off(probes: Probes) -> None:
    probes.go_on(100.0)
    probes.stage.write({**probes.stage.document(), "quotaProbeSec": 0})
    probes.stage.service.reload()
    assert probes.run() is None
    assert probes.probe.views() == {}
