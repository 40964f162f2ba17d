"""Requests through the real proxy to the fake API: affinity, failover, classification, honesty."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
HELLO = {
    "model": "claude-opus-4-8",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 9,
    "stream": True,
}


def calls(stage: Any) -> list[tuple[str, int]]:
    """Account and status of every inference call the API saw."""
    assert stage.api.wait_until(lambda api: not api.live), "it ends them just after their answers"
    return [(e.account, e.status) for e in stage.api.log if e.path == "/v1/messages"]


# --- serving ------------------------------------------------------------------------------------


def test_a_stream_arrives_whole_and_names_its_account(stage: Build) -> None:
    s = stage("a")
    reply = s.ask()
    assert reply.status == 200
    assert reply.account == "a"
    assert reply.body.startswith(b"event: message_start")
    assert b"event: message_stop" in reply.body
    assert reply.headers["x-teamclaude-request"].startswith("tc-")
    assert reply.headers["request-id"]


def test_a_plain_answer_arrives_byte_for_byte(stage: Build) -> None:
    s = stage("a")
    reply = s.ask(stream=False)
    assert reply.json()["type"] == "message"
    assert int(reply.headers["content-length"]) == len(reply.body)


def test_the_account_s_credential_replaces_the_client_s(stage: Build) -> None:
    s = stage("a")
    s.ask(headers={"Authorization": "Bearer sk-ant-oat01-FAKE-mine", "x-api-key": "sk-ant-api03-FAKE-mine"})
    sent = s.seen()[0]
    assert sent.header("authorization") == "Bearer sk-ant-oat01-FAKE-a"
    assert sent.header("x-api-key") is None
    assert sent.header("x-teamclaude-key") is None
    assert "oauth-2025-04-20" in sent.header("anthropic-beta")


def test_the_body_goes_up_untouched(stage: Build) -> None:
    s = stage("a")
    odd = b'{ "stream":true,"model" : "claude-opus-4-8", "max_tokens":5,\n'
    odd += b'"messages":[{"role":"user","content":"\\u00e9"}]}'
    s.send("POST", "/v1/messages?beta=true", odd, {"x-claude-code-session-id": "s"})
    assert s.seen()[0].body == odd
    assert s.seen()[0].target == "/v1/messages?beta=true"


def test_a_session_stays_on_its_account(stage: Build) -> None:
    s = stage("a", "b", "c")
    first = s.ask(session="s1").account
    assert {s.ask(session="s1").account for _ in range(5)} == {first}


def test_sessions_spread_over_the_accounts(stage: Build) -> None:
    s = stage("a", "b", "c")
    assert {s.ask(session=f"s{n}").account for n in range(3)} == {"a", "b", "c"}


def test_usage_is_counted_per_conversation(stage: Build) -> None:
    s = stage("a")
    s.ask(session="one")
    s.ask(session="one")
    row = next(r for r in s.status()["sessionBindings"] if r["sid"] == "one")
    assert row["requests"] == 2
    assert row["outputTokens"] > 0
    assert row["cost"] > 0
    assert s.account("a")["usage"]["tokens"] == row["tokens"]


def test_gzip_passes_as_gzip_and_is_still_counted(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.gzipped())
    reply = s.ask(headers={"Accept-Encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.body[:2] == b"\x1f\x8b"
    assert s.status()["sessionBindings"][0]["outputTokens"] > 0


def test_usage_is_counted_under_the_issue_of_its_session(stage: Build) -> None:
    s = stage("a")
    s.service.runtime.issue_of = {"one": "ENG-1"}.get
    s.ask(session="one")
    s.ask(session="two")
    rows = {row["issue"]: row["requests"] for row in s.status()["usageByIssue"]}
    assert rows == {"ENG-1": 1, None: 1}


# --- refusals -----------------------------------------------------------------------------------


def test_a_full_account_is_benched_and_the_request_served_by_another(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.api.script.once(Fault.quota("5h", reset_in=3600.0), account=home)
    reply = s.ask(session="s1")
    assert (reply.status, reply.account != home) == (200, True)
    assert s.account(home)["status"] == "benched"
    assert s.account(home)["benchSec"] == pytest.approx(3600, abs=2)


def test_all_accounts_full_ends_in_a_429_with_the_time(stage: Build) -> None:
    s = stage("a", "b", allThrottledHoldBudgetSec=1800)
    s.api.script.always(Fault.quota("5h", reset_in=7200.0))
    reply = s.ask()
    assert reply.status == 429
    assert reply.json()["error"]["type"] == "rate_limit_error"
    assert "All 2 accounts are throttled" in reply.message
    assert 7199 <= int(reply.headers["retry-after"]) <= 7200 * 1.15 + 1
    assert reply.headers["x-should-retry"] == "false"
    assert not [name for name in reply.headers if name.lower().startswith("anthropic-ratelimit")]


def test_a_bare_429_answered_by_all_is_about_the_request(stage: Build) -> None:
    s = stage("a", "b", "c")
    s.api.script.always(Fault.bare_429())
    reply = s.ask()
    assert reply.status == 429
    assert len(calls(s)) == 3, "each account once, then the refusal is believed"
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


def test_a_bare_429_another_account_serves_was_about_the_account(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.api.script.once(Fault.bare_429(), account=home)
    assert s.ask(session="s1").status == 200
    assert s.account(home)["status"] == "benched"
    assert s.account(home)["benchSec"] == 60


def test_a_model_scoped_refusal_caps_only_that_family(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1", model="claude-fable-5").account
    s.api.script.once(Fault.quota("7d_oi", reset_in=50000.0), account=home)
    assert s.ask(session="s1", model="claude-fable-5").account != home
    assert s.account(home)["status"] == "active"
    assert (
        s.ask(session="s2", model="claude-sonnet-5", headers={"x-teamclaude-account": home}).account == home
    )


def test_a_count_tokens_429_benches_no_account(stage: Build) -> None:
    s = stage("a", "b")
    s.api.script.always(Fault.bare_429())
    reply = s.send(
        "POST", "/v1/messages/count_tokens?beta=true", {"model": "claude-opus-4-8", "messages": []}
    )
    assert reply.status == 429
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


def test_a_bad_request_is_relayed_and_touches_no_account(stage: Build) -> None:
    s = stage("a", "b", "c")
    s.api.script.always(Fault.status(400, message="prompt is too long"))
    reply = s.ask()
    assert (reply.status, reply.message) == (400, "prompt is too long")
    assert len(calls(s)) == 2, "two accounts say the same: it is the request"
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


def test_a_403_rests_the_account_and_never_reaches_the_client(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.api.script.once(Fault.status(403, message="OAuth token has been revoked"), account=home)
    assert s.ask(session="s1").status == 200
    row = s.account(home)
    assert (row["status"], row["benchSec"]) == ("benched", 300)
    assert "revoked" in row["statusReason"]


def test_a_403_off_the_inference_path_keeps_no_conversation_away(stage: Build) -> None:
    s = stage("a", "b")
    s.api.script.always(Fault.status(403, message="scope missing"), path="/v1/models")
    reply = s.send("GET", "/v1/models")
    assert reply.status == 502
    assert "scope missing" in reply.message
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


def test_all_refused_by_403_ends_in_a_502_that_names_them(stage: Build) -> None:
    s = stage("a", "b")
    s.api.script.always(Fault.status(403, message="not allowed here"))
    reply = s.ask()
    assert reply.status == 502
    assert "a: " in reply.message
    assert "b: " in reply.message
    assert "not allowed here" in reply.message
    assert reply.headers["x-should-retry"] == "false"


def test_a_refused_login_is_left_out_until_its_credentials_change(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.api.accounts[home].revoke_token(f"sk-ant-oat01-FAKE-{home}")
    assert s.ask(session="s1").account != home
    assert s.account(home)["status"] == "auth_failed"
    s.api.accounts[home].issue_token("sk-ant-oat01-FAKE-new")
    document = s.document()
    next(a for a in document["accounts"] if a["name"] == home)["accessToken"] = "sk-ant-oat01-FAKE-new"
    s.write(document)
    assert s.send("POST", "/teamclaude/accounts/reload").json()["updated"] == [home]
    assert s.account(home)["status"] == "active"


def test_an_overloaded_api_is_asked_again(stage: Build) -> None:
    s = stage("a", "b")
    s.api.script.once(Fault.overloaded())
    assert s.ask().status == 200
    assert [status for _, status in calls(s)] == [529, 200]


def test_an_api_that_stays_overloaded_is_relayed_in_its_own_words(stage: Build) -> None:
    s = stage("a", "b", upstreamRetryBudgetSec=1)
    s.api.script.always(Fault.status(529, message="Overloaded today"))
    reply = s.ask()
    assert (reply.status, reply.message) == (529, "Overloaded today")
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


# --- the wire breaks ------------------------------------------------------------------------------


def test_a_stale_pooled_connection_is_replaced_without_notice(stage: Build) -> None:
    s = stage("a")
    s.ask()
    s.api.script.once(Fault.no_head("rst"))
    assert s.ask().status == 200


def test_a_fresh_connection_that_breaks_is_tried_once_more(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.no_head("fin"))
    assert s.ask().status == 200
    assert s.account("a")["status"] == "active"


def test_an_unreachable_api_is_a_503_that_benches_no_account(stage: Build) -> None:
    s = stage("a")
    s.api.stop_listening()
    reply = s.ask()
    assert (reply.status, reply.json()["error"]["type"]) == (503, "overloaded_error")
    assert reply.headers["retry-after"] == "5"
    assert s.account("a")["status"] == "active"


@pytest.mark.parametrize(
    "fault",
    [Fault.cut_after_event(3), Fault.cut_inside_event(4), Fault.cut_after_event(3, "fin")],
)
def test_a_broken_stream_never_looks_complete(stage: Build, fault: Fault) -> None:
    s = stage("a")
    s.api.script.once(fault)
    raw = raw_answer(s)
    assert b"message_start" in raw
    assert not raw.endswith(b"0\r\n\r\n")
    assert s.outcomes(1) == ["upstream error"]
    assert len(calls(s)) == 1, "nothing is retried after the first byte"
    assert s.account("a")["inflight"] == 0


def test_a_stream_without_message_stop_does_not_count_as_served(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.ends_early(4))
    assert s.ask().status == 200
    assert s.records[-1]["outcome"] == "upstream error"
    assert s.account("a")["usage"]["requests"] == 0


def test_a_cut_content_length_body_is_passed_on_short(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.cut_body(20))
    raw = raw_answer(s, stream=False)
    head, _, body = raw.partition(b"\r\n\r\n")
    announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) < announced


def raw_answer(s: Any, **body: Any) -> bytes:
    """Every byte the proxy sends, up to its closing."""
    data = json.dumps({**HELLO, **body}).encode()
    head = (
        b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nx-teamclaude-key: %s\r\nContent-Length: %d\r\n\r\n"
        % (b"tc-test-key-000000000000000000000000", len(data))
    )
    out = b""
    with socket.create_connection(("127.0.0.1", s.service.port), timeout=30) as sock:
        sock.sendall(head + data)
        while True:
            try:
                piece = sock.recv(65536)
            except ConnectionResetError:
                return out
            if not piece:
                return out
            out += piece


# --- the client leaves ------------------------------------------------------------------------------


def test_a_client_that_leaves_ends_the_upstream_request(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.never_answered())
    connection = s.connect()
    connection.request(
        "POST",
        "/v1/messages",
        json.dumps(HELLO),
        {"x-teamclaude-key": "tc-test-key-000000000000000000000000"},
    )
    assert s.api.wait_until(lambda api: api.inflight == 1)
    connection.close()
    assert s.api.wait_until(lambda api: api.inflight == 0)
    assert s.outcomes(1) == ["client gone"]
    assert s.account("a") | {"inflight": 0} == s.account("a")


# --- what is not ours ---------------------------------------------------------------------------------


def test_an_unknown_path_is_answered_here_and_sends_nothing(stage: Build) -> None:
    s = stage("a")
    reply = s.send("POST", "/v1/mesages", {})
    assert (reply.status, reply.json()["error"]["type"]) == (404, "not_found_error")
    assert s.api.log == ()


def test_the_client_s_own_login_paths_carry_its_own_credential(stage: Build) -> None:
    s = stage("a")
    s.send("GET", "/api/oauth/usage", headers={"Authorization": "Bearer sk-ant-oat01-FAKE-mine"})
    assert s.seen()[0].header("authorization") == "Bearer sk-ant-oat01-FAKE-mine"


def test_a_client_header_pins_the_account(stage: Build) -> None:
    s = stage("a", "b", "c")
    assert {s.ask(session=f"s{n}", headers={"x-teamclaude-account": "b"}).account for n in range(4)} == {"b"}
    reply = s.ask(headers={"x-teamclaude-account": "nobody"})
    assert reply.status == 404
    assert "a, b, c" in reply.message


def test_an_account_is_pinned_by_the_name_its_own_answers_carry(stage: Build) -> None:
    accounts = [
        {"name": name, "accessToken": "sk-ant-oat01-FAKE-a", "expiresAt": 4102444800000}
        for name in ("jörg 50%", "b")
    ]
    s = stage("a", accounts=accounts)
    shown = s.ask(headers={"x-teamclaude-account": "j%C3%B6rg 50%25"}).account
    assert shown == "j%C3%B6rg 50%25"


def test_a_token_request_of_the_client_is_never_sent_twice(stage: Build) -> None:
    s = stage("a")
    document = s.document()
    document["oauth"] = {"tokenUrl": f"{s.api.url}/v1/oauth/token"}
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload")
    s.api.script.always(Fault.no_head("rst"), path="/v1/oauth/token")
    with pytest.raises(http.client.RemoteDisconnected):
        s.send("POST", "/v1/oauth/token", {"grant_type": "refresh_token"})
    s.service.stop(1)  # whatever it still wants to send, it has sent then
    assert s.api.wait_until(lambda api: len(api.log) > 0)
    assert [e.path for e in s.api.log] == ["/v1/oauth/token"]
