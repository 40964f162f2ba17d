"""Which rows a filter lets through: those with its letters anywhere in their texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .model import AccountRow, ActivityRow, HeldRequest, IssueRow, Node, Tree

__all__ = ["Sieve"]

_FIELDS = ("method", "path", "model", "session", "client", "accounts", "status", "outcome", "reason")


class Sieve:
    """`found` tells whether anything has matched so far; upper and lower case are alike."""

    def __init__(self, nodes: Mapping[str, Node], wanted: str) -> None:
        self._nodes = nodes
        self._wanted = wanted.casefold()
        self.is_open = not wanted
        self.found = not wanted

    def node(self, key: str) -> bool:
        if self.is_open:
            return True
        node = self._nodes[key]
        about = (node.label, node.issue, node.title, node.about, node.project, node.branch, node.session)
        state = "held" if node.held_sec is not None else "live" if node.live else "idle"
        return self._match((*about, node.account, node.model, node.chip, state))

    def tree(self, tree: Tree) -> set[str]:
        """Keys of the rows of a tree that match, and of all above them."""
        if self.is_open:
            return {at.key for at in tree.lines}
        kept: set[str] = set()
        for at in tree.lines:
            up = at.key if self.node(at.key) else ""
            while up and up not in kept:
                kept.add(up)
                above = self._nodes.get(up)
                up = above.parent if above is not None else ""
        return kept

    def account(self, account: AccountRow) -> bool:
        return self.is_open or self._match((account.name, account.status, account.reason))

    def hold(self, hold: HeldRequest) -> bool:
        if self.is_open:
            return True
        node = self._nodes.get(hold.node_key) or self._nodes.get(hold.session)
        label = node.label if node is not None else ""
        return self._match((hold.request, hold.session, hold.model, "held", hold.expected, label))

    def issue(self, issue: IssueRow) -> bool:
        return self.is_open or self._match((issue.name, issue.title))

    def activity(self, row: ActivityRow) -> bool:
        if self.is_open:
            return True
        session, agent = (str(row.record.get(key) or "") for key in ("session", "agent"))
        node = self._nodes.get(f"{session}/{agent}" if agent else session)
        texts = [str(row.record.get(field) or "") for field in _FIELDS]
        return self._match((*texts, row.waiting_for, node.label if node is not None else ""))

    def _match(self, texts: Iterable[str]) -> bool:
        hit = self._wanted in "\n".join(texts).casefold()
        self.found = self.found or hit
        return hit
