"""Which rows a filter lets through: those with its letters anywhere in their texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..model.model import AccountRow, ActivityRow, HeldRequest, IssueRow, Node, Tree

__all__ = ["RowFilter"]

_FIELDS = ("method", "path", "model", "session", "client", "accounts", "status", "outcome", "reason")


class RowFilter:
    """`found` tells whether anything has matched so far; upper and lower case are alike."""

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
        return self._match((*about, node.account, node.model, node.chip, state))

    def tree_keys(self, tree: Tree) -> set[str]:
        """Keys of the rows of a tree that match, and of all above them."""
        if self.matches_all:
            return {at.key for at in tree.lines}
        kept: set[str] = set()
        for at in tree.lines:
            up = at.key if self.matches_node(at.key) else ""
            while up and up not in kept:
                kept.add(up)
                above = self._nodes.get(up)
                up = above.parent if above is not None else ""
        return kept

    def matches_account(self, account: AccountRow) -> bool:
        return self.matches_all or self._match((account.name, account.status, account.reason))

    def matches_hold(self, hold: HeldRequest) -> bool:
        if self.matches_all:
            return True
        node = self._nodes.get(hold.node_key) or self._nodes.get(hold.session)
        label = node.label if node is not None else ""
        return self._match((hold.request, hold.session, hold.model, "held", hold.expected, label))

    def matches_issue(self, issue: IssueRow) -> bool:
        return self.matches_all or self._match((issue.name, issue.title))

    def matches_activity(self, row: ActivityRow) -> bool:
        if self.matches_all:
            return True
        session, agent = (str(row.record.get(key) or "") for key in ("session", "agent"))
        node = self._nodes.get(f"{session}/{agent}" if agent else session)
        texts = [str(row.record.get(field) or "") for field in _FIELDS]
        return self._match((*texts, row.waiting_for, node.label if node is not None else ""))

    def _match(self, texts: Iterable[str]) -> bool:
        hit = self._letters in "\n".join(texts).casefold()
        self.any_match = self.any_match or hit
        return hit
