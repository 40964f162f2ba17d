"""An event as JSON: its keys, and that names of others are data only."""

from __future__ import annotations

import json

import pytest

from teamclaude.accounts.config.alert_condition import FORMS, parse_condition
from teamclaude.alerts.event import MAX_CHARS, Event, clean, day_text, duration_text, event_json
from teamclaude.alerts.sample import sample_event

pytestmark = pytest.mark.usefixtures("utc")

NOW = 1_795_428_000.25  # 2026-11-23 10:00:00 UTC
CONDITIONS = [form.partition(" (")[0] for form in FORMS]


def test_the_object_of_an_event() -> None:
    fields = {"account": "alice", "used": 0.93456, "resetsAt": NOW + 1, "reason": None}
    event = Event("window-above", "7d above 90%", NOW, "alice: 7d at 93%", "A new one begins.", fields)
    assert json.loads(event_json(event, "laptop")) == {
        "version": 1,
        "event": "window-above",
        "when": "7d above 90%",
        "at": 1_795_428_000_250,
        "time": "2026-11-23T10:00:00.250Z",
        "host": "laptop",
        "title": "alice: 7d at 93%",
        "message": "A new one begins.",
        "text": "alice: 7d at 93%. A new one begins.",
        "account": "alice",
        "used": 0.9346,
        "resetsAt": 1_795_428_001_250,
        "reason": None,
    }
    added = json.loads(event_json(event, "laptop", test=True, topic="pool"))
    assert (added["test"], added["topic"]) == (True, "pool")


def test_a_name_can_neither_mention_anybody_nor_begin_a_line() -> None:
    hostile = "<!channel> <@U1|x>\r\n\x1b[31m\u202e\u2028$(reboot)"
    event = Event("benched", "benched", NOW, f"{hostile} is benched", hostile, {"account": hostile})
    raw = event_json(event, "h")
    assert raw.isascii()
    assert "\n" not in raw
    found = json.loads(raw)
    for key in ("title", "message", "text"):
        assert found[key].isprintable()
        assert not {"<", ">"} & set(found[key])
    assert found["account"] == hostile, "the field has the name as it is"


def test_texts_are_bounded() -> None:
    long = "x" * 10_000
    found = json.loads(event_json(Event("hold", "hold", NOW, long, long, {"label": long}), "h"))
    assert [len(found[key]) for key in ("title", "message", "label")] == [MAX_CHARS] * 3
    assert clean("x" * MAX_CHARS) == "x" * MAX_CHARS


@pytest.mark.parametrize("when", CONDITIONS)
def test_every_condition_has_a_sample(when: str) -> None:
    event = sample_event(parse_condition(when), NOW)
    assert event.title.startswith("Test: ")
    assert event.when == when
    assert len(event.message) > 10
    assert json.loads(event_json(event, "h"))["event"] == event.kind


def test_times_and_durations() -> None:
    assert [duration_text(seconds) for seconds in (-1, 40, 720, 18_000, 260_000)] == [
        *("0 s", "40 s", "12 min", "5 h", "3 d")
    ]
    assert day_text(NOW + 3600, NOW) == "11:00"
    assert day_text(NOW + 86400, NOW) == "2026-11-24 10:00"
