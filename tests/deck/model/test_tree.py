"""Orchestration trees from child -> parent: order, sums, levels, connectors, cycles."""

from __future__ import annotations

import random

from teamclaude.deck.model.model import Tree
from teamclaude.deck.model.tree import trees_of, without_cycles
from teamclaude.deck.model.usage_sum import UsageSum


def grow(parents: dict[str, str], **tokens: int) -> tuple[Tree, ...]:
    keys = {*parents, *parents.values(), *tokens}
    return trees_of(without_cycles(parents), {key: UsageSum(tokens=tokens.get(key, 0)) for key in keys})


def shape(tree: Tree) -> str:
    return " ".join(f"{line.depth}{line.key}" for line in tree.lines)


def test_children_stand_below_their_parents_most_subtree_tokens_first() -> None:
    (tree,) = grow({"b": "a", "c": "a", "d": "b", "e": "c"}, a=1, b=5, c=3, d=1, e=10)
    assert shape(tree) == "0a 1c 2e 1b 2d"
    assert [(line.size, line.subtree_usage.tokens) for line in tree.lines] == [
        (5, 20),
        (2, 13),
        (1, 10),
        (2, 6),
        (1, 1),
    ]
    assert (tree.root, tree.size, tree.usage.tokens) == ("a", 5, 20)


def test_roots_are_sorted_by_subtree_tokens_then_by_key() -> None:
    trees = grow({"b": "a", "d": "c", "y": "x", "w": "v"}, a=90, b=1, c=1, d=100, y=7, w=7)
    assert [tree.root for tree in trees] == ["c", "a", "v", "x"]


def test_levels_count_nodes_and_tokens_at_each_depth() -> None:
    (tree,) = grow({"b": "a", "c": "a", "d": "b"}, a=10, b=5, c=3, d=1)
    assert [(level.depth, level.nodes, level.usage.tokens) for level in tree.levels] == [
        (0, 1, 10),
        (1, 2, 8),
        (2, 1, 1),
    ]


def test_more_below_tells_where_lines_continue() -> None:
    (tree,) = grow({"b": "a", "c": "a", "d": "b"}, b=5, c=3)
    assert {line.key: line.more_below for line in tree.lines} == {
        "a": (),
        "b": (True,),
        "d": (True, False),
        "c": (False,),
    }


def test_a_conversation_without_parent_and_children_is_in_no_tree() -> None:
    assert grow({}, a=5, b=6) == ()


def test_unknown_use_stays_unknown_and_adds_nothing() -> None:
    parents = {"b": "a", "c": "a"}
    (tree,) = trees_of(
        parents, {"a": UsageSum(), "b": UsageSum(tokens=5, cost=1.5), "c": UsageSum(unpriced=3, tokens=3)}
    )
    assert tree.usage == UsageSum(tokens=8, cost=1.5, unpriced=3)
    (bare,) = trees_of({"b": "a"}, {"a": UsageSum(), "b": UsageSum()})
    assert bare.usage == UsageSum(tokens=None, cost=None, unpriced=0, requests=None)


# --- cycles ---------------------------------------------------------------------------------------


def test_no_conversation_is_its_own_parent() -> None:
    assert without_cycles({"a": "a", "b": "a"}) == {"b": "a"}
    (tree,) = grow({"a": "a", "b": "a"})
    assert shape(tree) == "0a 1b"


def test_a_cycle_is_cut_at_the_same_edge_in_any_order() -> None:
    assert without_cycles({"a": "b", "b": "c", "c": "a"}) == {"b": "c", "c": "a"}
    assert without_cycles({"c": "a", "b": "c", "a": "b"}) == {"b": "c", "c": "a"}


def test_children_of_a_cycle_stay_with_it() -> None:
    (tree,) = grow({"b": "c", "c": "b", "a": "c", "z": "a"})
    assert sorted(line.key for line in tree.lines) == ["a", "b", "c", "z"]
    assert tree.root == "b"


def test_any_edges_give_each_node_once_below_one_root() -> None:
    rng = random.Random(7)
    for _ in range(200):
        keys = [f"n{place}" for place in range(12)]
        parents = {key: rng.choice(keys) for key in rng.sample(keys, 9)}
        lines = [line for tree in grow(parents) for line in tree.lines]
        seen = [line.key for line in lines]
        assert len(seen) == len(set(seen))
        connected = {key for pair in parents.items() if pair[0] != pair[1] for key in pair}
        assert set(seen) == connected


def test_a_tree_may_have_any_depth() -> None:
    depth = 3000
    (tree,) = grow({f"n{place + 1:05}": f"n{place:05}" for place in range(depth)}, n03000=7)
    assert tree.size == depth + 1
    assert (tree.lines[-1].depth, tree.lines[0].subtree_usage.tokens) == (depth, 7)
