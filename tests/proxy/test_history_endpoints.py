"""What the endpoints of the history answer: bounded; a wrong parameter is one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from teamclaude.errors import BadRequestError, NotFoundError
from teamclaude.history.reader import HistoryReader
from teamclaude.history.rows import Event, QuotaReading
from teamclaude.proxy.history_endpoints import Payload, events_payload, quota_payload, usage_payload
from teamclaude.proxy.reporting.live_history import history_path
from tests.history.conftest import fill
from tests.history.reports.support import facts
from tests.proxy.conftest import Clock

NOW = 1795960800.0  # 2026-11-29 14:00 UTC
DAY = 86400.0

pytestmark = pytest.mark.usefixtures("utc")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[HistoryReader]:
    readings = [
        QuotaReading(NOW - DAY + second, "alice", "5h", second / 86400, NOW)
        for second in range(0, 86400, 300)
    ]
    events = [Event(NOW - 100 + number, "bench", "alice", f"no. {number}") for number in range(50)]
    requests = [facts(NOW - 60), facts(NOW - 3 * DAY, account="bob", cost=5.0)]
    path = fill(
        tmp_path / "x.history.db",
        requests,
        [*readings, QuotaReading(NOW - 50, "bob", "7d", 0.5)],
        [*events, Event(NOW - 10, "held")],
    )
    with HistoryReader(str(path)) as reader:
        yield reader


Answer = Callable[[HistoryReader, Mapping[str, str], float], Payload]


def data(answer: Answer, reader: HistoryReader, **query: str) -> Any:
    found = answer(reader, query, NOW)
    assert found.content_type == "application/json"
    return json.loads(found.body)


def test_usage_has_the_keys_of_the_command(reader: HistoryReader) -> None:
    found = data(usage_payload, reader, by="account")
    assert [(row["account"], row["cost"]) for row in found["rows"]] == [("bob", 5.0), ("alice", 1.0)]
    assert found["rows"][1]["windows"]["5h"]["used"] == pytest.approx(1.0, abs=0.01)


def test_a_step_is_a_grouping_by_time(reader: HistoryReader) -> None:
    found = data(usage_payload, reader, by="account", step="day")
    assert found["by"] == ["day", "account"]
    assert data(usage_payload, reader, by="day,account") == found
    assert data(usage_payload, reader)["by"] == ["day"]


def test_a_value_of_a_name_keeps_what_has_it(reader: HistoryReader) -> None:
    found = data(usage_payload, reader, by="model", account="alice")
    assert [row["cost"] for row in found["rows"]] == [1.0]
    assert found["rows"][0]["windows"]["5h"]["used"] == pytest.approx(1.0, abs=0.01)
    # Of a model nobody knows what it took of an account's windows.
    name = found["rows"][0]["model"]
    assert [row["windows"] for row in data(usage_payload, reader, by="account", model=name)["rows"]] == [
        {},
        {},
    ]
    assert data(usage_payload, reader, by="account", project="nowhere")["rows"] == []


def test_usage_as_csv(reader: HistoryReader) -> None:
    found = usage_payload(reader, {"by": "account", "format": "csv"}, NOW)
    assert found.content_type == "text/csv; charset=utf-8"
    assert found.body.decode().splitlines()[1].startswith("bob,1,")


def test_a_limit_bounds_the_rows(reader: HistoryReader) -> None:
    found = data(usage_payload, reader, by="account", limit="1")
    assert ([row["account"] for row in found["rows"]], found["more"]) == (["bob"], 1)


def test_a_long_range_is_without_windows(reader: HistoryReader) -> None:
    found = data(usage_payload, reader, by="account", since="all")
    assert [row["windows"] for row in found["rows"]] == [{}, {}]


def test_readings_are_thinned_to_peaks_and_ends(reader: HistoryReader) -> None:
    found = data(quota_payload, reader, points="10", since="24h")
    five, seven = found["series"]
    assert (five["account"], five["axis"], seven["account"], seven["axis"]) == ("alice", "5h", "bob", "7d")
    assert len(five["points"]) <= 22
    assert five["points"][-1] == [round((NOW - 300) * 1000), round(1 - 300 / 86400, 4), round(NOW * 1000)]
    assert seven["points"] == [[round((NOW - 50) * 1000), 0.5, None]]
    assert len(data(quota_payload, reader, account="bob")["series"]) == 1
    assert len(data(quota_payload, reader, axis="5h")["series"]) == 1


def test_a_peak_between_two_points_stays(tmp_path: Path) -> None:
    readings = [
        QuotaReading(NOW - 100 + second, "a", "5h", 0.9 if second == 50 else 0.1) for second in range(100)
    ]
    with HistoryReader(str(fill(tmp_path / "x.history.db", readings=readings))) as reader:
        (series,) = data(quota_payload, reader, since="24h", points="2")["series"]
    assert 0.9 in [used for _, used, _ in series["points"]]
    assert len(series["points"]) <= 4


def test_the_latest_events_come_the_oldest_first(reader: HistoryReader) -> None:
    found = data(events_payload, reader, limit="2")
    assert [event["kind"] for event in found["events"]] == ["bench", "held"]
    assert (found["events"][0]["text"], found["more"]) == ("no. 49", 49)
    held = data(events_payload, reader, kind="held,login lost")["events"]
    assert held == [{"at": round((NOW - 10) * 1000), "kind": "held", "account": None, "text": ""}]


@pytest.mark.parametrize(
    ("answer", "query", "message"),
    [
        (usage_payload, {"by": "colour"}, 'nothing is grouped by "colour"'),
        (usage_payload, {"since": "soon"}, '"soon" is no time like'),
        (usage_payload, {"format": "xml"}, "format is json or csv"),
        (usage_payload, {"limit": "0"}, "limit is a whole number from 1 to 10000"),
        (usage_payload, {"limit": "\u0663"}, "limit is a whole number"),
        (usage_payload, {"sinse": "7d"}, 'there is no parameter "sinse"; there are: by, since'),
        (usage_payload, {"by": "hour", "since": "all"}, "one answer by hour covers at most 62 days"),
        (usage_payload, {"step": "hour", "since": "100d"}, "one answer by hour covers at most 62 days"),
        (quota_payload, {"since": "all"}, "one answer of quota readings covers at most 35 days"),
        (quota_payload, {"since": "today", "until": "yesterday"}, "the range ends before it begins"),
        (quota_payload, {"points": "1e9"}, "points is a whole number from 1 to 1000"),
        (events_payload, {"limit": "9999999999"}, "limit is a whole number from 1 to 1000"),
        (events_payload, {"until": "2026-02-30"}, "is no time like"),
    ],
)
def test_a_wrong_parameter_is_refused(
    reader: HistoryReader, answer: Answer, query: dict[str, str], message: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        answer(reader, query, NOW)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_history_that_can_not_be_read_is_said(reader: HistoryReader) -> None:
    reader.close()
    with pytest.raises(NotFoundError):
        usage_payload(reader, {}, NOW)


# --- over HTTP --------------------------------------------------------------------------------------------


def test_the_server_answers_from_its_own_history(stage: Callable[..., Any], clock: Clock) -> None:
    s = stage("a", history=True)
    path = history_path(s.path)
    s.until(path.exists)
    fill(path, [facts(clock() - 60)])
    reply = s.send("GET", "/teamclaude/usage?by=account&since=7d")
    assert [(row["account"], row["requests"]) for row in reply.json()["rows"]] == [("alice", 1)]
    csv = s.send("GET", "/teamclaude/usage?by=account&since=7d&format=csv")
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert (csv.headers["x-content-type-options"], csv.headers["cache-control"]) == ("nosniff", "no-store")
    assert s.send("GET", "/teamclaude/history/quota").json()["series"] == []
    assert "events" in s.send("GET", "/teamclaude/history/events").json()
    wrong = s.send("GET", "/teamclaude/usage?by=colour")
    assert wrong.status == 400
    assert "there are: hour, day" in wrong.json()["error"]["message"]
    assert s.api.log == ()


def test_without_a_history_it_is_a_404(stage: Callable[..., Any]) -> None:
    s = stage("a", history=False)
    for path in ("/teamclaude/usage", "/teamclaude/history/quota", "/teamclaude/history/events"):
        reply = s.send("GET", path)
        assert reply.status == 404
        assert "keeps no history" in reply.json()["error"]["message"]
