"""The pinned strip: one short line for each account; many accounts fold to the tightest ones."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.model import AccountRow, QuotaBar
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.account_strip import strip_lines
from teamclaude.outlook_views import ForecastView
from teamclaude.request_views import AccountTrend
from teamclaude.values import replace
from tests.deck.example_model import NOW, account, bare_account, example_model

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local

TREND = AccountTrend(NOW, tuple(range(60)), tuple(n / 60 for n in range(60)))


def strip(*accounts: AccountRow, room: int = 80, most: int = 3) -> list[str]:
    return [plain_text(of) for of in strip_lines(accounts, room, most, NOW)]


def full(name: str, used: float, **fields: Any) -> AccountRow:
    return account(name, used=used, **fields)


def test_one_line_says_how_full_until_when_and_the_week() -> None:
    assert strip(account("bob")) == ["◆ bob 5h ▇▇░░  50% 2h30m  · wk  31% ↑"]
    assert strip(account("bob", current=True))[0].startswith("▸ bob")
    assert strip(full("bob", 1.0))[0].startswith("◆ bob 5h ▇▇▇▇ 100%")
    assert strip(full("bob", 0.93))[0].startswith("◆ bob 5h ▇▇▇░  93%"), "not full before it is"
    assert strip(full("bob", 0.001))[0].startswith("◆ bob 5h ▇░░░   0%"), "a little is not nothing"


def test_two_columns_where_they_fit_read_from_top_to_bottom() -> None:
    four = [account(name) for name in ("dave", "alice", "carol", "bob")]
    first, second = strip(*four)
    assert (first.index("alice"), first.index("carol")) == (2, 43)
    assert (second.index("bob"), second.index("dave")) == (2, 43)
    assert len(strip(*four, room=60, most=4)) == 4, "one column"


def test_a_state_stands_in_place_of_the_window() -> None:
    benched = strip(account("carol", status="benched", bench_sec=2520.0))
    assert benched == ["◆ carol benched 42m         · wk  31% ↑"]
    (login,) = strip_lines((account("dave", status="auth_failed"),), 80, 1, NOW)
    assert [span.style for span in login if "login" in span.text] == ["bad strong"]
    assert "disabled" in strip(account("erin", status="disabled"))[0]


def test_an_api_key_has_its_fullest_limit_and_no_week() -> None:
    paid = bare_account(
        "paid", type="apikey", status="active", bars=(QuotaBar("tokens", "tokens", 0.5, 42.0),)
    )
    assert strip(paid) == ["◇ paid to ▇▇░░  50% 42s"]
    assert strip(bare_account("new", status="active"))[0].startswith("◆ new 5h ░░░░    —"), "unknown, not 0"


def test_many_accounts_fold_to_the_tightest_and_the_last_line_names_others() -> None:
    many = [full(f"acc{n:02}", n / 40) for n in range(30)]
    lines = strip(*many, most=3)
    assert len(lines) == 3
    assert "acc29" in lines[0] + lines[1]
    assert "acc26" in lines[0] + lines[1]
    assert lines[2].startswith("also acc25 62% · acc24 60%")
    assert lines[2].endswith("+20")
    (only,) = strip(*many, most=1)
    assert only.startswith("acc29 72% · acc28 70%")
    assert strip(*many, most=0) == []


def test_who_serves_comes_before_who_does_not() -> None:
    states = ("disabled", "auth_failed", "benched", "active")
    (only,) = strip(*(full(status, 0.1, status=status) for status in states), most=1)
    assert only == "active 31% · benched benched · auth_failed login · disabled disabled"


@pytest.mark.parametrize("room", [40, 53, 60, 75, 76, 80, 100, 120, 160, 200, 400])
@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_every_line_fits_and_names_with_one_beginning_stay_distinct(room: int, most: int) -> None:
    alike = [replace(full(f"engineering-team-{n:02}", n / 12), trend=TREND) for n in range(12)]
    wide = [full("漢字のアカウント" + "家" * n, 0.5) for n in range(4)]
    for accounts in (alike, wide, example_model().accounts, [full("a" * 90, 0.5)]):
        lines = strip_lines(accounts, room, most, NOW)
        assert 1 <= len(lines) <= most
        assert max(map(line_width, lines)) <= room
    shown = "\n".join(strip(*alike, room=room, most=8))
    ends = [f"{n:02}" for n in range(12) if f"{n:02} " in shown]
    assert len(ends) >= (4 if room < 76 else 12)


def test_the_range_of_a_forecast_stands_where_there_is_room() -> None:
    soon = ForecastView(NOW + 3600, NOW + 7200, NOW + 9000, NOW + 18_000, 0.9)
    bob = account("bob", bars=account("bob").bars)
    bob = replace(bob, view=replace(bob.view, forecast={"5h": soon}))
    assert "dry 11:00-12:30" in strip(bob, room=80)[0]
    assert "dry" not in strip(bob, room=40)[0]
    open_end = replace(soon, p90=None)
    late = replace(bob, view=replace(bob.view, forecast={"5h": open_end}))
    assert "90% dry from 11:00" in strip(late)[0]
    never = replace(bob, view=replace(bob.view, forecast={"5h": ForecastView(until=NOW + 18_000)}))
    assert "dry" not in strip(never)[0]


def test_sparklines_of_the_last_hour_stand_where_there_is_room() -> None:
    bob = replace(account("bob"), trend=TREND)
    assert strip(bob)[0].endswith(" 60m ▂▂▂▃▃▄▄▅▅▆▆▇▇█ burn ▂▂▂▃▃▄▄▅▆▆▆▇██")
    assert "burn" not in strip(bob, room=60)[0]
    assert "60m" not in strip(bob, room=44)[0]
    young = replace(bob, trend=AccountTrend(NOW, (0,) * 59 + (5,), (0.5, 0.5)))
    assert strip(young, room=120)[0].count("▅") <= 3, "the time before the records begin is blank"
