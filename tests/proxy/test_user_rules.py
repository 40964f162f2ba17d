"""Routes and pins by project through the whole proxy: what a client gets, and what the API sees."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.routing.fleet import Fleet
from tests.proxy.conftest import KEY, TOKEN, Stage, message

Build = Callable[..., Stage]
OPUS = {"match": "claude-opus-*", "accounts": ["b"]}
CI = "tc-ci-key-000000000000000000000000000"


def reload(s: Stage, **changes: Any) -> None:
    s.write({**s.document(), **changes})
    s.service.reload()


def explain(s: Stage) -> dict[str, Any]:
    found: dict[str, Any] = s.send("GET", "/teamclaude/explain/last").json()
    return found


def bench(s: Stage, name: str) -> None:
    router = s.service.runtime.router
    router.bench_for_login(name, s.service.runtime.clock() + 600, "benched by the test")


def test_a_route_leads_what_it_matches_to_its_accounts_alone(stage: Build) -> None:
    s = stage("a", "b", routes=[OPUS])
    assert {s.ask(session=f"s{n}").account for n in range(6)} == {"b"}
    assert "a" in {s.ask(session=f"t{n}", model="claude-sonnet-5").account for n in range(6)}


def test_a_warm_conversation_leaves_its_account_after_a_reload(stage: Build) -> None:
    s = stage("a", "b")
    assert s.ask(headers={"x-teamclaude-account": "a"}).account == "a"
    assert s.ask().account == "a"
    reload(s, routes=[OPUS])
    assert s.ask().account == "b"
    decision = explain(s)["attempts"][0]["decision"]
    assert (decision["reason"], decision["previous"]) == ("route", "a")
    assert decision["detail"].endswith("routes[0] allows only b")
    assert ("a", "route") in [(each["account"], each["rule"]) for each in decision["excluded"]]
    reload(s, routes=[])
    assert s.ask(headers={"x-teamclaude-account": "a"}).account == "a"


def test_where_its_account_is_away_the_route_is_named_and_nothing_leaks(stage: Build) -> None:
    s = stage("a", "b", routes=[OPUS], allThrottledHoldBudgetSec=0)
    bench(s, "b")
    reply = s.ask()
    assert reply.status == 429
    assert "Account b is throttled" in reply.message
    assert "(routes[0] allows only b)" in reply.message
    assert s.ask(session="other", model="claude-sonnet-5").account == "a"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_block_answers_403_with_the_words_and_the_api_sees_nothing(stage: Build, path: str) -> None:
    s = stage("a", routes=[{"match": "claude-opus-*", "block": "Opus is for Fridays."}])
    reply = s.send("POST", path, message())
    assert (reply.status, reply.json()["error"]["type"]) == (403, "permission_error")
    assert reply.message == "Opus is for Fridays."
    assert reply.headers["x-should-retry"] == "false"
    assert s.api.log == ()
    told = explain(s)
    assert (told["status"], told["outcome"]) == (403, "refused")
    assert told["attempts"][0]["decision"]["reason"] == "blocked"
    assert s.send("POST", path, message(model="claude-sonnet-5")).status == 200


def test_counting_tokens_follows_a_route_and_a_route_may_be_about_it_alone(stage: Build) -> None:
    s = stage("a", "b", routes=[{"match": {"path": "*/count_tokens"}, "accounts": "b"}])
    bodies = [message(f"text {n}") for n in range(4)]
    assert {s.send("POST", "/v1/messages/count_tokens", body).account for body in bodies} == {"b"}
    assert "a" in {s.ask(session=f"s{n}").account for n in range(4)}


def test_a_pin_of_the_client_to_an_account_that_a_route_leaves_out_is_refused(stage: Build) -> None:
    s = stage("a", "b", routes=[OPUS])
    reply = s.ask(headers={"x-teamclaude-account": "a"})
    assert (reply.status, reply.json()["error"]["type"]) == (403, "permission_error")
    assert reply.message == "routes[0] allows only b, not a"
    assert s.ask(headers={"x-teamclaude-account": "b"}).account == "b"


def test_a_route_with_unknown_accounts_refuses(stage: Build) -> None:
    s = stage("a", routes=[{"match": "*", "accounts": ["nobody"]}])
    reply = s.ask()
    assert (reply.status, reply.message) == (403, "no account of routes[0] is configured")


def test_a_client_and_a_sub_agent_are_known_by_what_they_send(stage: Build) -> None:
    routes = [
        {"match": {"client": "ci"}, "accounts": ["a"]},
        {"match": {"agent": True}, "accounts": ["b"]},
        {"match": {"agent": False}, "accounts": ["c"]},
    ]
    s = stage("a", "b", "c", routes=routes, proxy={"clients": [{"name": "ci", "key": CI}]})
    assert s.ask(session="s1", headers={"x-teamclaude-key": CI}).account == "a"
    assert s.ask(session="s2", headers={"x-claude-code-agent-id": "x"}).account == "b"
    assert s.ask(session="s2").account == "c"


# --- what a client writes to get around a route ------------------------------------------------------

BLOCK = {"match": "claude-opus-*", "block": "no Opus"}


def batch(*models: str) -> dict[str, Any]:
    return {"requests": [{"custom_id": m, "params": message(model=m)} for m in models]}


def test_a_batch_is_blocked_with_any_of_its_models(stage: Build) -> None:
    s = stage("a", routes=[BLOCK])
    reply = s.send("POST", "/v1/messages/batches", batch("claude-sonnet-5", "claude-opus-4-8"))
    assert (reply.status, reply.message) == (403, "no Opus")
    assert s.api.log == ()
    assert s.send("POST", "/v1/messages/batches", batch("claude-sonnet-5")).account == "a"


def test_a_batch_goes_to_an_account_that_all_its_models_allow(stage: Build) -> None:
    haiku = {"match": "claude-haiku-*", "accounts": ["a", "c"]}
    s = stage("a", "b", "c", routes=[haiku, {"match": "claude-opus-*", "accounts": ["b", "c"]}])
    path = "/v1/messages/batches"
    assert (
        s.send("POST", path, batch("claude-haiku-4-5", "claude-opus-4-8", "claude-sonnet-5")).account == "c"
    )
    reload(s, routes=[haiku, OPUS])
    reply = s.send("POST", path, batch("claude-haiku-4-5", "claude-opus-4-8"))
    assert (reply.status, reply.message) == (
        403,
        "routes[0] allows only a, c and routes[1] allows only b: no account is allowed for all its models",
    )


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("head", [b'{"model":"claude-sonnet-5",', b'{"mod\\u0065l":"claude-sonnet-5",', b"{"])
def test_a_body_whose_model_readers_may_disagree_about_is_refused_where_a_route_depends_on_it(
    stage: Build, path: str, head: bytes
) -> None:
    s = stage("a", routes=[BLOCK])
    doubled = head + b'"messages":[{"role":"user","content":"%b"}],' % (b"x" * 9000)
    doubled += b'"mod\\u0065l":"claude-opus-4-8","max_tokens":5,"stream":true}'
    reply = s.raw().request(path, body=doubled).answer()
    words = json.loads(reply.body)["error"]["message"]
    assert reply.status == (400 if len(head) > 1 else 403)
    assert words.startswith("A route depends on the model" if len(head) > 1 else "no Opus")
    assert s.api.log == ()
    reload(s, routes=[{"match": {"client": "ci"}, "block": "not you"}])
    assert s.raw().request(path, body=doubled).answer().status == 200


# --- who waits ------------------------------------------------------------------------------------


def hold(s: Stage, **headers: str) -> tuple[threading.Thread, list[Any]]:
    """Send a request that is held, and return its thread and where its reply will be."""
    replies: list[Any] = []
    thread = threading.Thread(target=lambda: replies.append(s.ask(headers=headers)))
    thread.start()
    s.until(lambda: s.service.runtime.router.waiting == 1)
    return thread, replies


def test_a_request_that_waits_for_its_account_is_served_once_the_route_allows_another(stage: Build) -> None:
    s = stage("a", "b", routes=[OPUS])
    bench(s, "b")
    thread, replies = hold(s)
    reload(s, routes=[])
    thread.join(30)
    assert [reply.account for reply in replies] == ["a"]


def test_a_request_that_waits_is_refused_once_a_route_blocks_it(stage: Build) -> None:
    s = stage("a", proxy={"clients": [{"name": "ci", "key": CI}]})
    bench(s, "a")
    thread, replies = hold(s, **{"x-teamclaude-key": CI})
    reload(s, routes=[{"match": {"client": "ci"}, "block": "not you"}])
    thread.join(30)
    assert [(reply.status, reply.message) for reply in replies] == [(403, "not you")]


# --- projects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told", ["/work/acme", "/work/acme/src/", "/work/%61cme", "/work/other/../acme", "//work//acme"]
)
def test_the_project_of_the_header_leads_to_the_pinned_account(stage: Build, told: str) -> None:
    s = stage("a", "b", pins={"/work/acme": "b"})
    for number in range(3):
        assert s.ask(session=f"s{number}", headers={"x-teamclaude-project": told}).account == "b"
    decision = explain(s)["attempts"][0]["decision"]
    assert decision["reason"] == "pinned"
    assert "/work" not in json.dumps(explain(s))


def test_a_pin_gives_way_and_a_route_of_the_same_project_does_not(stage: Build) -> None:
    s = stage("a", "b", pins={"/work": "b"}, allThrottledHoldBudgetSec=0)
    bench(s, "b")
    project = {"x-teamclaude-project": "/work"}
    assert s.ask(headers=project).account == "a"
    reload(s, routes=[{"match": {"project": "/work"}, "accounts": ["b"]}])
    assert s.ask(headers=project).status == 429


def test_a_project_that_the_files_tell_later_moves_the_conversation_once(stage: Build) -> None:
    s = stage("a", "b", pins={"/work": "b"})
    s.ask(headers={"x-teamclaude-account": "a"})
    known: dict[str, str] = {}
    s.service.runtime.project_of = known.get
    assert s.ask().account == "a"
    known["s1"] = "/work/acme"
    assert [s.ask().account for _ in range(3)] == ["b", "b", "b"]
    assert s.status()["sessionBindings"][0]["moves"] == 1


def test_a_project_reaches_neither_the_api_nor_a_log_line(stage: Build) -> None:
    s = stage("a", pins={"/work/secret": "a"})
    s.ask(headers={"x-teamclaude-project": "/work/secret"})
    assert not [name for name, _ in s.seen()[0].headers if name.lower().startswith("x-teamclaude")]
    assert not [line for line in s.warnings if "secret" in line]
    assert "secret" not in json.dumps(s.records)


def test_a_symbolic_link_and_its_directory_are_the_same_project(stage: Build, tmp_path: Any) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    s = stage("a", "b", pins={str(tmp_path / "link"): "b"})
    for number, place in enumerate(("link", "real", "real/src")):
        headers = {"x-teamclaude-project": str(tmp_path / place)}
        assert s.ask(session=f"s{number}", headers=headers).account == "b"


def test_the_key_is_needed_as_before(stage: Build) -> None:
    s = stage("a", routes=[OPUS], proxy={"trustLoopback": False})
    assert s.ask(headers={"x-teamclaude-key": KEY[:-1] + "x"}).status == 401


def switch(s: Stage, account: Any, **more: Any) -> Any:
    return s.send("POST", "/teamclaude/switch", {"account": account, **more})


def test_a_project_pin_moves_the_work_in_its_directory_and_survives_a_restart(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    other = "b" if home == "a" else "a"
    pins = switch(s, other, project="/work/acme/").json()["projectPins"]
    assert pins == [{"project": "/work/acme", "account": other, "configured": False}]
    place = {"x-teamclaude-project": "/work/acme/src"}
    assert s.ask(session="s1").account == home
    assert s.ask(session="s1", headers=place).account == other
    assert explain(s)["attempts"][0]["decision"]["detail"] == "project acme", "the pin's, not src"
    assert [row["pinned"] for row in s.status()["sessionBindings"]] == [True]
    s.restart()
    assert s.status()["projectPins"] == pins
    assert s.ask(session="s2", headers=place).account == other
    assert switch(s, None, project="/work/acme").json()["projectPins"] == []


def test_a_pin_that_a_route_forbids_is_set_and_the_answer_says_so(stage: Build) -> None:
    s = stage("a", "b")
    reload(s, routes=[{"match": {"project": "/work/acme"}, "accounts": ["a"]}])
    told = [switch(s, name, project="/work/acme/src").json()["forbiddenBy"] for name in ("b", "a")]
    assert told == ["routes[0]", None]
    assert switch(s, "b").json()["forbiddenBy"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"account": "a", "project": "work"},
        {"account": "a", "project": "/work", "session": "s1"},
        {"account": "a", "project": 5},
        {"account": "a", "project": "/" + "x" * 5000},
    ],
)
def test_a_project_is_a_whole_path_and_no_session(stage: Build, body: dict[str, Any]) -> None:
    assert stage("a").send("POST", "/teamclaude/switch", body).status == 400


def test_a_pin_is_saved_at_once(stage: Build) -> None:
    s = stage("a")
    asked: list[str] = []
    s.service.runtime.save_soon = lambda: asked.append("pins of projects saved")
    assert switch(s, "a", project="/work/acme").status == 200
    assert asked == ["pins of projects saved"]


def test_a_rule_without_its_effect_is_one_line_at_the_start_and_after_a_reload(stage: Build) -> None:
    s = stage("a", routes=[{"match": "*", "accounts": ["a"]}, OPUS], pins={"/work": "zoe"})
    assert [line for line in s.warnings if "routes" in line or "pins" in line] == [
        f'{s.path}: routes[1].accounts[0]: no account is named "b"; there are a',
        f"{s.path}: routes[1]: none of its accounts is configured: what it matches is refused",
        f"{s.path}: routes[1] can never match: routes[0] takes everything",
        f'{s.path}: pins["/work"]: no account is named "zoe"; there are a: it has no effect',
    ]
    assert s.ask().account == "a"
    s.warnings.clear()
    reload(s, pins={})
    assert s.warnings == []
    reload(s, routes=[{"match": "opus", "accounts": ["a"]}])
    assert [line.partition(": ")[2] for line in s.warnings] == [
        'routes[0].match: no model has the id "opus": it can never match; write "*opus*"'
    ]


# --- dollars that no answer tells -----------------------------------------------------------------


def with_key(s: Stage, **more: Any) -> None:
    key = {"name": "key", "type": "apikey", "apiKey": TOKEN.format("key"), **more}
    own = [each for each in s.document()["accounts"] if each["name"] != "key"]
    reload(s, accounts=[*own, key])


def test_what_broke_off_is_counted_by_what_came(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(Fleet, "settle_lease", lambda fleet, *values: counted.append(values[-1]))
    s = stage("a")
    s.api.script.once(Fault.cut_after_event(5, "fin"))
    s.raw().request(body=json.dumps(message("x" * 500)).encode()).rest()
    s.until(lambda: counted)
    assert counted[0] > 0
    s.ask()
    s.until(lambda: len(counted) > 1)
    assert counted[1] == 0


def test_a_batch_does_not_go_to_an_account_with_a_limit_of_dollars(stage: Build) -> None:
    s = stage("a", "key")
    path, work = "/v1/messages/batches", batch("claude-sonnet-5")
    reload(s, accounts=[each for each in s.document()["accounts"] if each["name"] == "a"])
    with_key(s, maxSpend={"day": 5})
    assert {s.send("POST", path, work).account for _ in range(4)} == {"a"}
    reply = s.send("POST", path, work, headers={"x-teamclaude-account": "key"})
    assert (reply.status, reply.message.partition(":")[0]) == (403, "maxSpend")
    reload(s, accounts=s.document()["accounts"][1:])
    reply = s.send("POST", path, work)
    assert (reply.status, reply.message) == (
        403,
        "maxSpend: what a batch or a completion costs can't be counted; send messages (/v1/messages)",
    )
    with_key(s)
    assert s.send("POST", path, work).account == "key"
    reload(s, maxSpend={"month": 100})
    assert s.send("POST", path, work).status == 403


# --- an account of which nothing may be used -------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "words"), [(0, "maxUsage 0%"), ({"5h": 0, "7d": 0.5}, "maxUsage 0% of 5h, 50% of 7d")]
)
def test_maxusage_0_is_told_by_its_name(stage: Build, limit: Any, words: str) -> None:
    account = {"name": "a", "accessToken": TOKEN.format("a"), "maxUsage": limit}
    s = stage("a", accounts=[account])
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        reply = s.send("POST", path, message())
        assert (reply.status, f"a: {words}." in reply.message) == (502, True)
    assert explain(s)["attempts"][0]["decision"]["excluded"][0]["detail"] == words
    assert (s.account("a")["status"], s.account("a")["statusReason"]) == ("disabled", words)
    s.write({**s.document(), "accounts": [{**account, "disabled": True}]})
    s.service.reload()
    assert s.account("a")["statusReason"] == "disabled by its owner"
