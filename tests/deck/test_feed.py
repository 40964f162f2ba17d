"""The feeds of models: the proxy in this process, another one over HTTP, and the sources on disk."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.cli.deck_page import LocalDeck
from teamclaude.deck.feed import LocalFeed, RemoteFeed
from teamclaude.deck.sources.reader import SourceReader
from teamclaude.deck.sources.sources import IssuePin, MachineLoad, Sources, sources_to_json
from teamclaude.deck.sources_provider import SourcesProvider
from teamclaude.errors import NotFoundError, TeamClaudeError
from teamclaude.proxy.answers.endpoint_types import EndpointRequest
from teamclaude.proxy.endpoints import Endpoints
from teamclaude.proxy.messages.proxy_keys import Caller
from teamclaude.proxy.reporting.recent_trends import trends_to_json
from teamclaude.proxy.server import ProxyServer
from teamclaude.request_views import AccountTrend
from teamclaude.routing.switch_price import NO_SWITCH_PRICE

NOW = 1_795_428_000.0
SID = "3f2a91c0-1111-4222-8333-444444444444"


class Asked:
    """Return the answers in turn; raise an exception among them."""

    def __init__(self, *answers: Union[dict[str, Any], TeamClaudeError]) -> None:
        self.answers = list(answers)

    def __call__(self) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, TeamClaudeError):
            raise answer
        return answer


def snapshot(**fields: Any) -> dict[str, Any]:
    return {"at": NOW * 1000, "system": {"version": "9.9", "port": 1}, **fields}


def test_a_remote_proxy_is_shown_with_the_sources_on_its_disk() -> None:
    fleet = sources_to_json(
        Sources(pins={SID: IssuePin("ENG-7", "Rounding")}, machine=MachineLoad(0.5, 0.25))
    )
    rows = [{"sid": SID, "account": "alice", "idleSec": 1, "lastUsed": NOW * 1000, "tokens": 5}]
    feed = RemoteFeed(Asked(snapshot(sessionBindings=rows, fleet=fleet)), 1.0)
    before = feed.version
    assert not feed.model().proxy.reachable, "not asked yet"
    feed.fetch_once()
    assert feed.version != before
    assert feed.first_fetch_done.is_set()
    model = feed.model()
    assert model.proxy.reachable
    assert model.proxy.system.version == "9.9"
    assert model.nodes[SID].label == "ENG-7"
    assert model.totals.ram_share == 0.5


def test_a_lost_proxy_is_reported_once_and_its_last_frame_stays() -> None:
    lost = TeamClaudeError("no proxy answers")
    feed = RemoteFeed(Asked(snapshot(), lost, lost, snapshot(), lost), 1.0)
    feed.fetch_once()
    assert feed.take_notice() is None
    feed.fetch_once()
    assert feed.take_notice() == "no proxy answers"
    assert feed.take_notice() is None
    model = feed.model()
    assert not model.proxy.reachable
    assert model.proxy.system.version == "9.9"
    feed.fetch_once()
    assert feed.take_notice() is None, "the same error"
    feed.fetch_once()
    assert feed.take_notice() == "", "it is over" and feed.model().proxy.reachable
    feed.fetch_once()
    assert feed.take_notice() == "no proxy answers"


@pytest.mark.parametrize("junk", [None, [], "x", 3, {"fleet": 3}])
def test_an_answer_of_another_program_is_an_empty_deck(junk: Any) -> None:
    feed = RemoteFeed(Asked(junk), 1.0)
    feed.fetch_once()
    assert feed.model().nodes == {}


def test_it_polls_until_it_is_closed() -> None:
    twice, count = threading.Event(), [0]

    def fetch() -> dict[str, Any]:
        count[0] += 1
        if count[0] == 2:
            twice.set()
        return snapshot()

    feed = RemoteFeed(fetch, 0.001)
    feed.start()
    assert twice.wait(30)
    feed.close()


# --- this process -----------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ProxyServer]:
    path = tmp_path / "teamclaude.json"
    accounts = [{"name": "alice", "type": "oauth", "accessToken": "sk-ant-oat01-FAKE-alice"}]
    path.write_text(json.dumps({"proxy": {"port": 0, "apiKey": "k"}, "accounts": accounts}))
    path.chmod(0o600)
    service = ProxyServer(ConfigFile(path, print), port=0, clock=lambda: NOW)
    service.start()
    yield service
    service.stop(0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Claude Code's directory with one registered session."""
    state = tmp_path / "claude" / "state"
    state.mkdir(parents=True)
    row = {"sid": f"cc-{SID}", "emoji": "🦊", "started": NOW, "pinned_issue": "ENG-7"}
    (state / "sessions.json").write_text(json.dumps([row]))
    return tmp_path / "claude"


def test_the_version_changes_with_the_proxy_and_with_the_disk_only(service: ProxyServer, home: Path) -> None:
    reader = SourceReader(home, clock=lambda: NOW)
    feed = LocalFeed(service, reader)
    first = feed.version
    assert feed.model().nodes == {}
    assert feed.version == first, "reading the model does not change the version"
    reader.refresh()
    second = feed.version
    assert second != first
    assert feed.model().nodes[SID].label == "ENG-7"
    service.runtime.controls.switch("alice", None)
    assert feed.version != second
    third = feed.version
    service.runtime.draining = True
    assert feed.version != third
    assert feed.model().proxy.system.draining
    assert feed.take_notice() is None


def test_the_disk_is_read_from_the_first_call_on(service: ProxyServer, home: Path) -> None:
    reader = SourceReader(home, clock=lambda: NOW)
    rows = SourcesProvider(reader)
    service.runtime.sessions_on_disk = rows
    try:
        first = rows(service.snapshot())
        assert first["registry"][SID] == {"emoji": "🦊", "pinnedIssue": "ENG-7", "started": NOW}
        assert not rows.start(), "it is running"
    finally:
        reader.close()


def test_every_snapshot_tells_who_waits_once_the_disk_is_attached(service: ProxyServer, home: Path) -> None:
    (home / "sessions").mkdir()
    client = {"sessionId": SID, "status": "waiting", "waitingFor": "permission prompt"}
    (home / "sessions" / f"{os.getpid()}.json").write_text(json.dumps(client))
    assert service.snapshot().needs_you == ()
    reader = SourceReader(home)
    try:
        LocalDeck().attach(service, reader)
        reader.refresh()
        for requests in (True, False):
            (row,) = service.runtime.snapshot(requests=requests).needs_you
            assert (row.session, row.label, row.reason) == (SID, "ENG-7", "permission prompt")
    finally:
        reader.close()


def test_the_price_of_a_switch_names_a_known_account(service: ProxyServer) -> None:
    assert service.runtime.controls.switch_price("alice", None) == NO_SWITCH_PRICE
    with pytest.raises(NotFoundError):
        service.runtime.controls.switch_price("nobody", None)


def test_the_last_hour_of_each_account_comes_with_both_feeds(service: ProxyServer, home: Path) -> None:
    trend = AccountTrend(NOW, (1, 2, 3), (0.25, 0.5))
    service.runtime.trends = lambda now: {"alice": trend}
    feed = LocalFeed(service, SourceReader(home))
    (alice,) = feed.model().accounts
    assert alice.trend == trend
    assert feed.switch_price("alice", None) == NO_SWITCH_PRICE
    accounts = [{"name": "alice", "type": "oauth"}]
    remote = RemoteFeed(Asked(snapshot(accounts=accounts, trends=trends_to_json({"alice": trend}))), 1.0)
    remote.fetch_once()
    (alice,) = remote.model().accounts
    assert alice.trend == trend
    assert remote.switch_price("alice", None) is None, "it is read-only"


def test_the_answer_for_watch_has_the_last_hour_beside_the_snapshot(service: ProxyServer) -> None:
    service.runtime.trends = lambda now: {"alice": AccountTrend(NOW, (1,), (0.5,))}
    caller = Caller(None, True, "operator")
    reply = Endpoints(service.runtime).reply_to(EndpointRequest("GET", "/teamclaude/deck", caller=caller))
    assert json.loads(reply.body)["trends"] == {"alice": {"at": NOW * 1000, "burn": [1], "used5h": [0.5]}}
