"""The benchmark's own arithmetic: medians, differences, verdicts.  What it measures is not run here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench import (
    client_tls,
    load,
    observed,
    rounds,
    routes,
    run,
    slots,
    small,
    streams,
    table,
    uploads,
)


def took(*values: Any) -> list[Any]:
    return [SimpleNamespace(p50=value, errors=0) for value in values]


def test_a_figure_is_the_median_of_its_rounds_and_what_is_added_of_their_differences() -> None:
    found = {"direct": took(10, 30, 20), "ours": took(15, 31, 29)}
    assert rounds.medians(found, "p50") == {"direct": 20, "ours": 29}
    assert rounds.added(found, "p50") == {"ours": 5}
    assert rounds.medians({"ours": took(1, None)}, "p50") == {}


def test_what_watching_costs_is_the_median_of_the_rounds_ratios() -> None:
    assert observed.more_percent([110, 300, 20], [100, 100, 20]) == pytest.approx(10)


def test_errors_are_told() -> None:
    measured = rounds.Bench(2, 1.0, False)
    server: Any = SimpleNamespace(port=1)
    route = routes.Route("direct", server)
    found = measured.measure("load", [route], lambda route: SimpleNamespace(errors=3))
    assert len(found["direct"]) == 2
    assert measured.problems == ["load, direct: 3 errors or time-outs"] * 2


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ({"direct": 10.0, "nginx": 20.0, "teamclaude": 22.0}, "≤ 1.1 × nginx: holds"),
        ({"direct": 10.0, "nginx": 20.0, "teamclaude": 22.1}, "≤ 1.1 × nginx: MISSED"),
        ({"teamclaude": 15.0}, "≤ 1.1 × nginx"),
        ({"direct": 10.0}, ""),
    ],
)
def test_a_target_says_whether_it_holds(figures: dict[str, float], verdict: str) -> None:
    text = table.table([table.Row("an upload", "ms", figures, uploads.QUICK)])
    assert text.splitlines()[-1].strip().removesuffix("10.0 ms").rstrip() == (verdict or "an upload")


@pytest.mark.parametrize(
    ("ours", "nginx", "peer", "holds"),
    [
        (75.0, 30.0, 80.0, True),
        (76.0, 30.0, 80.0, False),
        (75.0, 30.0, 74.0, False),
        (91.0, 90.0, 900.0, False),
    ],
)
def test_what_is_added_is_compared_with_nginx_and_every_peer(
    ours: float, nginx: float, peer: float, holds: bool
) -> None:
    figures = {"nginx": nginx, "node": 1.0, "teamclaude": ours, "peer": peer}
    assert small.ADDED.holds(figures) is holds


@pytest.mark.parametrize(
    ("ours", "nginx", "node", "holds"),
    [
        (30.0, 100.0, 30.0, True),
        (29.0, 100.0, 20.0, False),
        (30.0, 90.0, 31.0, False),
    ],
)
def test_the_rate_is_compared_with_nginx_and_a_plain_proxy_on_node(
    ours: float, nginx: float, node: float, holds: bool
) -> None:
    assert small.RATE.holds({"nginx": nginx, "node": node, "teamclaude": ours}) is holds


def test_more_connections_than_slots_are_compared_with_enough_slots_for_all() -> None:
    assert slots.KEEPS_PACE.holds({"teamclaude": 90.0, "16 accounts": 100.0})
    assert not slots.KEEPS_PACE.holds({"teamclaude": 89.0, "16 accounts": 100.0})


def test_streams_stay_steady_while_they_are_watched() -> None:
    assert streams.STEADY.holds({"teamclaude": 3.0, "watched": 3.0})
    assert not streams.STEADY.holds({"teamclaude": 1.0, "watched": 3.1})


def test_context_switches_are_divided_by_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    server: Any = SimpleNamespace(port=1, switches_per_sec=lambda after, during: 500.0)
    for name in ("_wrk", "_python"):
        monkeypatch.setattr(load, name, lambda *args: load.Load(1.0, 2.0, 250.0, 0))
    assert load.measure(routes.Route("ours", server), 1, 1.0).switches == 2.0


def test_a_row_is_a_line_and_what_has_no_column_stands_below_it() -> None:
    target = table.Target("ahead", lambda figures: figures["teamclaude"] < figures["peer"])
    rows = [
        table.Row("small: p50", "ms", {"direct": 1.0}),
        table.Row("small: p99", "", {"teamclaude": 12_345.0, "direct": 2.0, "peer": 20_000.0}, target),
        table.Row("memory", "MB", {"teamclaude": 30.0}),
    ]
    text = table.table(rows)
    assert [line.split() for line in text.splitlines()] == [
        ["direct", "nginx", "teamclaude"],
        [],
        ["small"],
        ["p50", "1.00", "ms"],
        ["p99", "2.00", "12,345"],
        ["peer", "20,000"],
        ["ahead:", "holds"],
        [],
        ["memory", "30.0", "MB"],
    ]
    assert max(map(len, text.splitlines())) == 79


def test_the_page_has_a_place_for_the_table(tmp_path: Path) -> None:
    page = tmp_path / "bench.md"
    page.write_text(run.PAGE.read_text("utf-8"), "utf-8")
    run._put_into(page, "the first report\n")
    run._put_into(page, "the second report\n")
    assert f"{run.BEGIN}\nthe second report\n\n{run.END}" in page.read_text("utf-8")
    assert "the first report" not in page.read_text("utf-8")


@pytest.mark.parametrize(("ratio", "verdict"), [(1.6, "holds"), (1.61, "MISSED")])
def test_clients_with_tls_are_compared_with_those_without(ratio: float, verdict: str) -> None:
    figures = {"teamclaude": 1.0, "proxy.tls": 1.2, "first-party": ratio}
    text = table.table([table.Row("× plain", "", figures, client_tls.CHEAP)])
    assert text.splitlines()[-1].strip() == f"≤ 1.6 × plain: {verdict}"
