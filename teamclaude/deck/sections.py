"""The body of the Deck from top to bottom, as rows that draw themselves when they are in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Optional

from .model import DeckModel, Node, TreeLine
from .sieve import RowFilter
from .spans import Line, Span, cells, fitting, joined, line
from .view_accounts import AccountColumns, account_lines
from .view_activity import activity_row
from .view_head import head_lines
from .view_holds import hold_row
from .view_issues import SHOWN, IssueColumns, issue_heading, issue_row
from .view_options import FrameOptions
from .view_rows import Place, columns_for, node_row
from .view_tree import levels_line, rails_of, tree_summary
from .view_words import plural, short_names

__all__ = ["ACCOUNT", "ACTIVITY", "NODE", "Row", "body", "fixed"]

# What the id of a row begins with.
NODE, ACCOUNT, ACTIVITY = "node:", "account:", "activity:"
WIDE = 116  # the levels stand beside the heading
FEW_LINES = 18
FEW_HOLDS = 4  # are shown each, of more all but the last


class Row(NamedTuple):
    """One line; `key` is its identity where it can be selected, `start` that a section begins here."""

    key: str
    draw: Callable[[], Line]
    start: bool = False


def body(model: DeckModel, options: FrameOptions) -> list[Row]:
    """All sections; with a filter only what matches it, and what is needed to see where that is."""
    body = _Body(model, options)
    rows = [fixed(shown) for shown in head_lines(model, options.width)]
    if options.filter and 0 < options.height < FEW_LINES:
        rows = []  # what is looked for is further down
    for section in (body.held, body.tree, body.accounts, body.unassigned, body.issues, body.activity):
        rows.extend(section())
    if not body.sieve.any_match:
        rows.append(fixed(line((f'  nothing here has "{options.filter}" in it', "warn"))))
    return rows


def fixed(shown: Line) -> Row:
    """A line that can't be selected."""
    return Row("", lambda: shown)


class _Body:
    """One frame's sections; what rows share is worked out once."""

    def __init__(self, model: DeckModel, options: FrameOptions) -> None:
        self._model, self._options = model, options
        self.sieve = RowFilter(model.nodes, options.filter)
        self._names = short_names(account.name for account in model.accounts)
        deepest = max((at.depth for tree in model.trees for at in tree.lines), default=0)
        self._columns = columns_for(options.width, model.nodes.values(), deepest, bool(model.trees))

    # --- held requests ------------------------------------------------------------------------

    def held(self) -> Iterator[Row]:
        model, options = self._model, self._options
        shown = [hold for hold in model.held if self.sieve.matches_hold(hold)]
        if not shown:
            return
        yield self._heading("Held", [line((f"{plural(len(shown), 'request')}, no account for now", "warn"))])
        for hold in shown if len(shown) <= FEW_HOLDS else shown[: FEW_HOLDS - 1]:
            yield fixed(hold_row(hold, model.nodes, options))
        if len(shown) > FEW_HOLDS:
            yield fixed(line((f"  … {len(shown) - FEW_HOLDS + 1} more", "dim")))

    # --- trees --------------------------------------------------------------------------------

    def tree(self) -> Iterator[Row]:
        model, options = self._model, self._options
        shown = [(tree, self.sieve.tree_keys(tree)) for tree in model.trees]
        if not any(kept for _, kept in shown):
            return
        summary = tree_summary(model, options.tree_folded)
        levels = levels_line(model.trees, options.width - 4)
        if options.tree_folded:
            yield self._heading("Tree", summary)
            return
        if options.width >= WIDE:
            yield self._heading("Tree", summary, levels)
        else:
            yield self._heading("Tree", summary)
            yield fixed((Span("  "), *levels))
        for tree, kept in shown:
            for at in tree.lines:
                if at.key in kept:
                    yield self._node(model.nodes[at.key], at)

    def _node(self, node: Node, at: Optional[TreeLine] = None) -> Row:
        def draw() -> Line:
            tag = node.session[:2] if self._options.ascii else ""
            if at is None:
                return node_row(node, self._columns, Place(tag=tag))
            account = self._names.get(node.account, node.account) or "no account"
            subtree = at.subtree_usage if at.size > 1 else None
            return node_row(node, self._columns, Place(rails_of(at), subtree, account, tag))

        return Row(NODE + node.key, draw)

    # --- accounts -----------------------------------------------------------------------------

    def accounts(self) -> Iterator[Row]:
        accounts = self._model.accounts
        columns = AccountColumns(accounts, self._options.width, self._options.percent)
        shown = [(a, self._kept(a.nodes)) for a in accounts]
        if not self.sieve.matches_all:
            shown = [(a, kept) for a, kept in shown if self.sieve.matches_account(a) or kept]
        if not shown and accounts:
            return
        yield self._heading("Accounts", _account_summary(self._model))
        for account, kept in shown:
            first, *others = account_lines(account, columns)
            yield Row(ACCOUNT + account.name, lambda first=first: first)  # type: ignore[misc]
            yield from map(fixed, others)
            yield from (self._node(node) for node in kept)
        if not accounts:
            known = self._model.proxy.reachable
            yield fixed(line(("  none yet: a adds one" if known else "  not known", "dim")))

    def unassigned(self) -> Iterator[Row]:
        kept = self._kept(self._model.unassigned)
        if kept:
            yield fixed(
                line(("○ ", "dim"), ("no account yet", "strong"), (f"  {plural(len(kept), 'agent')}", "dim"))
            )
            yield from (self._node(node) for node in kept)

    def _kept(self, keys: Sequence[str]) -> list[Node]:
        """The nodes of an account that are not shown in a tree and pass the filter."""
        nodes = self._model.nodes
        return [nodes[key] for key in keys if not nodes[key].in_tree and self.sieve.matches_node(key)]

    # --- issues -------------------------------------------------------------------------------

    def issues(self) -> Iterator[Row]:
        model, room = self._model, self._options.width
        matching = [issue for issue in model.issues if self.sieve.matches_issue(issue)]
        if not matching:
            return
        shown = matching if self._options.issues_open else matching[:SHOWN]
        columns = IssueColumns(matching, room, self._options.ascii)
        yield self._heading("By issue", [line(f"{len(matching)} active")])
        yield fixed(issue_heading(columns))
        for issue in shown:
            yield Row("", lambda issue=issue: issue_row(issue, columns))  # type: ignore[misc]
        if len(shown) < len(matching):
            yield fixed(line((f"  … {len(matching) - len(shown)} more: i shows them", "dim")))
        if self.sieve.matches_all:
            yield fixed(issue_row(model.issues_total, columns))

    # --- activity -----------------------------------------------------------------------------

    def activity(self) -> Iterator[Row]:
        most = self._options.max_requests
        if most == 0:
            return
        rows = [row for row in self._model.activity if self.sieve.matches_activity(row)]
        if not rows and not self.sieve.matches_all:
            return
        running = sum(row.running for row in rows)
        if most is not None:
            rows = rows[: running + most]
        yield self._heading("Activity", [line(f"{running} in flight" if running else "nothing in flight")])
        if not rows and self._model.proxy.reachable:
            yield fixed(
                line(("  no request yet: teamclaude run starts Claude Code through the proxy", "dim"))
            )
        nodes, names, options = self._model.nodes, self._names, self._options
        for row in rows:
            yield Row(
                ACTIVITY + row.id,
                lambda row=row: activity_row(row, nodes, names, options),  # type: ignore[misc]
            )

    # --- headings -----------------------------------------------------------------------------

    def _heading(self, title: str, summary: Sequence[Line], right: Line = ()) -> Row:
        """`── Title ── summary ─────── right`."""
        room = self._options.width
        lead = line(("── ", "dim"), (title, "strong"), "  ")
        tail: Line = (Span(" "), *right) if right else ()
        words = fitting(summary, room - cells(lead) - cells(tail) - 4)
        shown = joined([lead, words], "")
        rule = room - cells(shown) - cells(tail) - 1
        heading: Line = (*shown, Span(" " + "─" * max(0, rule), "dim"), *tail)
        return Row("", lambda: heading, start=True)


def _account_summary(model: DeckModel) -> list[Line]:
    accounts = model.accounts
    benched = sum(account.status == "benched" for account in accounts)
    login = sum(account.status == "auth_failed" for account in accounts)
    every = line(f"{len(accounts)}")
    bench = line((f"{benched} benched", "warn")) if benched else ()
    return [
        joined([every, bench, line((f"{login} need login", "bad strong")) if login else ()]),
        joined([every, bench]),
    ]
