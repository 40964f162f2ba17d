"""The fake API as a well-behaved server: credentials, answers, streams, quotas, its log."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

import pytest

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.api_endpoints import ApiPace
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault

U = "anthropic-ratelimit-unified-"


def events_of(body: bytes) -> list[tuple[str, Any]]:
    out = []
    for chunk in body.decode().strip().split("\n\n"):
        name, data = chunk.split("\n")
        out.append((name.partition(": ")[2], json.loads(data.partition(": ")[2])))
    return out


def test_a_stream_has_the_events_of_the_real_one_in_order(ask: Any, document: Any) -> None:
    status, headers, body = ask(document("hi [[tokens=50]] [[reply=700]]"))
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["request-id"].startswith("req_")
    assert headers[U + "status"] == "allowed"
    seen = events_of(body)
    names = [name for name, _ in seen]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[3:-3] == ["content_block_delta"] * 4
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert all(data["type"] == name for name, data in seen)
    assert seen[0][1]["message"]["usage"]["input_tokens"] == 50
    assert seen[0][1]["message"]["usage"]["output_tokens"] == 1
    assert seen[-2][1]["usage"]["output_tokens"] == 700
    assert seen[-2][1]["delta"]["stop_reason"] == "end_turn"


def test_without_stream_the_answer_is_one_document(ask: Any, document: Any) -> None:
    status, headers, body = ask(document("[[reply=5000]]", stream=False))
    message = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 1000
    assert message["content"][0]["type"] == "text"


CHECK = [{"type": "dangerous_tool_use", "classifier_context": {"v": 1}}, {"type": "of_tomorrow"}]


def tool_uses(*ids: str) -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": id, "name": "Bash", "input": {}} for id in ids]


@pytest.mark.parametrize("stream", [True, False])
def test_a_safety_check_that_is_asked_for_has_a_verdict_for_each_tool_use(
    api: FakeApi, ask: Any, document: Any, stream: bool
) -> None:
    api.script.reply_with(tool_uses("toolu_1", "toolu_2"))
    body = ask(document(safeguards=CHECK, stream=stream))[2]
    end = events_of(body)[-2][1]["delta"] if stream else json.loads(body)
    verdict = {"type": "evaluated", "outcome": "not_flagged"}
    assert end["safeguard_results"] == [
        {
            "type": "dangerous_tool_use",
            "status": {"type": "available", "tool_uses": {"toolu_1": verdict, "toolu_2": verdict}},
        },
        {"type": "of_tomorrow", "status": {"type": "unsupported"}},
    ]
    assert end["stop_reason"] == "tool_use"


def test_no_safety_check_is_made_unless_it_is_asked_for(api: FakeApi, ask: Any, document: Any) -> None:
    api.script.reply_with(tool_uses("toolu_1"), tool_uses("toolu_2"), "no tool")
    assert b"safeguard_results" not in ask()[2]
    api.endpoints.safeguard_verdict = None
    assert b"safeguard_results" not in ask(document(safeguards=CHECK))[2]
    api.endpoints.safeguard_verdict = "flagged"
    end = events_of(ask(document(safeguards=CHECK[:1]))[2])[-2][1]["delta"]
    assert end["safeguard_results"][0]["status"]["tool_uses"] == {}


def test_scripted_blocks_make_a_tool_use_turn(api: FakeApi, ask: Any, document: Any) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "echo hi"}}
    thought = {"type": "thinking", "thinking": "let me see", "signature": "sig"}
    api.script.reply_with([thought, {"type": "text", "text": "I run it."}, call], "It said hi.")
    seen = events_of(ask()[2])
    starts = [d["content_block"] for n, d in seen if n == "content_block_start"]
    assert [block["type"] for block in starts] == ["thinking", "text", "tool_use"]
    assert starts[2] == {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    partial = [d["delta"].get("partial_json", "") for n, d in seen if n == "content_block_delta"]
    assert json.loads("".join(partial)) == {"command": "echo hi"}
    assert seen[-2][1]["delta"]["stop_reason"] == "tool_use"
    message = json.loads(ask(document(stream=False))[2])
    assert message["content"] == [{"type": "text", "text": "It said hi."}]
    assert message["stop_reason"] == "end_turn"


def test_replies_may_wait_for_the_request_they_are_meant_for(api: FakeApi, ask: Any, document: Any) -> None:
    api.script.reply_with("for tools", when=lambda asked: b'"tools"' in asked.body)
    assert b"for tools" not in ask(document(stream=False))[2]
    assert b"for tools" in ask(document(stream=False, tools=[{"name": "Bash"}]))[2]


def test_a_schema_is_answered_with_json(ask: Any, document: Any) -> None:
    asked = document(stream=False, output_config={"format": {"type": "json_schema"}})
    assert json.loads(json.loads(ask(asked)[2])["content"][0]["text"])["title"]


def test_counting_tokens_costs_nothing(api: FakeApi, ask: Any, document: Any) -> None:
    asked = document("[[tokens=1234]]")
    del asked["max_tokens"]
    status, _, body = ask(asked, target="/v1/messages/count_tokens?beta=true")
    assert (status, json.loads(body)) == (200, {"input_tokens": 1234})
    assert api.accounts["a"].windows["5h"].used == 0


def test_models_and_probes(ask: Any) -> None:
    page = json.loads(ask(method="GET", target="/v1/models?limit=1000")[2])
    assert len(page["data"]) >= 3
    first = page["first_id"]
    assert json.loads(ask(method="GET", target=f"/v1/models/{first}")[2])["id"] == first
    assert ask(method="GET", target="/v1/models/claude-nothing")[0] == 404
    assert ask(method="HEAD", target="/", token="unknown")[0] == 200
    assert ask(method="HEAD", target="/api/hello", token="unknown")[0] == 200
    status, _, body = ask(method="GET", target="/v1/nonsense")
    assert (status, json.loads(body)["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer sk-ant-oat01-FAKE-unknown", "anthropic-beta": "oauth-2025-04-20"}, 401),
        ({"Authorization": "Bearer sk-ant-oat01-FAKE-a"}, 401),
        ({"x-api-key": "sk-ant-oat01-FAKE-a", "anthropic-beta": "oauth-2025-04-20"}, 401),
        ({"Authorization": "Bearer sk-ant-oat01-FAKE-a", "anthropic-beta": "x, oauth-2025-04-20"}, 200),
        ({"x-api-key": "sk-ant-api03-FAKE"}, 200),
        ({"Authorization": "Bearer sk-ant-api03-FAKE"}, 200),
    ],
)
def test_credentials(api: FakeApi, document: Any, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.request("POST", "/v1/messages", json.dumps(document()), headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == status
    if status == 401:
        assert json.loads(body)["error"]["type"] == "authentication_error"


def test_a_key_account_gets_its_own_headers(ask: Any) -> None:
    _, headers, _ = ask(token="sk-ant-api03-FAKE")
    assert headers["anthropic-ratelimit-requests-remaining"] == "999"
    assert not any("unified" in name for name in headers)


def test_issued_and_revoked_tokens(api: FakeApi, ask: Any) -> None:
    api.endpoints.change("a", lambda account, now: account.issue_token("sk-ant-oat01-FAKE-a2"))
    assert ask(token="sk-ant-oat01-FAKE-a2")[0] == 200
    api.endpoints.change("a", lambda account, now: account.revoke_token("sk-ant-oat01-FAKE-a"))
    assert ask(token="sk-ant-oat01-FAKE-a")[0] == 401


@pytest.mark.parametrize(
    ("data", "status", "kind"),
    [
        (b"{not json", 400, "invalid_request_error"),
        (b"{}", 400, "invalid_request_error"),
        (b" " * (32 * 1024 * 1024 + 1), 413, "request_too_large"),
    ],
)
def test_a_bad_body_is_a_client_error(ask: Any, data: bytes, status: int, kind: str) -> None:
    seen, _, body = ask(data=data)
    assert (seen, json.loads(body)["error"]["type"]) == (status, kind)


def test_a_prompt_beyond_the_models_limit_is_refused_in_the_apis_words(ask: Any, document: Any) -> None:
    status, _, body = ask(document("[[tokens=1000001]]"))
    assert status == 400
    assert b"prompt is too long: 1000001 tokens > 1000000 maximum" in body


def test_windows_fill_until_a_429_and_open_again(document: Any, ask: Any) -> None:
    now = [1_795_000_000.0]
    account = FakeAccount("a", "sk-ant-oat01-FAKE-a", five_hour_tokens=1000)
    with FakeApi([account], clock=lambda: now[0]) as api:
        asked = document("[[tokens=600]] [[reply=100]]")
        first, second, third = (_post(api, asked) for _ in range(3))
        assert (first[0], first[1][U + "5h-utilization"]) == (200, "0.6"), "input at once"
        assert (second[0], second[1][U + "5h-utilization"]) == (200, "1.3"), "and the output after it"
        assert (third[0], third[1][U + "5h-utilization"]) == (429, "1.4")
        assert third[1][U + "status"] == "rejected"
        assert third[1]["retry-after"] == "18000"
        now[0] += 18_000
        assert _post(api, asked)[0] == 200


def _post(api: FakeApi, asked: Any) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    headers = {"Authorization": "Bearer sk-ant-oat01-FAKE-a", "anthropic-beta": "oauth-2025-04-20"}
    connection.request("POST", "/v1/messages", json.dumps(asked), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    # The log entry is written after the last byte; then the output has been booked too.
    api.wait_until(lambda api: api.inflight == 0)
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_one_connection_serves_many_requests_and_the_log_has_every_detail(api: FakeApi, raw: Any) -> None:
    client = raw()
    odd = [("AUTHORIZATION", "Bearer sk-ant-oat01-FAKE-a"), ("X-Two", "1"), ("x-two", "2")]
    client.send(headers=odd, target="/v1/messages?beta=true")
    client.see()
    client.send()
    assert client.see().status == 200
    assert api.wait_until(lambda api: len(api.log) == 2)
    first, second = api.log
    assert first.headers[1:4] == tuple(odd), "order, case and duplicates are kept"
    assert (first.method, first.target, first.path) == ("POST", "/v1/messages?beta=true", "/v1/messages")
    assert (first.account, first.status, first.outcome) == ("a", 401, "answered")
    assert (second.account, second.status) == ("a", 200)
    assert second.connection == first.connection
    assert json.loads(second.body)["max_tokens"] == 1000
    assert second.sent > 1000
    assert second.ended is not None
    assert second.ended >= second.at


def test_a_chunked_request_body_is_understood(api: FakeApi, raw: Any, document: Any) -> None:
    body = json.dumps(document(stream=False)).encode()
    chunks = (
        b"".join(b"%x;ext=1\r\n%b\r\n" % (len(p), p) for p in (body[:7], body[7:])) + b"0\r\nT: 1\r\n\r\n"
    )
    client = raw()
    client.sock.sendall(
        b"POST /v1/messages HTTP/1.1\r\nx-api-key: sk-ant-api03-FAKE\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunks
    )
    assert client.see().status == 200
    api.wait_until(lambda api: len(api.log) == 1)
    assert api.log[0].body == body


def test_bytes_that_are_not_http_get_a_400(raw: Any) -> None:
    client = raw()
    client.sock.sendall(b"hello there\r\n\r\n")
    seen = client.see(until=b"")
    assert (seen.status, seen.end) == (400, "fin")


def test_inflight_is_seen_and_returns_to_zero(api: FakeApi, raw: Any) -> None:
    api.script.once(Fault.never_answered())
    client = raw()
    client.send()
    assert api.wait_until(lambda api: api.inflight == 1)
    assert api.live[0].outcome == "open"
    assert api.accounts["a"].inflight == 1
    client.close()
    assert api.wait_until(lambda api: api.inflight == 0 and len(api.log) == 1)
    assert api.accounts["a"].inflight == 0
    assert api.log[0].status == 0


def test_the_log_tells_exchanges_in_the_order_of_their_arrival_not_of_their_ends(
    api: FakeApi, raw: Any
) -> None:
    api.script.once(Fault.never_answered())
    first, second = raw(), raw()
    first.send()
    assert api.wait_until(lambda api: api.inflight == 1)
    second.send()
    second.see()
    assert api.wait_until(lambda api: len(api.log) == 1)
    first.close()
    assert api.wait_until(lambda api: len(api.log) == 2)
    assert [exchange.status for exchange in api.log] == [0, 200]


def test_a_client_that_leaves_is_noticed_at_once_and_pays_for_what_it_got(api: FakeApi, raw: Any) -> None:
    api.script.once(Fault.slow(between_events=30))
    client = raw()
    client.send()
    client.see(until=b"message_start")
    client.close()
    assert api.wait_until(lambda api: len(api.log) == 1, timeout=2)
    assert api.log[0].outcome.startswith("client closed after ")
    assert api.accounts["a"].windows["5h"].used < 30, "most of the 40 output tokens were never made"


def test_refused_connections_and_back_again(api: FakeApi, ask: Any) -> None:
    api.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        ask()
    api.listen()
    assert ask()[0] == 200


def test_stop_ends_idle_and_hanging_connections(document: Any) -> None:
    api = FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")]).start()
    api.script.once(Fault.never_answered())
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    headers = {"Authorization": "Bearer sk-ant-oat01-FAKE-a", "anthropic-beta": "oauth-2025-04-20"}
    connection.request("POST", "/v1/messages", json.dumps(document()), headers)
    assert api.wait_until(lambda api: api.inflight == 1)
    api.stop()
    assert api.inflight == 0
    assert api.connections == 0
    connection.close()


def test_a_pace_is_kept_on_the_apis_clock(document: Any) -> None:
    class Fast:
        speed = 1000.0

        def __call__(self) -> float:
            return 1_795_000_000.0

    account = FakeAccount("a", "sk-ant-oat01-FAKE-a")
    with FakeApi([account], clock=Fast(), pace=ApiPace(first_token=40, per_output_token=1)) as api:
        asked = document("[[reply=40]]")
        clocked = threading.Event()
        timer = threading.Timer(0.02, clocked.set)
        timer.start()
        assert _post(api, asked)[0] == 200
        timer.cancel()
        assert clocked.is_set(), "80 s of a thousandfold clock are 0.08 s"


def test_a_path_prefix_is_part_of_the_url(document: Any) -> None:
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")], prefix="/acct/one") as api:
        assert api.url.endswith(f":{api.port}/acct/one")
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
        connection.request("HEAD", "/acct/one/api/hello")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        connection.close()
    assert api.log[0].target == "/acct/one/api/hello"


def test_many_connections_at_once(api: FakeApi, ask: Any) -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(ask()[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 20
    assert api.wait_until(lambda api: api.inflight == 0 and api.connections == 0)
    assert api.accounts["a"].inflight == 0
