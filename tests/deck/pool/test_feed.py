"""Several servers are polled as one: a dead one is marked, the others go on."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.pool.feed import PoolFeed
from teamclaude.errors import TeamClaudeError


class Servers:
    """Two servers, `a` and `b`; one that is in `down` does not answer."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.asked: list[str] = []
        self.feed = PoolFeed([(f"http://{name}:1", self.of(name)) for name in "ab"], 1.0)

    def of(self, name: str) -> Any:
        def ask(path: str) -> Any:
            self.asked.append(f"{name} {path}")
            if name in self.down:
                raise TeamClaudeError("it is down")
            if path == "/teamclaude/deck":
                return {
                    "at": 1000,
                    "system": {"version": "1"},
                    "accounts": [{"name": name, "status": "active"}],
                }
            if name == "a":
                raise TeamClaudeError("no such request")
            return {"of": name}

        return ask

    def fetch(self) -> None:
        for feed in self.feed._feeds:
            feed.fetch_once()


@pytest.fixture
def servers() -> Servers:
    return Servers()


def states(servers: Servers) -> dict[str, str]:
    return {account.name: account.status for account in servers.feed.model().accounts}


def test_a_dead_server_is_marked_and_found_again(servers: Servers) -> None:
    servers.fetch()
    assert states(servers) == {"a/a": "active", "b/b": "active"}
    assert servers.feed.take_notice() is None
    servers.down = {"b"}
    servers.fetch()
    assert states(servers) == {"a/a": "active", "b/b": "unreachable"}
    assert servers.feed.model().proxy.reachable
    assert servers.feed.take_notice() == "b: it is down"
    assert servers.feed.take_notice() is None
    servers.down = {"a", "b"}
    servers.fetch()
    assert not servers.feed.model().proxy.reachable
    assert servers.feed.take_notice() == "a: it is down"
    servers.down = {"a"}
    servers.fetch()
    assert servers.feed.take_notice() is None, "one of them is still down"
    servers.down = set()
    servers.fetch()
    assert servers.feed.take_notice() == ""
    assert states(servers) == {"a/a": "active", "b/b": "active"}


def test_it_is_told_since_when_a_server_fails(servers: Servers) -> None:
    servers.down = {"b"}
    servers.fetch()
    since = servers.feed._feeds[1].latest().failing_since
    servers.fetch()
    assert servers.feed._feeds[1].latest().failing_since == since is not None
    servers.down = set()
    servers.fetch()
    assert servers.feed._feeds[1].latest().failing_since is None


def test_the_version_changes_with_each_attempt(servers: Servers) -> None:
    before = servers.feed.version
    servers.feed._feeds[1].fetch_once()
    assert servers.feed.version != before


def test_a_request_is_explained_by_the_server_that_knows_it(servers: Servers) -> None:
    assert servers.feed.explain("/teamclaude/explain/x") == {"of": "b"}
    servers.down = {"b"}
    with pytest.raises(TeamClaudeError, match="it is down"):
        servers.feed.explain("/teamclaude/explain/x")


def test_polling_starts_and_ends(servers: Servers) -> None:
    servers.feed.start()
    servers.feed.wait_first(5.0)
    assert states(servers) == {"a/a": "active", "b/b": "active"}
    servers.feed.close()
