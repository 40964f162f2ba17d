"""The whole screen: sections in order, everything scrolls, the footer stays, nothing is too wide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from teamclaude.deck.model.model import DeckModel, Node, ProxyInfo, Totals
from teamclaude.deck.text.spans import line, line_width, plain_text
from teamclaude.deck.view.frame import render_frame, render_lines
from teamclaude.deck.view.node_rows import node_row
from teamclaude.deck.view.ui_state import Frame, FrameOptions, Page, ReadPage, UiState
from teamclaude.snapshot import SystemView
from teamclaude.values import replace
from tests.deck.example_model import ACTIVITY, ALICE, NODES, example_model, node, request

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


@pytest.mark.parametrize("size", ["40x8", "60x15", "80x24", "120x40", "200x60"])
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
        "▸ alice 5h ",
        "── Needs you",
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
    needs = ["needs:node:44dd", "needs:account:paid", "needs:node:22bb"]
    tree = [f"node:{key}" for key in ("11aa", "22bb", "33cc", "33cc/a1", "44dd")]
    alice = [f"account:{ALICE}", "node:55ee"]
    bob = ["account:bob@example.com", "node:77aa", "node:66ff"]
    others = ["account:carol", "account:paid", "node:88bb"]
    requests = [f"activity:{row.request.id}" for row in ACTIVITY]
    assert list(order) == [*needs, *tree, *alice, *bob, *others, *requests]


def test_only_the_middle_scrolls() -> None:
    first = show(80, 24)
    start, end = first.body_start, first.body_start + first.body_room
    for top in range(first.body_length - first.body_room):
        shown, below = text(show(80, 24, top=top)), text(show(80, 24, top=top + 1))
        assert shown[start + 1 : end] == below[start : end - 1]
        assert shown[:start] == text(first)[:start], "header and accounts stay"
        assert shown[end:-1] == text(first)[end:-1], "the newest requests stay"
        assert shown[-1].startswith("s switch  a add  ? help  q quit")
        assert shown[-1].rstrip("↑↓ ").endswith(f"{top + 1}-{top + end - start}/{first.body_length}")


def test_scrolling_stops_at_the_end_and_the_beginning() -> None:
    frame = show(80, 24)
    assert show(80, 24, top=999).top == frame.body_length - frame.body_room
    assert show(80, 24, top=-5).top == 0
    assert show(80, 60, top=10).top == 0, "what fits as a whole is shown as a whole"
    assert "/" not in text(show(80, 60))[-1], "then no position is shown"


def test_the_newest_requests_are_pinned_and_the_others_follow_in_the_middle() -> None:
    many = replace(example_model(), activity=tuple(request(n) for n in range(1, 40)))
    for height, pinned in ((24, 5), (20, 4), (15, 2), (12, 1)):
        frame = show(80, height, many)
        rows = frame.visible[frame.body_start + frame.body_room :]
        assert rows == ("", *(f"activity:tc-{n:016x}" for n in range(1, pinned + 1)))
        assert text(frame)[-pinned - 2].startswith("── Activity")
    low = show(80, 10, many)
    assert low.body_start + low.body_room == 9, "a low screen pins none"
    requests = [row for row in frame.selectable if row.startswith("activity:")]
    assert len(requests) == len(set(requests)) == 39, "each once"
    assert "── Earlier  38 requests" in "\n".join(text(show(80, 12, many, top=low.body_length - 42)))


def test_a_tall_screen_pins_all_requests_that_have_room() -> None:
    frame = show(80, 60)
    assert len(frame.visible[frame.body_start + frame.body_room :]) == 1 + len(ACTIVITY)
    assert not any("Earlier" in of for of in text(frame))


def test_a_pinned_request_can_be_clicked_and_selected_without_scrolling() -> None:
    key = f"activity:{ACTIVITY[0].request.id}"
    frame = show(80, 24, cursor=key, scroll_to_cursor=True, top=5)
    place = frame.visible.index(key)
    assert all(span.style.endswith("reverse") for span in frame.lines[place])
    assert frame.top == 5


def test_the_selected_row_stays_where_it_is_when_the_list_is_sorted_anew() -> None:
    model = crowd(100)
    before = show(80, 24, model, cursor="node:001e", top=25)
    line_of = before.visible.index("node:001e") - before.body_start
    (alice,) = model.accounts
    turned = replace(model, accounts=(replace(alice, nodes=tuple(reversed(alice.nodes))),))
    after = show(80, 24, turned, cursor="node:001e", top=25, anchor=line_of)
    assert after.visible.index("node:001e") - after.body_start == line_of
    assert show(80, 24, turned, cursor="node:gone", top=25, anchor=3).top == 25


def test_the_cursor_is_followed_with_a_line_around_it() -> None:
    model = crowd(100)
    for number in (0, 30, 50, 99):
        key = f"node:{number:04x}"
        shown = show(80, 24, model, cursor=key, scroll_to_cursor=True)
        place = shown.visible.index(key)
        assert 1 <= place - shown.body_start < shown.body_room - 1 or number == 99
        assert all(span.style.endswith("reverse") for span in shown.lines[place])
        assert line_width(shown.lines[place]) == 80
    assert show(80, 24, model, cursor="node:0063", top=3).top == 3, "scrolling away is not undone"
    assert show(80, 24, model, cursor="node:gone", scroll_to_cursor=True, top=3).top == 3


def test_the_first_row_scrolls_to_its_heading() -> None:
    assert show(80, 12, top=20, cursor="needs:node:44dd", scroll_to_cursor=True).top == 0


def test_only_visible_rows_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Node] = []
    target = "teamclaude.deck.view.sections.node_row"
    monkeypatch.setattr(target, lambda one, *rest: drawn.append(one) or node_row(one, *rest))
    show(80, 24, crowd(300))
    assert 5 < len(drawn) < 24


def test_a_folded_tree_is_its_heading_and_tells_who_needs_you() -> None:
    shown = text(show(tree_folded=True))
    (heading,) = [of for of in shown if "Tree" in of]
    assert "1 tree · 5 nodes · 58k burn · $0.58 · 2 needs-you · t unfolds" in heading
    assert not any("ENG-1 " in of or "Levels" in of for of in shown[:14])


def test_connectors_and_levels() -> None:
    shown = text(show(120, 28))
    start = next(at for at, of in enumerate(shown) if of.startswith("── Tree"))
    assert [of[:19].rstrip() for of in shown[start + 1 : start + 6]] == [
        "  ☂ 🐙 ENG-1  Checko",
        "► ├─ ☂ 🦊 ENG-2",
        "  │  └─ ↳ 🐝 ENG-3",
        "  │     └─ ↳ 🐝 Expl",
        "► └─ ↳ 🐳 ENG-4",
    ]
    assert any(of.startswith("  Levels  L0") for of in text(show(80, 40))), (
        "a narrow screen gives them a line"
    )
    assert not any("Levels" in of for of in text(show(80, 24))), "a low one none"


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


def test_as_text_everything_is_there_once() -> None:
    lines = [plain_text(of) for of in render_lines(example_model(), FrameOptions(width=80))]
    assert lines[0].startswith("TeamClaude")
    assert not any(of.startswith("▸ alice") for of in lines), "no pinned parts"
    assert sum(of.startswith("── Activity") for of in lines) == 1
    screen = text(show(80, 60))
    assert [of for of in lines if of not in screen] == []
    short = [plain_text(of) for of in render_lines(example_model(), FrameOptions(width=80, max_requests=1))]
    assert sum("→" in of for of in short[-4:]) == 3, "those in flight and one more"
    assert not any(
        "Activity" in plain_text(of)
        for of in render_lines(example_model(), FrameOptions(width=80, max_requests=0))
    )
