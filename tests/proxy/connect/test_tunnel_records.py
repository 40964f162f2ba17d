"""The tunnels by host: counts, lines, and their limits."""

from __future__ import annotations

from contextlib import ExitStack
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


def test_hosts_that_were_open_at_once_are_forgotten_when_they_end(
    records: TunnelRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel_records, "MAX_HOSTS", 2)
    with ExitStack() as open_ones:
        for host in "abcde":
            open_ones.enter_context(records.count(host, tunnel()))
        assert len(records.view()) == 5
    assert len(records.view()) == 2


def test_a_client_that_names_many_hosts_does_not_flood_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel_records, "MAX_NOTICES", 3)
    now = [1000.0]
    records = TunnelRecords(lambda: now[0])
    lines = []
    for host in range(10):
        records.count_failure(f"{host}:443", "no")
        lines += [str(notice) for notice in records.take_notices()]
    assert [*lines[:2], *lines[3:]] == [
        "TUNNEL 0:443: no",
        "TUNNEL 1:443: no",
        "TUNNEL more hosts: no lines for the rest of 60 s",
    ]
    now[0] += tunnel_records.NOTICES_SEC
    records.count_failure("later:443", "no")
    assert [str(notice) for notice in records.take_notices()] == ["TUNNEL later:443: no"]
