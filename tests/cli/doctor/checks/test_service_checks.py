"""Findings about the service."""

from __future__ import annotations

import pytest

from teamclaude.cli.doctor.checks.service_checks import check_service
from teamclaude.cli.doctor.facts.service_facts import ServiceFacts
from tests.cli.doctor.support import ids

GOOD = ServiceFacts((("/u/teamclaude.service", "CURRENT"), ("/u/teamclaude.socket", "CURRENT")), restart="r")


def test_one_that_runs() -> None:
    assert check_service(GOOD) == ("service", "runs", [])


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"files": (("/u", "OUTDATED"),)}, "service.outdated"),
        ({"files": (("/u", "ABSENT"),)}, "service.incomplete"),
        ({"files": (("/u", "EDITED"),)}, "service.edited"),
        ({"files": (("/u", "FOREIGN"),)}, "service.edited"),
        ({"idle": ("teamclaude.service: failed",)}, "service.idle"),
        ({"problem": "no bus"}, "service.unknown"),
    ],
)
def test_what_is_wrong(changed: dict[str, object], wanted: str) -> None:
    assert ids(check_service(GOOD._replace(**changed))) == [wanted]  # type: ignore[arg-type]
