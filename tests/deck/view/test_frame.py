"""The whole screen: sections in order, everything scrolls, the footer stays, nothing is too wide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teamclaude.deck.model.model import DeckModel, Node, ProxyInfo, Totals
from teamclaude.deck.text.spans import line, line_width, plain_text
from teamclaude.deck.view.frame import render_frame, render_lines
from teamclaude.deck.view.node_rows import node_row
from teamclaude.deck.view.ui_state import Frame, FrameOptions, Page, ReadPage, UiState
from teamclaude.snapshot import SystemView
from tests.deck.example_model import ACTIVITY, ALICE, NODES, example_model, node

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local

FRAMES = Path(__file__).parents[1] / "frames"
FOOTER = (line("s switch  a add  ? help  q quit"),)
EMPTY = DeckModel(now=0.0, proxy=ProxyInfo(), totals=Totals(), nodes={})


def show(width: int = 80, height: int = 60, model: DeckModel | None = None, **options: Any) -> Frame:
    state = UiState(**{name: options.pop(name) for name in list(options) if hasattr(UiState, name)})
    given = FrameOptions(width, height, state, footer=FOOTER, **options)
    return render_frame(example_model() if model is None else model, given)


def text(of: Frame) -> list[str]:
    return [plain_text(shown) for shown in of.lines]


def crowd(size: int) -> DeckModel:
    """Return a model of `size` sessions on one account, without trees."""
    many = [node(f"{number:04x}", f"Session {number}", 1000) for number in range(size)]
    alice = replace(example_model().accounts[0], nodes=tuple(one.key for one in many))
    return replace(
        example_model(), nodes={one.key: one for one in many}, trees=(), accounts=(alice,), unassigned=()
    )


@pytest.mark.parametrize("size", ["40x8", "80x24", "120x40"])
@pytest.mark.parametrize("kind", ["", "-ascii"])
def test_frames_are_byte_identical_to_the_reviewed_ones(size: str, kind: str) -> None:
    width, height = map(int, size.split("x"))
    shown = text(show(width, height, ascii=bool(kind), percent=bool(kind)))
    assert shown == (FRAMES / f"{size}{kind}.txt").read_text("utf-8").split("\n")[:-1]


@pytest.mark.parametrize("width", [40, 41, 53, 64, 79, 80, 97, 119, 160, 200, 400])
@pytest.mark.parametrize("height", [8, 24, 61])
@pytest.mark.parametrize("plainly", [True, False])
def test_every_line_fits_and_there_are_as_many_as_the_screen_has(
    width: int, height: int, plainly: bool
) -> None:
    for model in (example_model(), EMPTY, crowd(40)):
        shown = show(width, height, model, ascii=plainly, percent=plainly, cursor=f"account:{ALICE}")
        assert len(shown.lines) == height
        assert max(map(line_width, shown.lines)) <= width
        if plainly:
            assert all(of.isascii() for of in text(shown))


@pytest.mark.parametrize(("width", "height"), [(39, 24), (80, 7), (1, 1), (10, 3)])
def test_a_terminal_that_is_too_small_is_told_so_in_one_line(width: int, height: int) -> None:
    shown = show(width, height)
    assert len(shown.lines) == height
    assert line_width(shown.lines[0]) <= width
    assert text(shown)[0].startswith("TeamClaude needs 40x8, this is"[: width - 1])
    assert not any(text(shown)[1:])
    assert shown.selectable == ()


def test_the_sections_stand_in_their_order() -> None:
    page = "\n".join(text(show()))
    titles = [
        "TeamClaude",
        "Cap ",
        "Fleet ",
        "── Tree",
        "── Accounts",
        "○ no account yet",
        "── By issue",
        "── Act",
    ]
    assert [page.index(title) for title in titles] == sorted(page.index(title) for title in titles)


def test_a_node_of_a_tree_is_not_shown_again_under_its_account() -> None:
    order = show().selectable
    assert sorted(row for row in order if row.startswith("node:")) == sorted(
        f"node:{one.key}" for one in NODES
    )


def test_selection_goes_in_the_order_shown() -> None:
    order = show().selectable
    tree = [f"node:{key}" for key in ("11aa", "22bb", "33cc", "33cc/a1", "44dd")]
    alice = [f"account:{ALICE}", "node:55ee"]
    bob = ["account:bob@example.com", "node:77aa", "node:66ff"]
    others = ["account:carol", "account:paid", "node:88bb"]
    assert list(order) == [*tree, *alice, *bob, *others, *(f"activity:{row.request.id}" for row in ACTIVITY)]


def test_scrolling_moves_the_body_and_leaves_the_footer() -> None:
    whole = text(show(80, 60))[:-1]
    for top in (0, 1, 7, 14):
        shown = text(show(80, 24, top=top))
        assert shown[:-1] == whole[top : top + 23]
        assert shown[-1].startswith("s switch  a add  ? help  q quit")
        assert shown[-1].rstrip("↑↓ ").endswith(f"{top + 1}-{top + 23}/37")


def test_scrolling_stops_at_the_end_and_the_beginning() -> None:
    assert show(80, 24, top=999).top == 37 - 23
    assert show(80, 24, top=-5).top == 0
    assert show(80, 60, top=10).top == 0, "what fits as a whole is shown as a whole"
    assert "37" not in text(show(80, 60))[-1], "then no position is shown"


def test_the_cursor_is_followed_with_a_line_around_it() -> None:
    model = crowd(100)
    for number in (0, 30, 50, 99):
        key = f"node:{number:04x}"
        shown = show(80, 24, model, cursor=key, scroll_to_cursor=True)
        place = shown.visible.index(key)
        assert 1 <= place <= 21
        assert all(span.style.endswith("reverse") for span in shown.lines[place])
        assert line_width(shown.lines[place]) == 80
    assert show(80, 24, model, cursor="node:0063", top=3).top == 3, "scrolling away is not undone"
    assert show(80, 24, model, cursor="node:gone", scroll_to_cursor=True, top=3).top == 3


def test_the_first_row_scrolls_to_the_header() -> None:
    assert show(80, 12, top=20, cursor="node:11aa", scroll_to_cursor=True).top == 0


def test_only_visible_rows_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Node] = []
    target = "teamclaude.deck.view.sections.node_row"
    monkeypatch.setattr(target, lambda one, *rest: drawn.append(one) or node_row(one, *rest))
    show(80, 24, crowd(300))
    assert 10 < len(drawn) < 24


def test_a_folded_tree_is_its_heading_and_tells_who_needs_you() -> None:
    shown = text(show(tree_folded=True))
    (heading,) = [of for of in shown if "Tree" in of]
    assert "1 tree · 5 nodes · 58k tok · $0.58 · 2 needs-you · t unfolds" in heading
    assert not any("ENG-1 " in of or "Levels" in of for of in shown[:8])


def test_connectors_and_levels() -> None:
    shown = text(show(120))
    start = next(at for at, of in enumerate(shown) if of.startswith("── Tree"))
    assert "Levels  L0 1·10k  L1 2·21k  L2 1·21k  L3 1·6.0k" in shown[start]
    assert [of[:19].rstrip() for of in shown[start + 1 : start + 6]] == [
        "  ☂ 🐙 ENG-1  Checko",
        "► ├─ ☂ 🦊 ENG-2",
        "  │  └─ ↳ 🐝 ENG-3",
        "  │     └─ ↳ 🐝 Expl",
        "► └─ ↳ 🐳 ENG-4",
    ]
    assert text(show(80))[start + 1].startswith("  Levels  L0"), "a narrow screen gives them a line"


def test_no_trees_no_section() -> None:
    assert not any("Tree" in of for of in text(show(model=replace(example_model(), trees=()))))


def test_eight_issues_are_shown_and_i_shows_them_all() -> None:
    issue = example_model().issues[0]
    model = replace(example_model(), issues=tuple(replace(issue, name=f"ENG-{n}") for n in range(30, 42)))
    page = text(show(height=90, model=model))
    assert sum(of.startswith("  🐝 ENG-") for of in page) == 8
    assert "  … 4 more: i shows them" in page
    assert any("TOTAL" in of for of in page)
    page = text(show(height=90, model=model, issues_open=True))
    assert sum(of.startswith("  🐝 ENG-") for of in page) == 12
    assert "more:" not in "\n".join(page)


def test_an_empty_deck_says_what_to_do() -> None:
    reachable = replace(EMPTY, proxy=ProxyInfo(SystemView("0.1.0", port=3456)))
    page = "\n".join(text(show(model=reachable)))
    assert "none yet: a adds one" in page
    assert "teamclaude run" in page
    assert "no agents at work" in page
    lost = "\n".join(text(show(model=replace(EMPTY, proxy=ProxyInfo(reachable=False)))))
    assert "▼ unreachable" in lost
    assert "a adds" not in lost
    assert "teamclaude run" not in lost


# --- filter -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "rows"),
    [
        ("rounding tests", ["node:11aa", "node:22bb", "node:33cc"]),
        ("ENG-9", [f"{'account'}:bob@example.com", "node:66ff"]),
        ("LOGIN REDIRECT", [f"account:{ALICE}", "node:55ee", f"activity:{ACTIVITY[0].request.id}"]),
        ("block", ["node:11aa", "node:44dd"]),
        ("auth_failed", ["account:paid"]),
        ("88bb", ["node:88bb"]),
    ],
)
def test_a_filter_keeps_rows_with_its_letters_and_what_stands_above_them(
    letters: str, rows: list[str]
) -> None:
    order = show(filter=letters).selectable
    assert [row for row in rows if row not in order] == []
    nodes = {row for row in order if row.startswith("node:")}
    assert nodes == {row for row in rows if row.startswith("node:")}


def test_a_filter_that_nothing_matches_says_so() -> None:
    shown = show(filter="zebra")
    assert shown.selectable == ()
    assert '  no row contains "zebra"' in text(shown)


def test_a_small_screen_shows_the_matches_instead_of_the_head() -> None:
    assert text(show(40, 8, filter="ENG-9"))[0].startswith("── Acc")


# --- pages ------------------------------------------------------------------------------------


def test_a_page_is_wrapped_and_scrolls_with_the_footer_in_place() -> None:
    page = Page("Title", (line("  key         " + "word " * 20), *[line(f"{n}") for n in range(30)]))
    shown = show(40, 10, mode=ReadPage(page, 0), top=1)
    assert text(shown)[0].startswith("  key         word word")
    assert text(shown)[1].startswith(" " * 14 + "word")
    assert text(shown)[-1].startswith("s switch")
    assert shown.selectable == ()


def test_as_text_it_is_as_long_as_it_is() -> None:
    lines = render_lines(example_model(), FrameOptions(width=80))
    assert [plain_text(of) for of in lines] == text(show(80, 60))[:37]
    short = [plain_text(of) for of in render_lines(example_model(), FrameOptions(width=80, max_requests=1))]
    assert sum("→" in of for of in short[-4:]) == 3, "those in flight and one more"
    assert not any(
        "Activity" in plain_text(of)
        for of in render_lines(example_model(), FrameOptions(width=80, max_requests=0))
    )
