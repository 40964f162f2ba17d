"""The command `alerts`: the list, and trying alerts out without a server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.state_place import alert_state_path
from teamclaude.alerts.alert_state import save_states
from teamclaude.alerts.rules import ConditionState
from tests.alerts.receivers import receiver, status
from tests.cli.support import ALICE, Ended

NOON = 1_795_435_200.0


@pytest.fixture
def alerts(config: Callable[..., Path]) -> Callable[..., Path]:
    """Write a config file with these alerts."""

    def write(*alerts: dict[str, Any]) -> Path:
        path = config(ALICE)
        path.write_text(json.dumps({**json.loads(path.read_text()), "alerts": list(alerts)}))
        return path

    return write


def test_none_says_how(alerts: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    alerts()
    assert cli("alerts") == Ended(0, "no alerts are set; how to: teamclaude help alerts\n", "")
    assert cli("alerts", "test").status == 2


def test_the_list_says_when_each_has_fired_and_shows_no_credential(
    alerts: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    path = alerts(
        {"when": "7d above 90%", "run": ["notify-send", "TeamClaude"]},
        {"when": "login lost", "url": "https://hooks.example/services/SECRET"},
    )
    save_states(alert_state_path(path), {"login lost": ConditionState(NOON, {}, NOON)})
    fired = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOON))
    assert cli("alerts").out.splitlines() == [
        " 1  7d above 90%  run notify-send    last: never",
        f" 2  login lost    url hooks.example  last: {fired}",
    ]
    assert json.loads(cli("alerts", "--json").out)["alerts"] == [
        {"when": "7d above 90%", "run": "notify-send", "firedAt": None},
        {"when": "login lost", "host": "hooks.example", "firedAt": round(NOON * 1000)},
    ]


def test_a_test_says_of_each_whether_it_works(
    alerts: Callable[..., Path], cli: Callable[..., Ended], tmp_path: Path
) -> None:
    with receiver() as good, receiver(status(404)) as bad:
        alerts(
            {"when": "7d above 90%", "url": good.url()},
            {"when": "login lost", "run": ["false"]},
            {"when": "hold", "url": bad.url("/SECRET")},
            {"when": "needs you for 5m", "run": ["true"]},
        )
        ended = cli("alerts", "test")
        assert ended == Ended(
            1,
            " 1  7d above 90%: ok\n"
            " 2  login lost: failed: false: exit status 1\n"
            " 3  hold: failed: 127.0.0.1: it answered 404\n"
            " 4  needs you for 5m: ok\n",
            "",
        )
        event = json.loads(good.requests[0].partition(b"\r\n\r\n")[2])
        assert event["test"] is True
        assert event["text"].startswith("Test: example account: 7d at 90%. ")
        assert cli("alerts", "test", "4") == Ended(0, " 4  needs you for 5m: ok\n", "")
        assert len(good.requests) == 1


def test_a_place_that_is_none(alerts: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    alerts({"when": "hold", "run": ["true"]})
    ended = cli("alerts", "test", "2")
    assert (ended.status, ended.err) == (2, "teamclaude: there is no alert 2; teamclaude alerts lists them\n")


def test_a_condition_that_is_none_names_what_was_meant(
    alerts: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    path = alerts({"when": "7d over 90", "run": ["true"]})
    ended = cli("alerts")
    assert ended.status == 1
    assert ended.err.startswith(
        f'teamclaude: {path}: alerts[0].when: "7d over 90" is no condition for an alert; did you mean '
    )
    assert ended.err.count("\n") == 1
