"""Match the rows that contain the filter's letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...snapshot import ClientView
from ..model.model import AccountRow, ActivityRow, HeldRow, IssueRow, NeedRow, Node, Tree

__all__ = ["RowFilter"]

_FIELDS = (
    "method",
    "path",
    "model",
    "session",
    "client",
    "client_ip",
    "accounts",
    "status",
    "outcome",
    "reason",
)


class RowFilter:
    """Match rows whose texts contain the filter's letters, in any case; `any_match`: some row has matched."""

    def __init__(self, nodes: Mapping[str, Node], wanted: str) -> None:
        self._nodes = nodes
        self._letters = wanted.casefold()
        self.matches_all = not wanted
        self.any_match = not wanted

    def matches_node(self, key: str) -> bool:
        """Return whether a conversation matches."""
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

    def matches_need(self, row: NeedRow) -> bool:
        """Return whether a row of those that need you matches."""
        return self.matches_all or self._match(
            (row.view.label, row.view.reason, row.view.project, row.view.session)
        )

    def matches_account(self, account: AccountRow) -> bool:
        """Return whether an account matches."""
        return self.matches_all or self._match(
            (account.name, account.status, account.view.status_reason or "")
        )

    def matches_hold(self, hold: HeldRow) -> bool:
        """Return whether a held request matches."""
        if self.matches_all:
            return True
        view = hold.view
        node = self._nodes.get(hold.node_key) or self._nodes.get(view.session)
        label = node.label if node is not None else ""
        return self._match((view.request, view.session, view.model, "held", hold.expected, label))

    def matches_issue(self, issue: IssueRow) -> bool:
        """Return whether an issue matches."""
        return self.matches_all or self._match((issue.name, issue.title))

    def matches_client(self, client: ClientView) -> bool:
        """Return whether a client key matches."""
        return self.matches_all or self._match((client.name, client.limit))

    def matches_activity(self, row: ActivityRow) -> bool:
        """Return whether a request matches."""
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
