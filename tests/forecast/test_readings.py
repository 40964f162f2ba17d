"""What the forecast reads of a snapshot."""

from __future__ import annotations

import pytest

from teamclaude.forecast.readings import reading_of
from teamclaude.snapshot import AccountView, QuotaView, Snapshot, Window

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("parts", "used", "sizes", "closed"),
    [
        ({}, 0.3, (1_000_000.0, 8_000_000.0), False),
        ({"7d": 0.6}, 0.5, (1_000_000.0, 4_800_000.0), False),
        ({"5h": 0.5, "7d": 0.3}, 1.0, (500_000.0, 2_400_000.0), True),
    ],
)
def test_a_window_that_may_be_used_in_part_is_a_smaller_one(
    parts: dict[str, float], used: float, sizes: tuple[float, float], closed: bool
) -> None:
    quota = QuotaView(axes={"7d": Window(0.3, NOW + 1000.0, "allowed", NOW)})
    view = AccountView(
        name="a", status="active", quota=quota, usable_parts=parts, cap_est_5h=1e6, cap_est_7d=8e6
    )
    (account,) = reading_of(Snapshot(at=NOW, accounts=(view,))).accounts
    assert account.windows["7d"].utilization == pytest.approx(used)
    assert (account.size_5h, account.size_7d) == pytest.approx(sizes)
    assert account.is_closed(NOW) is closed
