"""Build orchestration trees: the parents of shown conversations to any depth, and sums of their use.

An edge is a sub-agent's parent, or a pin whose `parentId` is the issue another shown session is pinned to.
Rule 1: a conversation has at most one parent and appears once.
Rule 2: no conversation is its own parent, and an edge that would close a cycle is left out.
Rule 3: a root is a lead whose parent is not shown; a conversation without parent and children is in no tree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ..sources.sources import IssuePin
from .conversations import ConversationSet, ancestors
from .model import Tree, TreeLevel, TreeLine
from .usage_sum import UsageSum, sum_usage

__all__ = ["children_of", "parents_of", "trees_of", "usage_by_node", "without_cycles"]


def without_cycles(parents: Mapping[str, str]) -> dict[str, str]:
    """Return `parents` (child -> parent) without self-parents and without one edge of each cycle."""
    kept = {child: parent for child, parent in parents.items() if child != parent}
    settled: set[str] = set()
    for start in sorted(kept):
        path: list[str] = []
        on_path: dict[str, int] = {}
        at = start
        while at in kept and at not in settled and at not in on_path:
            on_path[at] = len(path)
            path.append(at)
            at = kept[at]
        if at in on_path:
            # The choice does not depend on the order of the sessions.
            del kept[min(path[on_path[at] :])]
        settled.update(path)
    return kept


def children_of(parents: Mapping[str, str]) -> dict[str, list[str]]:
    """Return parent -> children, in the order of `parents`."""
    found: dict[str, list[str]] = {}
    for child, parent in parents.items():
        found.setdefault(parent, []).append(child)
    return found


def trees_of(
    parents: Mapping[str, str], usages: Mapping[str, UsageSum], done: Collection[str] = ()
) -> tuple[Tree, ...]:
    """Return the trees of acyclic `parents`; roots and children with the largest subtrees (burn) first.

    Those of `done` that have nothing but such nodes below them get no line: the line above counts them.
    """
    children = children_of(parents)
    roots = [key for key in children if key not in parents]
    sums = _sums(roots, children, usages)

    def most_first(keys: Iterable[str]) -> list[str]:
        return sorted(keys, key=lambda key: (-sums[key][1].rank, key))

    folded = _folded(roots, children, frozenset(done))
    order = {key: most_first(each for each in below if each not in folded) for key, below in children.items()}
    hidden = {key: sum(sums[each][0] for each in below if each in folded) for key, below in children.items()}
    return tuple(_tree(root, order, hidden, sums, usages, children) for root in most_first(roots))


def _folded(roots: Iterable[str], children: Mapping[str, list[str]], done: frozenset[str]) -> frozenset[str]:
    """Return the nodes of `done` below which there are only others of them."""
    order = list(roots)
    for key in order:
        order.extend(children.get(key, ()))
    folded: set[str] = set()
    for key in reversed(order):
        if key in done and all(below in folded for below in children.get(key, ())):
            folded.add(key)
    return frozenset(folded)


def _sums(
    roots: Iterable[str], children: Mapping[str, list[str]], usages: Mapping[str, UsageSum]
) -> dict[str, tuple[int, UsageSum]]:
    """Return (nodes, usage) of each subtree, from the leaves up: no recursion, whatever the depth."""
    order = list(roots)
    for key in order:
        order.extend(children.get(key, ()))
    sums: dict[str, tuple[int, UsageSum]] = {}
    for key in reversed(order):
        below = [sums[child] for child in children.get(key, ())]
        own = usages[key]
        sums[key] = (
            1 + sum(nodes for nodes, _ in below),
            sum_usage([own, *(usage for _, usage in below)]) if below else own,
        )
    return sums


def _tree(
    root: str,
    order: Mapping[str, list[str]],
    hidden: Mapping[str, int],
    sums: Mapping[str, tuple[int, UsageSum]],
    usages: Mapping[str, UsageSum],
    children: Mapping[str, list[str]],
) -> Tree:
    lines: list[TreeLine] = []
    stack: list[tuple[str, tuple[bool, ...]]] = [(root, ())]
    while stack:
        key, rails = stack.pop()
        size, subtree = sums[key]
        lines.append(TreeLine(key, len(rails), rails, size, subtree, hidden.get(key, 0)))
        below = order.get(key, ())
        for place in range(len(below) - 1, -1, -1):
            stack.append((below[place], (*rails, place < len(below) - 1)))
    return Tree(
        lines=tuple(lines),
        levels=tuple(
            TreeLevel(depth, len(found), sum_usage(found))
            for depth, found in enumerate(_levels(root, children, usages))
        ),
        usage=sums[root][1],
    )


def _levels(
    root: str, children: Mapping[str, list[str]], usages: Mapping[str, UsageSum]
) -> Iterator[list[UsageSum]]:
    """Yield the use of all nodes at each depth, folded ones among them."""
    keys = [root]
    while keys:
        yield [usages[key] for key in keys]
        keys = [below for key in keys for below in children.get(key, ())]


def parents_of(conversations: ConversationSet) -> dict[str, str]:
    """Return child -> parent without cycles: sub-agents by their starter, sessions by their pins."""
    edges = {key: up for key, up in conversations.shown.items() if up}
    pins = {key: pin for key, pin in conversations.sources.pins.items() if key in conversations.shown}
    sessions = _session_by_issue(conversations, pins)
    for session, pin in pins.items():
        parent = sessions.get(pin.parent_id) if pin.parent_id != pin.issue_id else None
        if parent is not None:
            edges[session] = parent
    kept = without_cycles(edges)
    for key in edges:
        if key not in kept and conversations.shown[key]:
            kept[key] = conversations.known[key].session  # sub-agents that name each other as starter
    return kept


def _session_by_issue(conversations: ConversationSet, pins: Mapping[str, IssuePin]) -> dict[str, str]:
    """Return issue id -> the session that is pinned to it; of several the oldest."""

    def age(session: str) -> tuple[float, str]:
        row = conversations.sources.registry.get(session)
        started = row.started if row is not None else None
        if started is None:
            started = conversations.known[session].binding.first_seen
        return (float("inf") if started is None else started, session)

    found: dict[str, str] = {}
    for session in sorted(pins, key=age):
        if pins[session].issue_id:
            found.setdefault(pins[session].issue_id, session)
    return found


def usage_by_node(conversations: ConversationSet) -> dict[str, UsageSum]:
    """Return what each shown conversation has used.

    A sub-agent that is no longer shown counts for its nearest shown ancestor: otherwise a lead's sum would
    shrink whenever one of its sub-agents ends.
    """
    known, shown = conversations.known, conversations.shown
    parts = {key: [known[key].usage] for key in shown}
    for key, conversation in known.items():
        hidden = conversation.agent and conversation.binding.sid and key not in shown
        if hidden and conversation.session in shown:
            ancestor = next(up for up in ancestors(known, key) if up in shown)
            parts[ancestor].append(conversation.usage)
    return {key: usages[0] if len(usages) == 1 else sum_usage(usages) for key, usages in parts.items()}
