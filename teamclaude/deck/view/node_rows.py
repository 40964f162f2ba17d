"""Draw a conversation as one row, with the same columns under an account and in a tree; and a tree's summary.

Left of the columns stand mark, connectors, role, emoji and name; right of them, if there is room, where it
works and what it is about.  All rows of a frame have the same columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ...values import NamedTuple
from ..model.model import LEAD, WORKER, DeckModel, Node, Tree, TreeLine
from ..model.usage_sum import UsageSum, sum_usage
from ..text.cells import clip, width
from ..text.format import format_tokens
from ..text.spans import Line, Span, clip_line, first_fitting, join_lines, line, line_width
from .wording import cell, model_name, plural, short_time, usage_burn, usage_dollars, usage_summary

__all__ = [
    "NO_PLACEMENT",
    "NodeColumns",
    "RowPlacement",
    "column_headings",
    "connectors",
    "first_column",
    "levels_line",
    "node_columns",
    "node_row",
    "tree_summary",
]

CHIP_STYLES = {
    "work": "good",
    "todo": "accent",
    "queued": "dim",
    "block": "bad",
    "review": "warn",
    "done": "dim",
    "wait": "bad",
}
ROLES = {LEAD: "☂", WORKER: "↳"}
MARK_CELLS, HEAD_CELLS = 2, 5  # `► `; `☂ 🦜 `
MIN_NAME, MAX_NAME, MIN_ABOUT = 12, 32, 22


class RowPlacement(NamedTuple):
    """What a row shows because of its position: connectors, the sum of its subtree, its account."""

    connectors: str = ""
    subtree_usage: Optional[UsageSum] = None
    account: str = ""
    id_tag: str = ""  # the beginning of the session's id: replaces the emoji on an ASCII terminal
    folded: int = 0  # idle sub-agents below it that have no row of their own


NO_PLACEMENT = RowPlacement()


class NodeColumns(NamedTuple):
    """Cells of each column, 0 if it is not shown; `name` includes connectors, role and emoji.

    `about` is the rest of the line; if it is 0, the text about the conversation follows short names.
    """

    name: int
    chip: int
    state: int
    written: int
    cost: int
    subtree: int
    model: int
    account: int
    location: int
    about: int


def node_columns(room: int, nodes: Iterable[Node], deepest: int, trees: bool) -> NodeColumns:
    """Return the columns that fit into `room` cells, by priority.

    `deepest` is the depth of the deepest tree row: its connectors shorten its name.
    """
    names = max((width(_full_name(node)) for node in nodes), default=0)
    connector_cells = 3 * min(deepest, 4)
    least = MIN_NAME + HEAD_CELLS + min(connector_cells, 6)
    want = max(least, min(MAX_NAME, names) + HEAD_CELLS + connector_cells)
    left = room - MARK_CELLS - 3 - 5 - least  # the rest after glyph, tokens and the shortest name

    def take(wanted: int, and_keep: int = 0) -> int:
        nonlocal left
        if left < wanted + and_keep:
            return 0
        left -= wanted
        return wanted

    cost, chip = take(9), take(7)
    state = take(9, 30) or take(6)
    subtree = take(8) if trees else 0
    if least + left < want + MIN_ABOUT:
        return NodeColumns(least + left, chip, state, 0, cost, subtree, 0, 0, 0, 0)
    left -= want - least
    written = take(8, MIN_ABOUT)
    location = take(24, MIN_ABOUT)
    account = take(13, MIN_ABOUT + 12) if trees else 0
    model = take(13, MIN_ABOUT + 12)
    return NodeColumns(want, chip, state, written, cost, subtree, model, account, location, left)


def first_column(columns: NodeColumns) -> int:
    """Return the cells left of the column headings: the mark and the name."""
    return MARK_CELLS + columns.name


def column_headings(columns: NodeColumns) -> Line:
    """Return the headings right of the names; they stand once, in the rule of the first section."""
    parts = [
        (" issue", columns.chip, False),
        (" state", columns.state, False),
        ("burn", 8, True),
        ("written", columns.written, True),
        ("cost", columns.cost, True),
        ("Σ burn", columns.subtree, True),
        ("  where", columns.location, False),
        ("  account", columns.account, False),
        ("  model", columns.model, False),
    ]
    return tuple(cell(text, cells, "dim", right) for text, cells, right in parts if cells)


def node_row(node: Node, columns: NodeColumns, placement: RowPlacement = NO_PLACEMENT) -> Line:
    """Return the row of a node."""
    out = [_mark(node), *_name(node, columns, placement)]
    if columns.chip:
        out.append(cell(f" {node.chip}", columns.chip, CHIP_STYLES.get(node.chip, "")))
    if columns.state:
        out.append(_state(node, columns.state))
    out += [Span(" "), _activity_glyph(node), cell(usage_burn(node.usage), 6, "strong", right=True)]
    if columns.written:
        out.append(cell(format_tokens(node.usage.written), columns.written, right=True))
    if columns.cost:
        out.append(cell(usage_dollars(node.usage), columns.cost, right=True))
    if columns.subtree:
        shown = f"Σ {usage_burn(placement.subtree_usage)}" if placement.subtree_usage is not None else ""
        out.append(cell(shown, columns.subtree, "accent", right=True))
    if columns.location:
        out.append(cell(f"  {_location(node)}", columns.location, "accent"))
    if columns.account:
        out.append(cell(f"  {placement.account}", columns.account))
    if columns.model:
        out.append(cell(f"  {model_name(node.binding.model or '')}", columns.model, "dim"))
    if columns.about:
        out += [Span("  "), *_about(node, columns, columns.about - 2, placement.folded)]
    return tuple(out)


def _location(node: Node) -> str:
    """Return `website ⎇ fix/login`: folder and branch."""
    return f"{node.project} ⎇ {node.branch}" if node.branch else node.project


def _mark(node: Node) -> Span:
    if node.needs_you:
        return Span("► ", "bad strong")
    return Span("◆ ", "warn") if node.collision else Span("  ")


def _name(node: Node, columns: NodeColumns, placement: RowPlacement) -> list[Span]:
    head = f"{ROLES.get(node.role, ' ')} "
    left = max(0, columns.name - width(placement.connectors) - width(head) - 3)
    out = [
        Span(placement.connectors, "dim"),
        Span(head, "accent"),
        cell(placement.id_tag or node.emoji, 2),
        Span(" "),
    ]
    label = Span(clip(node.label, left), "strong" if node.live else "")
    left -= width(label.text)
    out.append(label)
    if left >= 8:
        more = _beside(node, columns, left - 2, placement.folded)
        out += [Span("  "), *more]
        left -= 2 + line_width(more)
    return [*out, Span(" " * left)]


def _beside(node: Node, columns: NodeColumns, room: int, folded: int) -> Line:
    """Return what follows a short name: the issue's title, or the text about it when it has no column."""
    if columns.about:
        return clip_line(line((_title(node), "dim")), room)
    return _about(node, columns, room, folded)


def _title(node: Node) -> str:
    """Return the title of the issue that the label names, unless it is shown elsewhere."""
    return node.title if node.label == node.issue and node.title != node.about else ""


def _full_name(node: Node) -> str:
    title = _title(node)
    return f"{node.label}  {title}" if title else node.label


def _state(node: Node, cells: int) -> Span:
    if node.held_sec is not None:
        since = "" if cells < 9 else f" {short_time(node.held_sec)}"
        return cell(f" held{since}", cells, "warn")
    if node.live:
        return cell(" live", cells, "good")
    idle = "" if node.idle is None or cells < 9 else f" {short_time(node.idle)}"
    return cell(f" idle{idle}", cells, "dim")


def _activity_glyph(node: Node) -> Span:
    if node.tool_running:
        return Span("⚙", "warn")
    if node.inference:
        return Span("~", "good")
    return Span("‖", "warn") if node.held_sec is not None else Span(" ")


def _about(node: Node, columns: NodeColumns, room: int, folded: int) -> Line:
    """Return what it waits for or is about; of a session without issue also where, if no column shows it."""
    with_location = not (columns.location or node.issue or node.agent)
    parts: list[Line] = [
        line((node.waiting_for, "warn")) if node.waiting_for else (),
        line((f"+{folded} done", "dim")) if folded else (),
        line(("pinned", "accent")) if node.binding.pinned else (),
        line((_location(node), "accent")) if with_location and node.project else (),
        line((node.about, "dim")) if node.about else (),
    ]
    return clip_line(join_lines(parts), room)


def connectors(tree_line: TreeLine) -> str:
    """Return the connectors before a node: three cells for each level."""
    if not tree_line.more_below:
        return ""
    before = "".join("│  " if more else "   " for more in tree_line.more_below[:-1])
    return before + ("├─ " if tree_line.more_below[-1] else "└─ ")


def tree_summary(model: DeckModel, folded: bool) -> list[Line]:
    """Return `1 tree · 6 nodes · 58k tok · $3.10`, longest wording first."""
    usage, nodes = model.tree_usage, model.tree_nodes
    trees = plural(len(model.trees), "tree")
    needs = sum(model.nodes[row.key].needs_you for tree in model.trees for row in tree.lines)
    notes = [line((f"{needs} needs-you", "bad strong"))] if folded and needs else []
    fold = [line(("t unfolds", "dim"))] if folded else []
    return [
        join_lines([line(trees), line(plural(nodes, "node")), line(usage_summary(usage)), *notes, *fold]),
        join_lines([line(trees), line(plural(nodes, "node")), line(f"{usage_burn(usage)} burn"), *notes]),
        join_lines([line(f"{nodes} nodes"), line(f"{usage_burn(usage)} burn"), *notes]),
        join_lines([line(f"{nodes} nodes"), line(usage_dollars(usage))]),
    ]


def levels_line(trees: tuple[Tree, ...], room: int) -> Line:
    """Return `Levels  L0 1·10k  L1 2·8.0k`: the number of nodes at each depth, and their burn."""
    found = []
    for depth in range(max((len(tree.levels) for tree in trees), default=0)):
        levels = [tree.levels[depth] for tree in trees if depth < len(tree.levels)]
        nodes = sum(level.nodes for level in levels)
        usage = sum_usage([level.usage for level in levels])
        found.append(line((f"L{depth} ", "accent"), f"{nodes}·{usage_burn(usage)}"))
    wordings = [
        join_lines([line(("Levels", "dim")), *found[:shown]], "  ") for shown in range(len(found), 0, -1)
    ]
    return first_fitting(wordings, room)
