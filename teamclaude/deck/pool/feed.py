"""Feed the Deck with several servers as one pool: each is polled by itself and waits for no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Optional

from ...errors import TeamClaudeError
from ...routing.switch_price import SwitchPrice
from ..feed import RemoteFeed
from ..model.build import deck_model
from ..model.model import DeckModel
from .labels import server_labels
from .merging import ServerPart, merged_snapshot, merged_sources, merged_trends

__all__ = ["PoolFeed", "Server"]

# GET of an endpoint of one server: path -> JSON.  Raises TeamClaudeError.
Ask = Callable[[str], Any]
Server = tuple[str, Ask]  # its URL, and what asks it


class PoolFeed:
    """Poll several servers every `interval` seconds, each in a thread of its own."""

    def __init__(self, servers: Sequence[Server], interval: float) -> None:
        self._asks = [ask for _, ask in servers]
        self._labels = server_labels([url for url, _ in servers])
        self._feeds = [RemoteFeed(_deck_of(ask), interval) for ask in self._asks]

    def start(self) -> None:
        """Start polling."""
        for feed in self._feeds:
            feed.start()

    def close(self) -> None:
        """Stop polling after the current attempts."""
        for feed in self._feeds:
            feed.close()

    def wait_first(self, seconds: float) -> None:
        """Wait until each server answered or failed once, for at most so long."""
        deadline = time.monotonic() + seconds
        for feed in self._feeds:
            feed.first_fetch_done.wait(max(0.0, deadline - time.monotonic()))

    @property
    def version(self) -> Hashable:
        """The number of attempts so far, of each server."""
        return tuple(feed.version for feed in self._feeds)

    def model(self) -> DeckModel:
        """Return the model of all servers; unreachable when none answers."""
        latest = [feed.latest() for feed in self._feeds]
        parts = [
            ServerPart(label, each.snapshot, each.error, each.failing_since)
            for label, each in zip(self._labels, latest)
        ]
        return deck_model(
            merged_snapshot(parts),
            merged_sources([each.sources for each in latest if not each.error]),
            any(not part.error for part in parts),
            merged_trends((label, each.trends) for label, each in zip(self._labels, latest)),
        )

    def switch_price(self, account: str, session: Optional[str]) -> Optional[SwitchPrice]:
        """Return None: this Deck is read-only."""
        return None

    def take_notice(self) -> Optional[str]:
        """Return the newest error of a server, once; empty after all answer again."""
        notices = [feed.take_notice() for feed in self._feeds]
        said = [f"{label}: {text}" for label, text in zip(self._labels, notices) if text]
        if said:
            return "; ".join(said)
        failing = any(feed.latest().error for feed in self._feeds)
        return "" if "" in notices and not failing else None

    def explain(self, path: str) -> Any:
        """Return the answer of the server that knows the request; raise TeamClaudeError of the last one."""
        refused: Optional[TeamClaudeError] = None
        for ask in self._asks:
            try:
                return ask(path)
            except TeamClaudeError as error:
                refused = error
        raise refused or TeamClaudeError("there is no server to ask")


def _deck_of(ask: Ask) -> Callable[[], Any]:
    return lambda: ask("/teamclaude/deck")
