"""Named client keys: limits, and the usage counted under each name."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from teamclaude.accounts.config.config import ClientKey
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.clients.usage import ClientUsage
from teamclaude.proxy.http.path_kinds import PathKind
from teamclaude.proxy.reporting.history_feed import event_of
from teamclaude.routing.pool.fair_share import PoolWindow
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state_merge import LateChanges, late_changes
from tests.proxy.conftest import Clock

Build = Callable[..., Any]
CI = "tc-client-key-ci-00000000000000000000000"


def guarded(stage: Build, **client: Any) -> Any:
    return stage("a", proxy={"trustLoopback": False, "clients": [{"name": "ci", "key": CI, **client}]})


def test_a_client_key_opens_the_door_and_its_usage_is_counted_under_its_name(stage: Build) -> None:
    s = guarded(stage)
    assert s.ask(headers={"x-teamclaude-key": CI}).status == 200
    (row,) = s.status()["clients"]
    assert (row["name"], row["inflight"], row["requests"]) == ("ci", 0, 1)
    assert row["tokens"] == s.account("a")["usage"]["tokens"] > 0
    assert s.records[-1]["client"] == "ci"


def test_a_client_whose_models_have_no_price_has_no_cost(stage: Build) -> None:
    s = guarded(stage)
    s.ask(headers={"x-teamclaude-key": CI}, model="new-model")
    (row,) = s.status()["clients"]
    assert (row["cost"], row["unpricedTokens"], row["costEstimated"]) == (None, row["tokens"], False)


def test_requests_with_the_proxy_key_are_counted_under_no_name(stage: Build) -> None:
    s = guarded(stage)
    s.ask()
    assert s.status()["clients"] == []


def test_a_client_above_its_limit_is_told_to_wait_and_others_are_not(stage: Build) -> None:
    s = guarded(stage, maxInflight=1)
    s.ask()
    s.api.script.once(Fault.never_answered())
    stuck = threading.Thread(target=_give_up, args=(s,), daemon=True)
    stuck.start()
    assert s.api.wait_until(lambda api: api.inflight == 1)
    refused = s.ask(session="other", headers={"x-teamclaude-key": CI})
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert "'ci'" in refused.message
    assert s.ask(session="mine").status == 200


def _give_up(s: Any) -> None:
    with suppress(OSError):  # the stage closes under it
        s.ask(session="stuck", headers={"x-teamclaude-key": CI})


# --- tokens of a day ----------------------------------------------------------------------------

BY_CI = {"x-teamclaude-key": CI}


def row(s: Any) -> dict[str, Any]:
    (found,) = s.status()["clients"]
    return dict(found)


def test_a_client_that_has_used_its_tokens_is_refused_until_midnight(
    stage: Build, clock: Any, utc: None
) -> None:
    s = guarded(stage, dailyTokens=1)
    assert s.ask(headers=BY_CI).status == 200, "what runs over the limit finishes"
    refused = s.ask(headers=BY_CI)
    assert (refused.status, refused.headers["x-should-retry"]) == (429, "false")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert int(refused.headers["retry-after"]) == 86400 - clock.now % 86400
    assert "client 'ci'" in refused.message
    assert "of 1 (dailyTokens)" in refused.message
    assert (s.records[-1]["outcome"], s.records[-1]["client"]) == ("refused", "ci")
    assert s.ask().status == 200, "others go on"
    assert s.api.arrived == 2
    counted = s.send("POST", "/v1/messages/count_tokens", {"model": "m", "messages": []}, BY_CI)
    assert counted.status != 429, "it uses none"
    shown = row(s)
    assert (shown["dailyTokens"], shown["refused"], shown["limit"]) == (1, 1, "dailyTokens")
    assert shown["limitUntil"] == (clock.now + 86400 - clock.now % 86400) * 1000
    clock.now += 86400
    assert row(s)["limit"] == ""
    assert s.ask(headers=BY_CI).status == 200
    assert row(s)["tokensToday"] == shown["tokensToday"], "of the new day"


def test_cache_reads_do_not_count_for_the_day(stage: Build) -> None:
    s = guarded(stage)
    s.ask(headers=BY_CI)
    account = s.account("a")["usage"]
    assert row(s)["tokensToday"] == account["tokens"] - account["cacheReadTokens"]


def test_a_refusal_is_explained(stage: Build) -> None:
    s = guarded(stage, dailyTokens=1)
    s.ask(headers=BY_CI)
    s.ask(headers=BY_CI)
    for path in ("explain/last", "sessions/s1/explain"):
        told = s.send("GET", f"/teamclaude/{path}", headers=BY_CI).json()
        assert (told["outcome"], told["status"], told["attempts"]) == ("refused", 429, [])
        assert "refused by the limit of client 'ci'" in told["note"]


def test_the_log_and_the_history_say_once_that_a_limit_refuses(stage: Build, clock: Any) -> None:
    s = guarded(stage, dailyTokens=1)
    for _ in range(3):
        s.ask(headers=BY_CI)
    clients = s.service.runtime.clients
    (line,) = clients.take_notices()
    assert str(line).startswith("CLIENT ci: refused by its limit: ")
    assert "(dailyTokens)" in str(line)
    s.ask(headers=BY_CI)
    assert clients.take_notices() == []
    clock.now += 2 * 86400
    for _ in range(2):
        s.ask(headers=BY_CI)
    (line,) = clients.take_notices()
    event = event_of(line, clock.now)
    assert event is not None
    assert (event.kind, event.account) == ("client limit", "")


def test_refusals_are_counted_for_metrics(stage: Build) -> None:
    s = guarded(stage, dailyTokens=1)
    for _ in range(3):
        s.ask(headers=BY_CI)
    text = s.send("GET", "/metrics").body.decode()
    assert 'teamclaude_client_refused_total{client="ci",limit="dailyTokens"} 2' in text
    assert 'teamclaude_client_inflight_requests{client="ci"} 0' in text


# --- restarts and changes of the config -----------------------------------------------------------


def test_a_restart_keeps_what_was_used_and_since_when(stage: Build, clock: Any) -> None:
    s = guarded(stage, dailyTokens=1)
    s.ask(headers=BY_CI)
    s.ask(headers=BY_CI)
    before = row(s)
    assert before["since"] == clock.now * 1000
    clock.now += 60
    s.restart()
    assert row(s) == before
    assert s.ask(headers=BY_CI).status == 429
    assert s.send("GET", "/teamclaude/caller", headers=BY_CI).json()["usage"]["requests"] == 1


def test_a_client_that_is_renamed_begins_anew_and_the_old_row_stays_for_a_month(
    stage: Build, clock: Any
) -> None:
    s = guarded(stage)
    s.ask(headers=BY_CI)
    document = s.document()
    document["proxy"]["clients"][0]["name"] = "build"
    s.write(document)
    s.service.reload()
    s.ask(headers=BY_CI)
    found = {each["name"]: (each["configured"], each["requests"]) for each in s.status()["clients"]}
    assert found == {"ci": (False, 1), "build": (True, 1)}
    clock.now += 36 * 86400
    s.restart()
    s.restart()
    assert [each["name"] for each in s.status()["clients"]] == ["build"]


def test_a_reload_changes_a_limit(stage: Build) -> None:
    s = guarded(stage)
    s.ask(headers=BY_CI)
    document = s.document()
    document["proxy"]["clients"][0]["dailyTokens"] = 1
    s.write(document)
    s.service.reload()
    assert s.ask(headers=BY_CI).status == 429
    document["proxy"]["clients"][0]["dailyTokens"] = 0
    s.write(document)
    reply = s.send("POST", "/teamclaude/accounts/reload")
    assert "proxy.clients[0].dailyTokens: expected a whole number of tokens, 1 or more" in reply.message


def test_what_the_state_file_says_of_clients_may_be_anything(stage: Build) -> None:
    s = guarded(stage)
    s.ask(headers=BY_CI)
    s.service.stop(0)
    path = s.path.with_name("teamclaude.state.json")
    state = json.loads(path.read_text())
    state["clients"] = {"ci": {"requests": "many", "since": 5, "usage": [1, 2]}, "x": [], "": None}
    path.write_text(json.dumps(state))
    s.restart()
    shown = next(each for each in s.status()["clients"] if each["name"] == "ci")
    assert (shown["requests"], shown["tokens"], shown["since"]) == (0, 3, 5000)
    assert any("clients: ci: requests: not a number" in line for line in s.warnings)


def test_what_a_server_counts_while_it_ends_is_added_to_its_successor_s(utc: None) -> None:
    """Both begin with the same state; the old one ends its last requests while the new one serves."""
    clock = Clock()
    old, new = (ClientUsage(clock, dict) for _ in range(2))
    for each in (old, new):
        each.configure([ClientKey("ci", "k1", None, None, 0.5)])
    with old.count_request("ci", ended(100, clock)):
        pass
    base = json.loads(json.dumps(old.dump()))
    new.restore(base)
    for each, names in ((old, ("ci", "other")), (new, ("ci", None))):
        for name in names:
            with each.count_request(name, ended(10, clock)):
                pass
    late = json.loads(json.dumps(old.dump()))
    new.add_late(base, late)
    found = {row.name: (row.requests, row.tokens, row.tokens_today) for row in new.view()}
    assert found == {"ci": (3, 120, 120), "other": (1, 10, 10)}
    used = {name: row["windows"][0][3] for name, row in new.dump().items()}
    assert used == {"ci": 120.0, "other": 10.0, "": 10.0}
    new.add_late(late, late)
    assert {row.name: (row.requests, row.tokens, row.tokens_today) for row in new.view()} == found
    new.add_late(None, {"ci": {"requests": "x", "windows": 5}, "z": None})
    assert new.dump()["ci"]["requests"] == 3


def test_a_server_that_ends_after_a_restart_tells_its_successor_of_its_clients(stage: Build) -> None:
    s = guarded(stage)
    s.ask(headers=BY_CI)
    base = {"clients": json.loads(json.dumps(s.service.runtime.clients.dump()))}
    before = row(s)
    s.ask(headers=BY_CI)
    late = {"clients": json.loads(json.dumps(s.service.runtime.clients.dump()))}
    s.service._observed.adopt(late_changes(base, late))  # as if another one had served it
    after = row(s)
    assert (before["requests"], after["requests"]) == (1, 3)
    assert after["tokensToday"] == 3 * before["tokensToday"]
    s.service._observed.adopt(LateChanges({}, {}))
    assert row(s) == after
    assert s.warnings == []


def ended(tokens: int, clock: Clock) -> Any:
    window = Window(0.1, clock.now + 3600, "allowed", clock.now)
    reading = QuotaReading({"5h": window})
    attempt = SimpleNamespace(account="a", usage=Usage(tokens), reading=reading, unseen_tokens=0)
    route = SimpleNamespace(kind=PathKind.INFERENCE)
    return SimpleNamespace(
        route=route, usage=Usage(tokens), cost=0.5, cost_estimated=False, attempts=[attempt]
    )


# --- shares -------------------------------------------------------------------------------------

ONE, TWO = "tc-FAKE-one-000000000000000000000", "tc-FAKE-two-000000000000000000000"
SHARES = [{"name": "one", "key": ONE, "share": 0.5}, {"name": "two", "key": TWO, "share": 0.4}]


def shared(stage: Build) -> Any:
    s = stage("a", proxy={"trustLoopback": False, "clients": SHARES})
    s.api.accounts["a"].windows["5h"].limit = 2000
    s.api.accounts["a"].windows["5h"].used = 0
    return s


def spend(s: Any, key: str, tokens: int) -> Any:
    """Ask for an answer of so many tokens."""
    return s.ask("x", max_tokens=tokens, headers={"x-teamclaude-key": key})


def test_a_client_above_its_share_is_refused_once_another_needs_the_rest(stage: Build, clock: Any) -> None:
    s = shared(stage)
    found: list[int] = []
    while len(found) < 60 and 429 not in found:
        found.append(spend(s, ONE, 100).status)
        if len(found) % 6 == 0:
            assert spend(s, TWO, 1).status == 200
        clock.now += 2
    assert 429 in found, "two asks for little, but all the time"
    refused = spend(s, ONE, 100)
    assert "client 'one'" in refused.message
    assert "share" in refused.message
    assert "a:" not in refused.message
    assert int(refused.headers["retry-after"]) > 60
    rows = {each["name"]: each for each in s.status()["clients"]}
    assert rows["one"]["limit"] == "share"
    assert rows["one"]["shareUsed5h"] > 0.5 > rows["two"]["shareUsed5h"]
    assert rows["two"]["limit"] == ""
    assert spend(s, TWO, 1).status == 200
    assert s.ask().status == 200, "the proxy's own key is never refused for others"


@pytest.mark.parametrize(("share", "part"), [(None, 0.8), (0.3, 0.3)])
def test_a_fast_and_a_slow_client_until_the_window_is_full(
    stage: Build, clock: Any, share: float | None, part: float
) -> None:
    keys: list[dict[str, Any]] = [{"name": "one", "key": ONE}, {"name": "two", "key": TWO}]
    if share is not None:
        keys = [{**keys[0], "share": share}, {**keys[1], "share": 1.0 - share}]
    s = stage("a", proxy={"trustLoopback": False, "clients": keys}, allThrottledHoldBudgetSec=0)
    s.api.accounts["a"].windows["5h"].limit = 4000
    full = False
    while not full:
        for key in (ONE, ONE, ONE, ONE, TWO):
            reply = spend(s, key, 100)
            full = full or (reply.status == 429 and "limit of client" not in reply.message)
        clock.now += 120
    used = {each["name"]: each["tokensToday"] for each in s.status()["clients"]}
    assert used["one"] / sum(used.values()) == pytest.approx(part, abs=0.05)


def test_a_client_that_is_alone_is_lent_everything(stage: Build, clock: Any) -> None:
    s = shared(stage)
    for _ in range(60):
        clock.now += 2
        reply = spend(s, ONE, 100)
        assert reply.status == 200 or "client" not in reply.message
        if s.account("a")["quota"]["unified5h"] and s.account("a")["quota"]["unified5h"] > 0.9:
            break
    else:
        raise AssertionError("it was not used up")


def test_a_client_that_is_no_longer_configured_is_at_no_limit() -> None:
    clock = Clock()
    pool = {"5h": [PoolWindow("a", 10.0, clock.now + 3600)]}
    clients = ClientUsage(clock, lambda: pool)
    one, old = ClientKey("one", "k1", None, None, 0.9), ClientKey("old", "k2")
    clients.configure([one, old])
    for name, tokens in (("old", 90), ("one", 1)):
        with clients.count_request(name, ended(tokens, clock)):
            pass
    clock.now += 2
    assert {row.name: row.limit for row in clients.view()} == {"old": "share", "one": ""}
    clients.configure([one])
    assert {row.name: row.limit for row in clients.view()} == {"old": "", "one": ""}


def test_an_operator_without_a_share_is_refused_for_nobody() -> None:
    clock = Clock()
    clients = ClientUsage(clock, lambda: {"5h": [PoolWindow("a", 10.0, clock.now + 3600)]})
    keys = [ClientKey("one", "k1", None, None, 0.9), ClientKey("boss", "k2", role="operator")]
    clients.configure(keys)
    for name, tokens in (("boss", 90), ("one", 1)):
        with clients.count_request(name, ended(tokens, clock)):
            pass
    clock.now += 2
    assert {row.name: row.limit for row in clients.view()} == {"boss": "", "one": ""}
    with clients.count_request("boss", ended(1, clock)):
        pass


def test_a_restart_keeps_the_use_of_shares(stage: Build, clock: Any) -> None:
    s = shared(stage)
    for _ in range(3):
        spend(s, ONE, 100)
    clock.now += 2  # a look at the accounts' windows is good for one
    before = s.status()["clients"]
    s.restart()
    assert s.status()["clients"] == before
    assert 0 < before[0]["shareUsed5h"] < 0.5
