"""Lay out what scrolls from top to bottom, as rows that are drawn only when they are visible.

Who needs you comes first, requests come last: `frame` pins the newest of these above the footer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Optional

from ...values import NamedTuple
from ..model.model import DeckModel, Node, TreeLine
from ..text.cells import width
from ..text.format import format_duration
from ..text.names import distinct_names
from ..text.spans import Line, Span, clip_line, first_fitting, join_lines, line, line_width
from .accounts import AccountColumns, account_lines
from .activity import RouteNames, activity_row, hold_row
from .issues import MAX_FOLDED, IssueColumns, client_row, issue_heading, issue_row
from .needs_rows import NeedColumns, need_row, needs_summary, overdue_line
from .node_rows import (
    RowPlacement,
    column_headings,
    connectors,
    first_column,
    levels_line,
    node_columns,
    node_row,
    tree_summary,
)
from .row_filter import RowFilter
from .ui_state import FrameOptions
from .wording import plural

__all__ = [
    "ACCOUNT_PREFIX",
    "ACTIVITY_PREFIX",
    "NEED_PREFIX",
    "NODE_PREFIX",
    "BodyRow",
    "Sections",
    "drawn_row",
]

# Beginnings of a row's id; behind NEED_PREFIX follows the id of the node or the account.
NODE_PREFIX, ACCOUNT_PREFIX, ACTIVITY_PREFIX, NEED_PREFIX = "node:", "account:", "activity:", "needs:"
LEVELS_MIN_HEIGHT = 30  # a lower screen has no line for the levels
MAX_HELD_ROWS = 4  # if more are held, the last of these rows counts the others
MAX_CLIENT_CELLS = 20  # of a client key's name
ACCOUNT_CELLS = 11  # of an account's name in a tree


class BodyRow(NamedTuple):
    """One line; `key` is its id, empty when it cannot be selected."""

    key: str
    draw: Callable[[], Line]
    starts_section: bool = False


def drawn_row(shown: Line, key: str = "") -> BodyRow:
    """Return a row whose line is drawn already."""
    return BodyRow(key, lambda: shown)


class Sections:
    """One frame's sections; what their rows share is computed once."""

    def __init__(self, model: DeckModel, options: FrameOptions) -> None:
        self._model, self._options = model, options
        self.filter = RowFilter(model.nodes, options.state.filter)
        names = [account.name for account in model.accounts]
        self._names, self._routes = distinct_names(names, ACCOUNT_CELLS), RouteNames.of(names)
        deepest = max((row.depth for tree in model.trees for row in tree.lines), default=0)
        self._columns = node_columns(options.width, model.nodes.values(), deepest, bool(model.trees))
        self._needs_headings = True  # those of the columns stand once

    def rows(self) -> list[BodyRow]:
        """Return all rows but those of requests; with a filter matching ones, and the headings above them."""
        upper = (self._needs_you, self._held, self._tree, self._accounts, self._unassigned)
        sections = (*upper, self._issues, self._clients)
        return [row for section in sections for row in section()]

    def unmatched(self) -> list[BodyRow]:
        """Return the row that says that nothing matches the filter; call it when all rows are made."""
        if self.filter.any_match:
            return []
        return [drawn_row(line((f'  no row contains "{self._options.state.filter}"', "warn")))]

    # --- who waits ----------------------------------------------------------------------------

    def _needs_you(self) -> Iterator[BodyRow]:
        model, options = self._model, self._options
        shown = [row for row in model.needs_you if self.filter.matches_need(row)]
        overdue = model.overdue if self.filter.matches_all else 0
        if not shown and not overdue:
            return
        yield self._heading("Needs you", needs_summary(len(shown), overdue))
        columns = NeedColumns(shown, options.width)
        for row in shown:
            kind = NODE_PREFIX if row.view.session else ACCOUNT_PREFIX
            yield BodyRow(NEED_PREFIX + kind + row.id, partial(need_row, row, columns, options.ascii))
        if shown and overdue:
            yield drawn_row(overdue_line(overdue))

    def _held(self) -> Iterator[BodyRow]:
        model, options = self._model, self._options
        shown = [hold for hold in model.held if self.filter.matches_hold(hold)]
        if not shown:
            return
        yield self._heading("Held", [line((f"{plural(len(shown), 'request')}, no account for now", "warn"))])
        for hold in shown if len(shown) <= MAX_HELD_ROWS else shown[: MAX_HELD_ROWS - 1]:
            yield drawn_row(hold_row(hold, model.nodes, options))
        if len(shown) > MAX_HELD_ROWS:
            yield drawn_row(line((f"  … {len(shown) - MAX_HELD_ROWS + 1} more", "dim")))

    # --- trees --------------------------------------------------------------------------------

    def _tree(self) -> Iterator[BodyRow]:
        model, options = self._model, self._options
        shown = [(tree, self.filter.tree_keys(tree)) for tree in model.trees]
        if not any(kept for _, kept in shown):
            return
        summary = tree_summary(model, options.state.tree_folded)
        if options.state.tree_folded:
            yield self._heading("Tree", summary)
            return
        yield self._heading("Tree", summary, with_columns=True)
        if not 0 < options.height < LEVELS_MIN_HEIGHT:
            yield drawn_row((Span("  "), *levels_line(model.trees, options.width - 4)))
        for tree, kept in shown:
            for row in tree.lines:
                if row.key in kept:
                    yield self._node(model.nodes[row.key], row)

    def _node(self, node: Node, row: Optional[TreeLine] = None) -> BodyRow:
        def draw() -> Line:
            tag = node.session[:2] if self._options.ascii else ""
            if row is None:
                return node_row(node, self._columns, RowPlacement(id_tag=tag))
            account = self._names.get(node.account, node.account) or "no account"
            subtree = row.subtree_usage if row.size > 1 else None
            placement = RowPlacement(connectors(row), subtree, account, tag, row.folded)
            return node_row(node, self._columns, placement)

        return BodyRow(NODE_PREFIX + node.key, draw)

    # --- accounts -----------------------------------------------------------------------------

    def _accounts(self) -> Iterator[BodyRow]:
        accounts = self._model.accounts
        columns = AccountColumns(accounts, self._options.width, self._options.percent)
        shown = [(a, self._listed_nodes(a.nodes)) for a in accounts]
        if not self.filter.matches_all:
            shown = [(a, kept) for a, kept in shown if self.filter.matches_account(a) or kept]
        if not shown and accounts:
            return
        yield self._heading("Accounts", _account_summary(self._model), any(kept for _, kept in shown))
        for account, kept in shown:
            first, *others = account_lines(account, columns)
            yield drawn_row(first, ACCOUNT_PREFIX + account.name)
            yield from map(drawn_row, others)
            yield from (self._node(node) for node in kept)
        if not accounts:
            known = self._model.proxy.reachable
            yield drawn_row(line(("  none yet: a adds one" if known else "  not known", "dim")))

    def _unassigned(self) -> Iterator[BodyRow]:
        kept = self._listed_nodes(self._model.unassigned)
        if kept:
            yield drawn_row(
                line(("○ ", "dim"), ("no account yet", "strong"), (f"  {plural(len(kept), 'agent')}", "dim"))
            )
            yield from (self._node(node) for node in kept)

    def _listed_nodes(self, keys: Sequence[str]) -> list[Node]:
        """Return the nodes that are shown in no tree and match the filter."""
        nodes = self._model.nodes
        return [nodes[key] for key in keys if not nodes[key].in_tree and self.filter.matches_node(key)]

    # --- issues -------------------------------------------------------------------------------

    def _issues(self) -> Iterator[BodyRow]:
        model, room = self._model, self._options.width
        matching = [issue for issue in model.issues if self.filter.matches_issue(issue)]
        if not matching:
            return
        shown = matching if self._options.state.issues_open else matching[:MAX_FOLDED]
        columns = IssueColumns(matching, room, self._options.ascii)
        yield self._heading("By issue", [line(f"{len(matching)} active")])
        yield drawn_row(issue_heading(columns))
        for issue in shown:
            yield BodyRow("", partial(issue_row, issue, columns))
        if len(shown) < len(matching):
            yield drawn_row(line((f"  … {len(matching) - len(shown)} more: i shows them", "dim")))
        if self.filter.matches_all:
            yield drawn_row(issue_row(model.issues_total, columns))

    def _clients(self) -> Iterator[BodyRow]:
        model, room = self._model, self._options.width
        shown = [client for client in model.clients if self.filter.matches_client(client)]
        if not shown:
            return
        limited = sum(bool(client.limit) for client in shown)
        words: list[Line] = [line((f"{limited} at a limit", "warn"))] if limited else [line(f"{len(shown)}")]
        yield self._heading("Client keys", words)
        cells = min(MAX_CLIENT_CELLS, max(width(client.name) for client in shown))
        for client in shown:
            yield BodyRow("", partial(client_row, client, cells, model.now, room))

    # --- requests -----------------------------------------------------------------------------

    def requests(self) -> list[BodyRow]:
        """Return a row for each request: those in flight, then the finished ones, each newest first."""
        most = self._options.max_requests
        rows = [row for row in self._model.activity if self.filter.matches_activity(row)]
        if most is not None:
            rows = rows[: sum(row.running for row in rows) + most]
        nodes, options = self._model.nodes, self._options
        return [
            BodyRow(
                ACTIVITY_PREFIX + row.request.id, partial(activity_row, row, nodes, self._routes, options)
            )
            for row in rows
        ]

    def requests_heading(self, shown: int) -> list[BodyRow]:
        """Return the heading above `shown` rows of requests, and a hint while there is none."""
        if not shown and (not self.filter.matches_all or self._options.max_requests == 0):
            return []
        model = self._model
        running = sum(row.running for row in model.activity)
        words = f"{running} in flight" if running else "nothing in flight"
        last = next((row.request for row in model.activity if not row.running), None)
        if not running and last is not None and self.filter.matches_all:
            ended = last.at + (last.duration_sec or 0.0)
            words += f", the last one ended {format_duration(max(0.0, model.now - ended))} ago"
        heading = self._heading("Activity", [line(words)])
        if shown or not model.proxy.reachable:
            return [heading]
        hint = line(("  no request yet: teamclaude run starts Claude Code through the proxy", "dim"))
        return [heading, drawn_row(clip_line(hint, self._options.width))]

    def earlier_heading(self, count: int) -> BodyRow:
        """Return the heading above the requests that are not pinned."""
        return self._heading("Earlier", [line(plural(count, "request"))])

    # --- headings -----------------------------------------------------------------------------

    def _heading(self, title: str, summary: Sequence[Line], with_columns: bool = False) -> BodyRow:
        """`── Title ── summary ─────────`, once with the headings of the nodes' columns at their places."""
        room = self._options.width
        lead = line(("── ", "dim"), (title, "strong"), "  ")
        headings: Line = ()
        if with_columns and self._needs_headings:
            self._needs_headings = False
            headings = column_headings(self._columns)
        end = first_column(self._columns) if headings else room
        shown = join_lines([lead, first_fitting(summary, end - line_width(lead) - 2)], "")
        rule = end - line_width(shown) - 1
        heading: Line = (*shown, Span(" " + "─" * max(0, rule), "dim"), *headings)
        left = room - line_width(heading) - 1
        if headings and left > 0:
            heading = (*heading, Span(" " + "─" * left, "dim"))
        return BodyRow("", lambda: heading, starts_section=True)


def _account_summary(model: DeckModel) -> list[Line]:
    accounts = model.accounts
    benched = sum(account.status == "benched" for account in accounts)
    login = sum(account.status == "auth_failed" for account in accounts)
    every = line(f"{len(accounts)}")
    bench = line((f"{benched} benched", "warn")) if benched else ()
    return [
        join_lines([every, bench, line((f"{login} need login", "bad strong")) if login else ()]),
        join_lines([every, bench]),
        every,
    ]
