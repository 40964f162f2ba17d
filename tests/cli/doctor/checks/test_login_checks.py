"""Findings about logins."""

from __future__ import annotations

import pytest

from teamclaude.cli.doctor.checks.login_checks import check_logins
from teamclaude.cli.doctor.facts.login_facts import LoginFacts
from tests.cli.doctor.support import by_id, ids

GOOD = LoginFacts("alice", state="valid 3h12m", remedy="log in again: teamclaude login")


def test_good_and_disabled_ones() -> None:
    lost = LoginFacts("bob", is_disabled=True, is_lost=True, is_shared=True)
    assert check_logins([GOOD, lost]) == ("logins", "1 of 1 login good, 1 disabled", [])
    assert check_logins([]).summary == ""


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"is_lost": True, "state": "re-login needed"}, "logins.lost"),
        ({"is_lost": True, "journal": "refused"}, "logins.refused"),
        ({"ends_soon": True, "left": "2d4h"}, "logins.ends-soon"),
        ({"follow_problem": "/c.json does not exist"}, "logins.followed-file"),
        ({"is_shared": True}, "logins.shared"),
        ({"command_problem": "pass is not on the PATH"}, "logins.command"),
        ({"journal": "unanswered"}, "logins.renewal-lost"),
        ({"journal": "unsaved"}, "logins.renewal-unsaved"),
    ],
)
def test_what_is_wrong(changed: dict[str, object], wanted: str) -> None:
    group = check_logins([GOOD._replace(**changed), GOOD])  # type: ignore[arg-type]
    assert ids(group) == [wanted]
    assert group.findings[0].text.startswith("alice: ")


def test_a_lost_login_says_why_and_what_to_do() -> None:
    finding = by_id(check_logins([GOOD._replace(is_lost=True, state="expired", reason="refused at noon")]))
    assert finding["logins.lost"].text == "alice: expired (refused at noon)"
    assert finding["logins.lost"].mend == "log in again: teamclaude login"


def test_a_login_counts_as_good_only_if_nothing_is_wrong() -> None:
    logins = [GOOD, GOOD._replace(is_lost=True), GOOD._replace(follow_problem="x")]
    assert check_logins(logins).summary == "1 of 3 logins good"
