"""The tunnels by host: counts, lines, and their limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from teamclaude.proxy.connect import tunnel_records
from teamclaude.proxy.connect.tunnel_records import TunnelRecords


@pytest.fixture
def records() -> TunnelRecords:
    return TunnelRecords(lambda: 5.0)


def tunnel(up: int = 0, down: int = 0) -> Any:
    return SimpleNamespace(bytes_up=up, bytes_down=down)


def test_running_and_ended_ones_are_summed(records: TunnelRecords) -> None:
    with records.count("a:443", tunnel(1, 2)):
        with records.count("a:443", tunnel(10, 20)):
            assert records.view()[0] == ("a:443", 2, 2, 0, 11, 22, 5.0, "")
        assert records.view()[0] == ("a:443", 1, 2, 0, 11, 22, 5.0, "")
    assert records.view()[0].open == 0


def test_a_tunnel_that_breaks_is_no_longer_open(records: TunnelRecords) -> None:
    with pytest.raises(OSError, match="broke"), records.count("a:443", tunnel()):
        raise OSError("broke")
    assert records.view()[0].open == 0


def test_a_host_has_a_line_at_first_and_when_it_fails_or_works_again(records: TunnelRecords) -> None:
    def lines() -> list[str]:
        return [str(notice) for notice in records.take_notices()]

    for _ in range(2):
        with records.count("a:443", tunnel()):
            pass
    assert lines() == ["TUNNEL a:443: passed on, not opened"]
    records.count_failure("a:443", "refused")
    records.count_failure("a:443", "refused")
    assert lines() == ["TUNNEL a:443: refused"]
    assert (records.view()[0].failed, records.view()[0].problem) == (2, "refused")
    with records.count("a:443", tunnel()):
        assert lines() == ["TUNNEL a:443: passed on, not opened"]
    assert lines() == []
    assert records.view()[0].problem == ""


def test_the_host_used_last_comes_first_and_the_oldest_goes(
    records: TunnelRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel_records, "MAX_HOSTS", 2)
    with records.count("a", tunnel()):
        records.count_failure("b", "no")
        records.count_failure("c", "no")
        assert [row.host for row in records.view()] == ["c", "a"], "an open one stays"
        records.count_failure("a", "no")
        assert [row.host for row in records.view()] == ["a", "c"]


def test_more_hosts_than_fit_may_be_open_at_once(
    records: TunnelRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel_records, "MAX_HOSTS", 1)
    with records.count("a", tunnel()), records.count("b", tunnel()):
        assert len(records.view()) == 2
    records.count_failure("c", "no")
    assert "c" in [row.host for row in records.view()]
