"""The first lines: proxy, machine, capacity and totals, on every width."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.model import DeckModel, NodeCounts, ProxyInfo, Totals
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.header import header_lines
from teamclaude.snapshot import CapacityView, EndingView, SystemView
from teamclaude.values import replace
from tests.deck.example_model import example_model


def head(room: int = 80, **fields: Any) -> list[str]:
    return [plain_text(of) for of in header_lines(example_model(**fields), room)]


def top(**fields: Any) -> DeckModel:
    model = example_model()
    return replace(model, totals=replace(model.totals, **fields))


def proxy(**fields: Any) -> DeckModel:
    model = example_model()
    return replace(model, proxy=replace(model.proxy, **fields))


def test_eighty_columns() -> None:
    assert head() == [
        "TeamClaude 0.1.0  :3456  ▲ up                                   41 MB · up 3h12m",
        "RAM [██████      ]  52%  CPU [█           ]  12%      1 throttled · 1 need login",
        "Cap GREEN · 9 headroom · 3/3 live · 1 benched · next 42s",
        "Fleet 9 agents · 4 warm · 2 needs-you · 3 LLM · 1 tool        1.3M burn · $14.20",
    ]


def test_wide_screens_have_it_all_in_three_lines() -> None:
    first, _, fleet = head(150)
    assert first.startswith("TeamClaude 0.1.0  :3456  ▲ up    41 MB · up 3h12m · 1 throttled · 1 need login")
    assert first.endswith("RAM [████████        ]  52%  CPU [██              ]  12%")
    assert fleet.startswith("Fleet 9 agents (3 solo · 2 ☂ · 4 ↳) · 4 warm · 2 needs-you · 3 LLM · 1 tool ")
    assert fleet.endswith("  1.3M burn · $14.20")


@pytest.mark.parametrize("room", [40, 41, 47, 55, 64, 72, 80, 99, 120, 200])
def test_no_line_is_wider_than_the_screen_and_what_matters_is_on_it(room: int) -> None:
    lines = header_lines(example_model(), room)
    assert max(map(line_width, lines)) <= room
    page = "\n".join(plain_text(of) for of in lines)
    assert "▲ up" in page
    assert "GREEN" in page
    assert "9 " in page
    assert "$14.20" in page
    assert "2 needs-you" in page


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (ProxyInfo(SystemView("1", port=3456), reachable=False), "TeamClaude 1  :3456  ▼ unreachable"),
        (ProxyInfo(SystemView("1", port=3456, draining=True)), "TeamClaude 1  :3456  ▲ up  draining"),
        (
            ProxyInfo(SystemView("1", draining=True, ending=EndingView(1, "draining", 3, 25.0))),
            "TeamClaude 1  ▲ up  draining: 3 requests, 25s left",
        ),
        (
            ProxyInfo(SystemView("1", ending=EndingView(1, "announced", 1, 4.0))),
            "TeamClaude 1  ▲ up  drain announced: 1 request, 4s left",
        ),
        (
            ProxyInfo(SystemView("1", predecessors=(EndingView(7, "handed over", 2, 7000.0),))),
            "TeamClaude 1  ▲ up  old process: 2 requests",
        ),
        (ProxyInfo(reachable=False), "TeamClaude  ▼ unreachable"),
    ],
)
def test_the_title_says_whether_it_is_up(header: ProxyInfo, shown: str) -> None:
    assert head(proxy=header)[0].startswith(shown)


def test_the_gauges_are_sixteen_cells_where_there_is_room_and_coloured_by_level() -> None:
    (_, gauges, *_) = header_lines(top(ram_share=0.95, cpu_share=0.75, throttled=0, need_login=0), 100)
    assert plain_text(gauges).startswith("RAM [███████████████ ]  95%  CPU [████████████    ]  75%")
    assert [span.style for span in gauges if "█" in span.text] == ["bad", "warn"]


def test_unknown_gauges_are_left_out() -> None:
    lines = header_lines(top(ram_share=None, cpu_share=None), 80)
    assert not any("RAM" in plain_text(of) for of in lines)
    assert "1 need login" in plain_text(lines[0])
    half = header_lines(top(ram_share=0.5, cpu_share=None), 80)
    assert "CPU [------------]    —" in plain_text(half[1])


def test_problems_are_shown_only_when_there_are_any() -> None:
    calm = "\n".join(plain_text(of) for of in header_lines(top(throttled=0, need_login=0), 80))
    assert "throttled" not in calm
    assert "login" not in calm
    assert "waiting" not in calm
    assert "held" not in calm
    assert "3 waiting" in "\n".join(
        plain_text(of) for of in header_lines(proxy(system=SystemView(waiting=3)), 80)
    )


def test_an_empty_model_shows_unknown() -> None:
    lines = [
        plain_text(of)
        for of in header_lines(replace(example_model(), totals=Totals(), proxy=ProxyInfo()), 80)
    ]
    assert lines[-2:] == ["Cap — · — headroom · —/— live", "Fleet no agents at work"]


@pytest.mark.parametrize(("verdict", "style"), [("green", "good"), ("yellow", "warn"), ("red", "bad")])
def test_the_verdict_has_its_colour(verdict: str, style: str) -> None:
    lines = header_lines(proxy(capacity=CapacityView(verdict, 0, 0, total=3)), 80)
    (word,) = [span for of in lines for span in of if span.text == verdict.upper()]
    assert style in word.style


def test_one_agent_without_alerts() -> None:
    lines = header_lines(top(counts=NodeCounts(agents=1, solo=1)), 100)
    assert "1 agent (1 solo · 0 ☂ · 0 ↳)" in plain_text(lines[-1])
    (needs,) = [span for span in lines[-1] if "needs-you" in span.text]
    assert needs.style == "dim"


def test_another_server_with_the_same_config_file_has_a_line() -> None:
    system = replace(example_model().proxy.system, other_servers=("pid 7 on port 3457 of b\x1b[31mox", "x"))
    lines = [plain_text(each) for each in header_lines(proxy(system=system), 80)]
    assert (
        lines[3].rstrip() == "Another server with the same config file: pid 7 on port 3457 of box and 1 more"
    )
    assert len(lines) == len(head()) + 1
    assert line_width(header_lines(proxy(system=system), 40)[3]) <= 40
