"""The orchestration trees: a heading with the sum, the levels, and a row for each node."""

from __future__ import annotations

from ..model.model import DeckModel, Tree, TreeLine, sum_usage
from ..text.spans import Line, first_fitting, join_lines, line
from .wording import plural, usage_dollars, usage_summary, usage_tokens

__all__ = ["levels_line", "connectors", "tree_summary"]


def connectors(at: TreeLine) -> str:
    """The connectors in front of a node: three cells for each level."""
    if not at.more_below:
        return ""
    before = "".join("│  " if more else "   " for more in at.more_below[:-1])
    return before + ("├─ " if at.more_below[-1] else "└─ ")


def tree_summary(model: DeckModel, folded: bool) -> list[Line]:
    """`1 tree · 6 nodes · 58k tok · $3.10`, longest wording first."""
    tally, nodes = model.tree_usage, model.tree_nodes
    trees = plural(len(model.trees), "tree")
    needs = sum(model.nodes[at.key].needs_you for tree in model.trees for at in tree.lines)
    notes = [line((f"{needs} needs-you", "bad strong"))] if folded and needs else []
    fold = [line(("t unfolds", "dim"))] if folded else []
    return [
        join_lines([line(trees), line(plural(nodes, "node")), line(usage_summary(tally)), *notes, *fold]),
        join_lines([line(trees), line(plural(nodes, "node")), line(f"{usage_tokens(tally)} tok"), *notes]),
        join_lines([line(f"{nodes} nodes"), line(usage_dollars(tally))]),
    ]


def levels_line(trees: tuple[Tree, ...], room: int) -> Line:
    """`Levels  L0 1·10k  L1 2·8.0k`: how many nodes at each depth, and their tokens."""
    found = []
    for depth in range(max((len(tree.levels) for tree in trees), default=0)):
        levels = [tree.levels[depth] for tree in trees if depth < len(tree.levels)]
        nodes = sum(level.nodes for level in levels)
        tally = sum_usage([level.usage for level in levels])
        found.append(line((f"L{depth} ", "accent"), f"{nodes}·{usage_tokens(tally)}"))
    ways = [join_lines([line(("Levels", "dim")), *found[:shown]], "  ") for shown in range(len(found), 0, -1)]
    return first_fitting(ways, room)
