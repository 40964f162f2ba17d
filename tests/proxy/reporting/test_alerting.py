"""The alerts of a running server: looks, reloads, restarts, floods, a disk that fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import Config, parse_config
from teamclaude.alerts.delivery import Job
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.messages.redact import KNOWN_SECRETS, secrets_of
from teamclaude.proxy.reporting.alerting import FLOOD_SEC, LOOK_SEC, MAX_EVENTS, Alerting
from teamclaude.snapshot import AccountView, Snapshot
from tests.alerts.receivers import wait_until

NOW = 1_795_428_000.0
QUIET = Snapshot()
RUN = {"run": ["page"]}


class Jobs:
    """Takes the place of the threads."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.delivered = self.failed = 0
        self.closed = False

    def put(self, job: Job) -> None:
        self.jobs.append(job)

    def close(self) -> None:
        self.closed = True


class Server:
    """What an observer of alerts sees of a server."""

    def __init__(self, directory: Path, *alerts: dict[str, Any]) -> None:
        self.path = directory / "x.alerts.json"
        self.snapshot, self.looks, self.now = QUIET, 0, NOW
        self.warnings: list[str] = []
        self.configure(*alerts)
        self.start()

    def configure(self, *alerts: dict[str, Any]) -> None:
        self.config: Config = parse_config({"alerts": list(alerts)}, "x.json")

    def start(self) -> None:
        self.jobs = Jobs()
        self.alerting = Alerting(
            lambda: self.config,
            self._look,
            self.path,
            self.warnings.append,
            self.jobs,  # type: ignore[arg-type]
        )

    def _look(self) -> Snapshot:
        self.looks += 1
        return self.snapshot

    def tick(self, snapshot: Snapshot = QUIET, after: float = LOOK_SEC) -> list[dict[str, Any]]:
        """Return the events of one tick."""
        self.snapshot = snapshot
        self.now += after
        before = len(self.jobs.jobs)
        self.alerting.tick(self.now)
        return [json.loads(job.payload) for job in self.jobs.jobs[before:]]


def benched(*names: str, reason: str = "429") -> Snapshot:
    return Snapshot(
        accounts=tuple(AccountView(name=name, status="benched", status_reason=reason) for name in names)
    )


def test_without_alerts_nothing_is_looked_at_nor_written(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.tick(benched("alice"))
    server.alerting.close()
    assert server.looks == 0
    assert list(tmp_path.iterdir()) == []


def test_an_event_goes_to_every_alert_of_its_condition(tmp_path: Path) -> None:
    url = {"url": "https://ntfy.example", "topic": "pool"}
    server = Server(tmp_path, {"when": "benched", **RUN}, {"when": "hold", **RUN}, {"when": "Benched", **url})
    assert server.tick() == []
    first, second = server.tick(benched("alice"))
    assert (first["event"], first["account"]) == ("benched", "alice")
    assert "topic" not in first
    assert second["topic"] == "pool"
    assert [job.place for job in server.jobs.jobs] == [1, 3]


def test_a_look_every_few_seconds_and_at_once_after_a_reload(tmp_path: Path) -> None:
    server = Server(tmp_path, {"when": "hold", **RUN})
    server.tick()
    server.tick(after=1.0)
    server.tick(after=1.0)
    assert server.looks == 1
    server.configure({"when": "hold", **RUN}, {"when": "benched", **RUN})
    server.tick(benched("bob"), after=1.0)
    assert server.looks == 2
    assert [event["account"] for event in server.tick(benched("alice", "bob"))] == ["alice"]
    server.configure()
    server.tick(after=1.0)
    assert json.loads(server.path.read_text())["conditions"] == {}
    looks = server.looks
    server.tick(benched("eve"))
    assert server.looks == looks


def test_a_restart_repeats_nothing_whenever_it_comes(tmp_path: Path) -> None:
    server = Server(tmp_path, {"when": "benched", **RUN})
    server.tick()
    assert len(server.tick(benched("alice"))) == 1
    server.start()  # as after kill -9: nothing was closed
    assert server.tick(benched("alice")) == []
    assert server.tick(benched("alice", "bob")) != []


def test_a_flood_is_bounded_and_counted_once(tmp_path: Path) -> None:
    server = Server(tmp_path, {"when": "benched", **RUN})
    server.tick()
    names = [f"a{number}" for number in range(MAX_EVENTS + 7)]
    assert len(server.tick(benched(*names))) == MAX_EVENTS
    assert server.warnings == []
    server.tick(benched(*names), FLOOD_SEC)
    assert server.warnings == ["7 alerts were dropped: there were more than 10 in a minute"]
    server.tick(benched(*names), FLOOD_SEC)
    assert len(server.warnings) == 1
    assert len(server.tick(benched(*names, "late"))) == 1
    counts = server.alerting.counts
    server.jobs.delivered, server.jobs.failed = 9, 2
    assert counts() == (MAX_EVENTS + 1, 7, 9, 2)


def test_a_disk_that_fails_is_one_warning_and_no_lost_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path / "gone", {"when": "benched", **RUN})
    (tmp_path / "gone").write_text("no directory")
    server.tick()
    assert len(server.tick(benched("alice"))) == 1
    assert len(server.tick(benched("alice", "bob"))) == 1
    server.alerting.close()
    assert len(server.warnings) == 1
    assert "x.alerts.json" in server.warnings[0]
    assert "after a restart alerts may be repeated" in server.warnings[0]
    assert server.jobs.closed


def test_no_event_has_a_credential(tmp_path: Path) -> None:
    token = "tok-" + "FAKEsecret0123456789"
    config = parse_config(
        {
            "accounts": [{"name": "alice", "type": "apikey", "apiKey": token}],
            "alerts": [{"when": "hold", "url": "https://hooks.example/SECRETPATH"}],
        },
        "x",
    )
    owner = object()
    KNOWN_SECRETS.set_values(owner, secrets_of(config, []))
    try:
        server = Server(tmp_path, {"when": "benched", **RUN})
        server.tick()
        reason = f"401 for {token} and sk-ant-oat01-FAKEFAKE at https://hooks.example/SECRETPATH"
        server.tick(benched("alice", reason=reason))
        payload = server.jobs.jobs[0].payload
        for secret in (b"FAKE", b"SECRETPATH"):
            assert secret not in payload
        assert json.loads(payload)["reason"] == "401 for <redacted> and sk-ant-oat01-<redacted> at <redacted>"
    finally:
        KNOWN_SECRETS.forget(owner)


def test_a_server_alerts_of_a_full_account(stage: Callable[..., Any], clock: Any, tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = tmp_path / "page"
    program.write_text(f"#!/bin/sh\ncat >> {told}\n")
    program.chmod(0o700)
    s = stage("alice", "bob", alerts=[{"when": "benched", "run": str(program)}])
    s.service._reporter.flush()
    s.api.script.once(Fault.quota("5h", reset_in=600.0))
    assert s.ask(session="s1").status == 200
    clock.now += LOOK_SEC
    s.service._reporter.flush()
    wait_until(lambda: told.exists() and told.read_text().endswith("}\n"))
    event = json.loads(told.read_text())
    assert event["event"] == "benched"
    assert event["account"] in ("alice", "bob")
