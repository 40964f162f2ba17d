"""Lay out the Deck's body from top to bottom, as rows that are drawn only when they are visible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Optional

from ..model.model import AccountRow, ActivityRow, DeckModel, HeldRow, IssueRow, Node, Tree, TreeLine
from ..text.spans import Line, Span, first_fitting, join_lines, line, line_width
from .accounts import AccountColumns, account_lines
from .activity import activity_row, hold_row
from .header import header_lines
from .issues import MAX_FOLDED, IssueColumns, issue_heading, issue_row
from .node_rows import RowPlacement, connectors, levels_line, node_columns, node_row, tree_summary
from .ui_state import FrameOptions
from .wording import plural, short_names

__all__ = [
    "ACCOUNT_PREFIX",
    "ACTIVITY_PREFIX",
    "NODE_PREFIX",
    "BodyRow",
    "body_rows",
    "drawn_row",
]

_FIELDS = ("method", "path", "model", "session", "client", "accounts", "status", "outcome", "reason")


class _RowFilter:
    """Match rows whose texts contain the filter's letters, in any case; `any_match`: some row has matched."""

    def __init__(self, nodes: Mapping[str, Node], wanted: str) -> None:
        self._nodes = nodes
        self._letters = wanted.casefold()
        self.matches_all = not wanted
        self.any_match = not wanted

    def matches_node(self, key: str) -> bool:
        if self.matches_all:
            return True
        node = self._nodes[key]
        about = (node.label, node.issue, node.title, node.about, node.project, node.branch, node.session)
        state = "held" if node.held_sec is not None else "live" if node.live else "idle"
        return self._match((*about, node.account, node.binding.model or "", node.chip, state))

    def tree_keys(self, tree: Tree) -> set[str]:
        """Return the keys of a tree's rows that match, and of all their ancestors."""
        if self.matches_all:
            return {row.key for row in tree.lines}
        kept: set[str] = set()
        for row in tree.lines:
            key = row.key if self.matches_node(row.key) else ""
            while key and key not in kept:
                kept.add(key)
                node = self._nodes.get(key)
                key = node.parent if node is not None else ""
        return kept

    def matches_account(self, account: AccountRow) -> bool:
        return self.matches_all or self._match(
            (account.name, account.status, account.view.status_reason or "")
        )

    def matches_hold(self, hold: HeldRow) -> bool:
        if self.matches_all:
            return True
        view = hold.view
        node = self._nodes.get(hold.node_key) or self._nodes.get(view.session)
        label = node.label if node is not None else ""
        return self._match((view.request, view.session, view.model, "held", hold.expected, label))

    def matches_issue(self, issue: IssueRow) -> bool:
        return self.matches_all or self._match((issue.name, issue.title))

    def matches_activity(self, row: ActivityRow) -> bool:
        if self.matches_all:
            return True
        request = row.request
        node = self._nodes.get(f"{request.session}/{request.agent}" if request.agent else request.session)
        texts = [str(getattr(request, field) or "") for field in _FIELDS]
        return self._match((*texts, row.waiting_for, node.label if node is not None else ""))

    def _match(self, texts: Iterable[str]) -> bool:
        hit = self._letters in "\n".join(texts).casefold()
        self.any_match = self.any_match or hit
        return hit


NODE_PREFIX, ACCOUNT_PREFIX, ACTIVITY_PREFIX = "node:", "account:", "activity:"  # of a row's id
LEVELS_MIN_WIDTH = 116  # from this width on the levels stand beside the heading
HEADER_MIN_HEIGHT = 18  # below it a filter hides the header
MAX_HELD_ROWS = 4  # if more are held, the last of these rows counts the others


class BodyRow(NamedTuple):
    """One line; `key` is its id, empty when it cannot be selected."""

    key: str
    draw: Callable[[], Line]
    starts_section: bool = False


def body_rows(model: DeckModel, options: FrameOptions) -> list[BodyRow]:
    """Return the rows of all sections; with a filter only matching rows, and the headings above them."""
    body = _Sections(model, options)
    rows = [drawn_row(shown) for shown in header_lines(model, options.width)]
    if options.state.filter and 0 < options.height < HEADER_MIN_HEIGHT:
        rows = []  # the matches are further down
    for section in (body.held, body.tree, body.accounts, body.unassigned, body.issues, body.activity):
        rows.extend(section())
    if not body.filter.any_match:
        rows.append(drawn_row(line((f'  no row contains "{options.state.filter}"', "warn"))))
    return rows


def drawn_row(shown: Line, key: str = "") -> BodyRow:
    """Return a row whose line is drawn already."""
    return BodyRow(key, lambda: shown)


class _Sections:
    """One frame's sections; what their rows share is computed once."""

    def __init__(self, model: DeckModel, options: FrameOptions) -> None:
        self._model, self._options = model, options
        self.filter = _RowFilter(model.nodes, options.state.filter)
        self._names = short_names(account.name for account in model.accounts)
        deepest = max((row.depth for tree in model.trees for row in tree.lines), default=0)
        self._columns = node_columns(options.width, model.nodes.values(), deepest, bool(model.trees))

    # --- held requests ------------------------------------------------------------------------

    def held(self) -> Iterator[BodyRow]:
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

    def tree(self) -> Iterator[BodyRow]:
        model, options = self._model, self._options
        shown = [(tree, self.filter.tree_keys(tree)) for tree in model.trees]
        if not any(kept for _, kept in shown):
            return
        summary = tree_summary(model, options.state.tree_folded)
        levels = levels_line(model.trees, options.width - 4)
        if options.state.tree_folded:
            yield self._heading("Tree", summary)
            return
        if options.width >= LEVELS_MIN_WIDTH:
            yield self._heading("Tree", summary, levels)
        else:
            yield self._heading("Tree", summary)
            yield drawn_row((Span("  "), *levels))
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
            return node_row(node, self._columns, RowPlacement(connectors(row), subtree, account, tag))

        return BodyRow(NODE_PREFIX + node.key, draw)

    # --- accounts -----------------------------------------------------------------------------

    def accounts(self) -> Iterator[BodyRow]:
        accounts = self._model.accounts
        columns = AccountColumns(accounts, self._options.width, self._options.percent)
        shown = [(a, self._listed_nodes(a.nodes)) for a in accounts]
        if not self.filter.matches_all:
            shown = [(a, kept) for a, kept in shown if self.filter.matches_account(a) or kept]
        if not shown and accounts:
            return
        yield self._heading("Accounts", _account_summary(self._model))
        for account, kept in shown:
            first, *others = account_lines(account, columns)
            yield drawn_row(first, ACCOUNT_PREFIX + account.name)
            yield from map(drawn_row, others)
            yield from (self._node(node) for node in kept)
        if not accounts:
            known = self._model.proxy.reachable
            yield drawn_row(line(("  none yet: a adds one" if known else "  not known", "dim")))

    def unassigned(self) -> Iterator[BodyRow]:
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

    def issues(self) -> Iterator[BodyRow]:
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

    # --- activity -----------------------------------------------------------------------------

    def activity(self) -> Iterator[BodyRow]:
        most = self._options.max_requests
        if most == 0:
            return
        rows = [row for row in self._model.activity if self.filter.matches_activity(row)]
        if not rows and not self.filter.matches_all:
            return
        running = sum(row.running for row in rows)
        if most is not None:
            rows = rows[: running + most]
        yield self._heading("Activity", [line(f"{running} in flight" if running else "nothing in flight")])
        if not rows and self._model.proxy.reachable:
            yield drawn_row(
                line(("  no request yet: teamclaude run starts Claude Code through the proxy", "dim"))
            )
        nodes, names, options = self._model.nodes, self._names, self._options
        for row in rows:
            draw = partial(activity_row, row, nodes, names, options)
            yield BodyRow(ACTIVITY_PREFIX + row.request.id, draw)

    # --- headings -----------------------------------------------------------------------------

    def _heading(self, title: str, summary: Sequence[Line], right: Line = ()) -> BodyRow:
        """`── Title ── summary ─────── right`."""
        room = self._options.width
        lead = line(("── ", "dim"), (title, "strong"), "  ")
        tail: Line = (Span(" "), *right) if right else ()
        words = first_fitting(summary, room - line_width(lead) - line_width(tail) - 4)
        shown = join_lines([lead, words], "")
        rule = room - line_width(shown) - line_width(tail) - 1
        heading: Line = (*shown, Span(" " + "─" * max(0, rule), "dim"), *tail)
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
    ]
