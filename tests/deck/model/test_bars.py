"""An account's windows as bars: use, time to the reset, and the line it should keep to."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.bars import bars_of, pace_of
from teamclaude.deck.model.model import QuotaBar
from tests.deck.snapshot_json import NOW, account

HOUR = 3600.0
FIVE = 5 * HOUR


def in_ms(seconds: float) -> float:
    return (NOW + seconds) * 1000


def quota(**fields: Any) -> dict[str, Any]:
    return account("a", quota=fields)


@pytest.mark.parametrize(
    ("used", "left", "pace"),
    [
        # Half of the five hours are over: the line is at 50 %.
        (0.44, 2.5 * HOUR, ("behind", None)),
        (0.45, 2.5 * HOUR, ("on", None)),
        (0.55, 2.5 * HOUR, ("on", None)),
        (0.75, 2.5 * HOUR, ("ahead", 2.5 * HOUR / 3)),
        (1.0, 2.5 * HOUR, ("ahead", 0.0)),
        (1.13, 2.5 * HOUR, ("ahead", 0.0)),
        # The window has just begun: what was used in a moment is no speed.
        (0.0, FIVE, ("on", None)),
        (0.5, FIVE, ("ahead", None)),
        (0.5, FIVE - 0.24 * HOUR, ("ahead", None)),
        (0.5, FIVE - 0.26 * HOUR, ("ahead", 0.26 * HOUR)),
        # Nothing to measure with.
        (None, 2.5 * HOUR, ("", None)),
        (0.5, None, ("", None)),
        (0.5, FIVE + 60, ("", None)),
    ],
)
def test_pace(used: float | None, left: float | None, pace: tuple[str, float | None]) -> None:
    assert pace_of(used, left, FIVE) == pytest.approx(pace)


def test_a_window_of_unknown_length_has_no_line() -> None:
    assert pace_of(0.5, 60.0, None) == ("", None)


def test_session_and_week_come_first_then_the_models_fullest_first() -> None:
    row = quota(
        unified5h=0.52,
        unified5hReset=in_ms(2.5 * HOUR),
        unified7d=0.1,
        unified7dReset=in_ms(84 * HOUR),
        axes={
            "5h": {"utilization": 0.52},
            "7d": {"utilization": 0.1},
            "7d_opus": {"utilization": 0.3, "resetsAt": in_ms(84 * HOUR)},
            "7d_sonnet": {"utilization": 0.9, "resetsAt": in_ms(-5)},
        },
    )
    assert bars_of(row, NOW) == (
        QuotaBar("5h", "Ses", 0.52, 2.5 * HOUR, "on"),
        QuotaBar("7d", "Wk", 0.1, 84 * HOUR, "behind"),
        # Its reset has passed: when the next one is, nobody knows.
        QuotaBar("7d_sonnet", "sonnet", 0.9),
        QuotaBar("7d_opus", "opus", 0.3, 84 * HOUR, "behind"),
    )


def test_unknown_windows_are_bars_without_figures() -> None:
    assert bars_of(account("a"), NOW) == (QuotaBar("5h", "Ses"), QuotaBar("7d", "Wk"))
    assert bars_of({"quota": {"axes": {"7d_opus": None}}}, NOW)[2] == QuotaBar("7d_opus", "opus")


def test_an_api_key_has_its_limits_fullest_first_and_no_windows() -> None:
    limits = {
        "requests": {"utilization": 0.1},
        "tokens": {"utilization": 0.4, "resetsAt": in_ms(60)},
        "x": {},
    }
    row = account("paid", type="apikey", quota={"apiKeyLimits": limits})
    assert bars_of(row, NOW) == (
        QuotaBar("tokens", "tokens", 0.4, 60.0),
        QuotaBar("requests", "requests", 0.1),
        QuotaBar("x", "x"),
    )
    assert bars_of(account("paid", type="apikey"), NOW) == ()
