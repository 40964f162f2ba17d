"""The proxy with an API and an authorization server: no request is sent with an expired token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.server import ProxyServer
from tests.fakeapi.authserver import TOKEN_PATH, AuthServer
from tests.fakeapi.token_issuer import FakeUser

KEY = "tc-test-key-000000000000000000000000"


class Clock:
    """Real time, moved on by hand."""

    def __init__(self) -> None:
        import time

        self.ahead, self._time = 0.0, time.time

    def __call__(self) -> float:
        return self._time() + self.ahead


class Stage:
    """A proxy whose accounts were logged in at a fake authorization server."""

    def __init__(self, path: Path, *names: str) -> None:
        self.clock = Clock()
        self.path = path
        self.api = FakeApi([], clock=self.clock).start()
        self.auth = AuthServer([], api=self.api, clock=self.clock, access_life=600)
        self.auth.start()
        entries = [self.auth.log_in(FakeUser(name)) for name in names]
        self.said: list[str] = []
        self.write(entries)
        self.service = self.started()

    def started(self) -> ProxyServer:
        file = ConfigFile(self.path, self.said.append)
        service = ProxyServer(file, clock=self.clock, warn=self.said.append)
        service.start()
        return service

    def write(self, entries: list[dict[str, Any]]) -> None:
        document = {
            "proxy": {"host": "127.0.0.1", "port": 0, "apiKey": KEY},
            "upstream": self.api.url,
            "oauth": self.auth.oauth,
            "accounts": entries,
        }
        self.path.write_text(json.dumps(document))
        self.path.chmod(0o600)

    def entry(self, name: str = "anna") -> Any:
        return next(entry for entry in json.loads(self.path.read_text())["accounts"] if entry["name"] == name)

    def later(self, hours: float) -> None:
        self.clock.ahead += hours * 3600
        self.auth.expire_tokens()

    def ask(self) -> tuple[int, str, Any]:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        body = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        try:
            headers = {"x-teamclaude-key": KEY, "x-claude-code-session-id": "s1"}
            connection.request("POST", "/v1/messages", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["x-teamclaude-account"] or "", json.loads(answer.read())
        finally:
            connection.close()

    def row(self, name: str = "anna") -> Any:
        return next(row for row in self.service.snapshot().to_json()["accounts"] if row["name"] == name)

    def close(self) -> None:
        self.service.stop(0)
        self.auth.stop()
        self.api.stop()


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    running = Stage(tmp_path / "teamclaude.json", *getattr(request, "param", ("anna", "bob")))
    yield running
    running.close()


one = pytest.mark.parametrize("stage", [("anna",)], indirect=True)


@one
def test_an_expired_token_is_renewed_before_the_request_goes_out(stage: Stage) -> None:
    assert stage.ask()[:2] == (200, "anna")
    stage.later(0.2)
    assert stage.ask()[:2] == (200, "anna")
    assert stage.api.wait_until(lambda api: [exchange.status for exchange in api.log] == [200, 200])
    assert stage.row()["token"]["state"] == "valid"
    assert stage.row()["token"]["expiresAt"] == stage.entry()["expiresAt"]


@one
def test_a_burst_of_401s_costs_one_renewal_and_no_client_sees_it(stage: Stage) -> None:
    old = stage.entry()["accessToken"]
    stage.api.endpoints.change("anna", lambda account, now: account.revoke_token(old))
    answers: list[int] = []
    crowd = [threading.Thread(target=lambda: answers.append(stage.ask()[0])) for _ in range(20)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(20)
    assert answers == [200] * 20
    assert stage.auth.granted == 1
    assert stage.row()["status"] == "active"


def test_a_lost_login_is_followed_by_the_next_account_until_a_reload(stage: Stage) -> None:
    stage.ask()
    stage.auth.revoke(FakeUser("anna"))
    assert stage.ask()[:2] == (200, "bob")
    row = stage.row()
    assert row["status"] == "auth_failed"
    assert "log in again" in row["statusReason"]
    assert row["token"]["state"] == "re-login needed"
    stage.write([stage.auth.log_in(FakeUser("anna")), stage.entry("bob")])
    assert stage.service.reload()["updated"] == ["anna"]
    assert stage.row()["status"] == "active"


def test_a_busy_token_endpoint_benches_the_account_without_blame(stage: Stage) -> None:
    stage.ask()
    token = stage.entry()["refreshToken"].encode()
    busy = Fault.status(429, retry_after=60)
    stage.auth.script.always(busy, path=TOKEN_PATH, when=lambda asked: token in asked.body)
    stage.later(0.2)
    assert stage.ask()[:2] == (200, "bob")
    row = stage.row()
    assert row["status"] == "benched"
    assert "oauth.userAgent" in row["statusReason"]
    stage.write([stage.auth.log_in(FakeUser("anna")), stage.entry("bob")])
    stage.service.reload()
    assert stage.row()["status"] == "active"


@one
def test_when_no_account_can_serve_the_error_says_to_log_in_again(stage: Stage) -> None:
    stage.auth.revoke(FakeUser("anna"))
    status, _, answer = stage.ask()
    assert status == 502
    assert "log in again: teamclaude login" in answer["error"]["message"]
    assert "FAKE" not in json.dumps(answer)


@one
def test_a_login_made_while_the_proxy_was_down_serves(stage: Stage) -> None:
    stage.auth.revoke(FakeUser("anna"))
    stage.ask()
    stage.service.stop(0)
    stage.write([stage.auth.log_in(FakeUser("anna"))])
    stage.service = stage.started()
    assert stage.ask()[0] == 200


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.never_answered()], ids=["503", "silence"])
def test_a_new_conversation_does_not_wait_for_a_token_while_another_account_is_idle(
    stage: Stage, fault: Fault
) -> None:
    token = stage.entry()["refreshToken"].encode()
    stage.auth.script.always(fault, path=TOKEN_PATH, when=lambda asked: token in asked.body)
    bob = stage.entry("bob")
    stage.later(0.2)  # both tokens have expired; bob logs in again
    stage.write([stage.entry(), {**stage.auth.log_in(FakeUser("bob")), "accountUuid": bob["accountUuid"]}])
    stage.service.reload()
    assert stage.ask()[:2] == (200, "bob")
    assert stage.row()["inflight"] == 0
    stage.auth.stop()  # else the renewal under way would be waited for at the end
