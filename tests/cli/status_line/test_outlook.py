"""The field `forecast` of the status line."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.cli.status_line.facts import Facts, Input
from teamclaude.cli.status_line.line import State, line_of

NOW, HOUR = 1_800_000_000.0, 3600.0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"forecast_known": False}, "-"),
        ({}, "lasts"),
        ({"dry_from": NOW + 2400, "dry_until": NOW + 2 * HOUR}, "dry in 40m-2h"),
        ({"dry_from": NOW - 5, "dry_until": NOW + 2 * HOUR}, "dry in 0s-2h"),
        ({"dry_from": NOW + HOUR, "dry_until": NOW + HOUR}, "dry in 1h"),
        ({"dry_from": NOW + 2400}, "dry in 40m or later"),
        ({"dry_from": NOW - 60, "dry_until": NOW - 60}, "dry"),
    ],
)
def test_the_field(changes: dict[str, Any], text: str) -> None:
    facts = Facts(at=NOW)._replace(**{"forecast_known": True, **changes})
    assert line_of(Input(), facts, State(), NOW, template="{forecast}") == text


def test_it_is_not_in_the_usual_line() -> None:
    facts = Facts(at=NOW, verdict="green", headroom=4, live=2, total=3)
    soon = facts._replace(forecast_known=True, dry_from=NOW + 60, dry_until=NOW + HOUR)
    assert line_of(Input(), soon, State(), NOW) == line_of(Input(), facts, State(), NOW)
