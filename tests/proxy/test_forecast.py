"""The forecast where readers see it: /capacity?for=, the status, the status line's facts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import path_beside
from teamclaude.accounts.config.state_place import state_path
from teamclaude.forecast.profile import WeekProfile
from teamclaude.forecast.views import PoolForecast
from teamclaude.outlook_views import ForecastView
from teamclaude.proxy.server import ProxyServer
from tests.history.conftest import facts, fill

Build = Callable[..., Any]


def test_capacity_for_a_time_says_whether_the_pool_lasts(stage: Build) -> None:
    s = stage("a")
    s.ask()
    assert "lasting" not in s.send("GET", "/capacity").json()
    lasting = s.send("GET", "/capacity?for=90m").json()["lasting"]
    assert lasting == {
        "sec": 5400,
        "answer": "unknown",
        "chance": None,
        "dryFrom": None,
        "dryUntil": None,
    }
    reply = s.send("GET", "/teamclaude/capacity/claude-opus-4-8?for=soon")
    assert reply.status == 400
    assert "soon" in reply.json()["error"]["message"]


def test_the_status_and_the_status_line_have_the_forecast(stage: Build) -> None:
    s = stage("a")
    s.ask()
    assert s.send("GET", "/teamclaude/status").json()["forecast"] is None
    now = s.service.runtime.clock()
    view = ForecastView(now + 3600.0, now + 7200.0, None, now + 600_000.0, 0.7)
    s.service.runtime.forecast = PoolForecast(pool=view)
    shown = s.send("GET", "/teamclaude/status").json()["forecast"]
    assert (shown["p10"], shown["p90"], shown["chance"]) == (round(1000 * (now + 3600.0)), None, 0.7)
    pool = s.send("GET", "/teamclaude/statusline/").json()["pool"]
    assert (pool["forecastKnown"], pool["dryFrom"], pool["dryUntil"]) == (True, shown["p10"], None)
    lasting = s.send("GET", "/capacity?for=1h").json()["lasting"]
    assert (lasting["answer"], lasting["dryFrom"]) == ("yes", shown["p10"])


def test_a_restart_learns_from_the_history_and_keeps_the_ranges(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a", history=True)
    s.service.stop()
    config, now = s.service.config_file, time.time()
    history, saved = path_beside(config.path, "history.db"), state_path(config.path)
    fill(
        history, [facts(now - weeks * 7 * 86400.0, 1000 * weeks) for weeks in (3, 2)], warn=s.warnings.append
    )
    state = json.loads(saved.read_text())
    assert set(state["forecast"]) == {"demand", "ranges"}
    state["forecast"]["ranges"] = {"7d in 1h, busy": [0.5, -0.5]}
    saved.write_text(json.dumps(state))
    learned: list[tuple[float, float]] = []
    monkeypatch.setattr(WeekProfile, "add_hours", lambda profile, hours: learned.extend(hours))
    again = ProxyServer(config, port=0, warn=pytest.fail)
    again.start()
    again.stop()  # the observers are called a last time
    assert [tokens for _, tokens in learned if tokens] == [3000.0, 2000.0]
    kept = json.loads(saved.read_text())["forecast"]["ranges"]
    assert kept == {"7d in 1h, busy": [0.5, -0.5]}
