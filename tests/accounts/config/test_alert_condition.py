"""The words of an alert's condition, and what a config file may say about alerts."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config import alert_condition as c
from teamclaude.accounts.config.alert_condition import FORMS, Condition, parse_condition
from teamclaude.accounts.config.config import Config, parse_config
from teamclaude.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pool dry within 30m", Condition(c.POOL_DRY, "", 1800.0, axis="window")),
        ("Pool  dry within 2 hours P10", Condition(c.POOL_DRY, "", 7200.0, axis="window", chance="p10")),
        ("window above 90%", Condition(c.WINDOW_ABOVE, "", share=0.9, axis="window")),
        ("7d_opus above 97.5 %", Condition(c.WINDOW_ABOVE, "", share=0.975, axis="7d_opus")),
        ("benched", Condition(c.BENCHED, "", axis="window")),
        ("benched for 90 sec", Condition(c.BENCHED, "", 90.0, axis="window")),
        ("login lost", Condition(c.LOGIN_LOST, "", axis="window")),
        ("login ends within 3 days", Condition(c.LOGIN_ENDS, "", 259200.0, axis="window")),
        ("needs you for 10 min", Condition(c.NEEDS_YOU, "", 600.0, axis="window")),
        ("hold", Condition(c.HOLD, "", axis="window")),
        ("hold for 2m", Condition(c.HOLD, "", 120.0, axis="window")),
        ("api unreachable", Condition(c.API_UNREACHABLE, "", axis="window")),
        ("API unreachable for 2m", Condition(c.API_UNREACHABLE, "", 120.0, axis="window")),
        ("7d unused 30% within 12h", Condition(c.UNUSED, "", 43200.0, 0.3, "7d")),
    ],
)
def test_the_forms(text: str, expected: Condition) -> None:
    assert parse_condition(text) == expected._replace(text=" ".join(text.lower().split()))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_that_an_error_names_is_one(form: str) -> None:
    for text in form.replace("(or ", ", ").replace(")", "").split(", "):
        assert parse_condition(text.strip()).text == text.strip()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("7d over 90%", "window above 90%"),
        ("pool dry", "pool dry within 30m"),
        ("login lst", "login lost"),
        ("Benched for", "benched"),
        ("needs you", "needs you for 10m"),
        ("7d unused 30%", "7d unused 30% within 12h"),
    ],
)
def test_a_wrong_text_is_shown_with_the_form_that_was_meant(text: str, form: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_condition(text)
    assert str(wrong.value) == (
        f'"{text}" is no condition for an alert; did you mean one like "{form}"? '
        "(all forms: teamclaude help alerts)"
    )


@pytest.mark.parametrize("text", ["", "tell me everything", "\x1b[31m"])
def test_what_resembles_nothing_names_the_forms(text: str) -> None:
    with pytest.raises(ConfigError, match="the forms are: pool dry within 30m; window above 90%") as wrong:
        parse_condition(text)
    assert "\x1b" not in str(wrong.value)


@pytest.mark.parametrize("text", ["window above 190%", "7d unused 101% within 12h"])
def test_no_share_is_more_than_a_window(text: str) -> None:
    with pytest.raises(ConfigError, match="is more than all of a window; expected 0% to 100%"):
        parse_condition(text)


def config(*alerts: dict[str, Any]) -> Config:
    return parse_config({"alerts": list(alerts)}, "x.json")


def test_an_alert_runs_a_program_or_posts_to_a_url() -> None:
    program, path, url = config(
        {"when": "Login  lost", "run": ["notify-send", "TeamClaude"]},
        {"when": "hold", "run": "/usr/local/bin/page me"},
        {"when": "hold", "url": "https://me:secret@ntfy.example/?tpl=1", "topic": "pool"},
    ).alerts
    assert (program.when, program.run) == ("login lost", ("notify-send", "TeamClaude"))
    assert path.run == ("/usr/local/bin/page me",), "one text is one path, whatever is in it"
    assert url.url == "https://me:secret@ntfy.example/?tpl=1"
    assert "secret" not in repr(url)


@pytest.mark.parametrize(
    ("alert", "problem"),
    [
        ({"when": "hold"}, 'alerts[0]: has to have either "run" or "url"'),
        ({"when": "hold", "run": ["x"], "url": "http://h"}, 'alerts[0]: has to have either "run" or "url"'),
        ({"run": ["x"]}, "alerts[0].when: is missing; expected a condition (teamclaude help alerts)"),
        ({"when": "held", "run": ["x"]}, 'alerts[0].when: "held" is no condition for an alert; '),
        ({"when": "hold", "run": ["./x"]}, 'alerts[0]: run: "./x" is a relative path; write the whole path'),
        ({"when": "hold", "run": ["x"], "topic": "t"}, 'alerts[0]: "topic" goes with "url" alone'),
        ({"when": "hold", "run": 5}, "alerts[0].run: expected a list, got 5"),
        (
            {"when": "hold", "url": "slack"},
            "alerts[0].url: expected a URL (http:// or https://), got a hidden",
        ),
        (
            {"when": "hold", "url": "file:///etc/passwd"},
            "alerts[0].url: expected a URL (http:// or https://)",
        ),
    ],
)
def test_what_is_wrong_is_one_line(alert: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        config(alert)
    assert str(wrong.value).startswith(f"x.json: {problem}")
    assert "\n" not in str(wrong.value)


def test_nobody_is_told_by_default() -> None:
    assert config().alerts == ()
