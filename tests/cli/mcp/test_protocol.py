"""The state of one client: the handshake, requests, calls, batches, cancellations, and any nonsense."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from teamclaude.cli.mcp.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
)
from teamclaude.cli.mcp.protocol import BUSY, MAX_BATCH, MAX_RUNNING
from teamclaude.cli.mcp.revisions import HANDSHAKE
from tests.cli.mcp.support import ENVELOPE, Client


def code_of(reply: Any) -> int:
    return int(reply["error"]["code"])


def request(method: str, id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def echo(id: Any = 1, word: str = "hi") -> dict[str, Any]:
    return request("tools/call", id, name="echo", arguments={"word": word})


# --- the handshake ---------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", HANDSHAKE)
def test_a_revision_of_ours_is_agreed_to(revision: str) -> None:
    assert Client(revision).started["result"]["protocolVersion"] == revision


@pytest.mark.parametrize("revision", ["2024-10-07", "2026-07-28", "2099-01-01", ""])
def test_another_revision_is_answered_by_our_newest_with_a_handshake(revision: str) -> None:
    assert Client(revision).started["result"]["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize("params", [{}, {"protocolVersion": None}, {"protocolVersion": 1}])
def test_a_handshake_without_a_revision_is_wrong(params: dict[str, Any]) -> None:
    assert code_of(Client(None).ask("initialize", **params)) == INVALID_PARAMS


def test_before_the_handshake_only_ping_is_answered() -> None:
    client = Client(None)
    assert client.ask("ping") == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert code_of(client.ask("tools/list")) == INVALID_REQUEST
    assert code_of(client.send(echo())[0]) == INVALID_REQUEST
    assert client.calls == []
    client.ask("initialize", protocolVersion="2025-06-18")
    assert [tool["name"] for tool in client.ask("tools/list")["result"]["tools"]] == ["echo"]


def test_a_second_handshake_holds_from_then_on() -> None:
    client = Client("2025-11-25")
    assert client.ask("initialize", protocolVersion="2025-03-26")["result"]["protocolVersion"] == "2025-03-26"
    assert "outputSchema" not in client.ask("tools/list")["result"]["tools"][0]


# --- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [0, -1, "", "7", 10**20, "ä\ud800"])
def test_a_reply_has_the_id_of_its_request(id: Any) -> None:
    client = Client()
    assert client.ask("ping", id)["id"] == id
    client.send(echo(id))
    assert client.finish()[0]["id"] == id


@pytest.mark.parametrize(
    "method", ["prompts/list", "resources/list", "logging/setLevel", "server/discover", "tools/calls", ""]
)
def test_an_unknown_method_is_an_error(method: str) -> None:
    assert code_of(Client().ask(method)) == METHOD_NOT_FOUND


@pytest.mark.parametrize(
    "method", ["notifications/initialized", "notifications/cancelled", "tools/list", "initialize", "none"]
)
@pytest.mark.parametrize("params", [None, {}, {"requestId": 5}, {"requestId": None}, {"requestId": {}}, [1]])
def test_a_notification_is_never_answered(method: str, params: Any) -> None:
    assert Client().send({"jsonrpc": "2.0", "method": method, "params": params}) == []


def test_replies_and_blank_lines_are_ignored() -> None:
    client = Client()
    assert client.send({"jsonrpc": "2.0", "id": 1, "result": {}}) == []
    assert client.send_line(b"") == []
    assert client.send_line(b"  \r") == []


def test_a_line_that_is_no_json_is_a_parse_error_and_the_next_is_answered() -> None:
    client = Client()
    (reply,) = client.send_line(b"{]")
    assert (reply["id"], code_of(reply)) == (None, PARSE_ERROR)
    assert client.ask("ping")["result"] == {}


def test_the_list_has_one_page() -> None:
    client = Client()
    assert set(client.ask("tools/list")["result"]) == {"tools"}
    assert code_of(client.ask("tools/list", cursor="x")) == INVALID_PARAMS


# --- calls -----------------------------------------------------------------------------------------


def test_a_call_is_answered_when_its_tool_has_ended() -> None:
    client = Client()
    assert client.send(echo(1)) == client.send(echo(2)) == []
    assert client.ask("ping", 3)["id"] == 3  # meanwhile
    assert [(call.id, call.tool.name, call.arguments) for call in client.calls] == [
        (1, "echo", {"word": "hi"}),
        (2, "echo", {"word": "hi"}),
    ]
    client.calls.reverse()
    (reply,) = client.finish("ho")
    assert (reply["id"], reply["result"]["structuredContent"]) == (2, {"word": "ho"})
    assert client.finish()[0]["id"] == 1
    assert client.session.running == 0


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": "nothing"},
        {"name": 7},
        {"name": None},
        {"name": ["echo"]},
        {"name": "echo", "arguments": []},
        {"name": "echo", "arguments": "word"},
    ],
)
def test_an_unknown_tool_or_arguments_that_are_no_object_are_errors(params: dict[str, Any]) -> None:
    client = Client()
    assert code_of(client.ask("tools/call", **params)) == INVALID_PARAMS
    assert client.calls == []


def test_a_cancelled_call_is_not_answered() -> None:
    client = Client()
    client.send(echo(1))
    client.send(echo("1"))
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
    assert client.session.running == 1
    assert client.finish() == []
    assert client.finish()[0]["id"] == "1"  # another id


def test_an_id_in_use_is_refused_and_may_be_used_again_afterwards() -> None:
    client = Client()
    client.send(echo(1))
    assert code_of(client.send(echo(1))[0]) == INVALID_REQUEST
    assert client.finish()[0]["id"] == 1
    assert client.send(echo(1)) == []


def test_so_many_calls_at_a_time_and_no_more_cancelled_ones_included() -> None:
    client = Client()
    for id in range(MAX_RUNNING):
        assert client.send(echo(id)) == []
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
    assert code_of(client.send(echo(99))[0]) == BUSY
    client.finish()
    assert client.send(echo(99)) == []


def test_what_the_client_says_of_a_call_is_passed_on() -> None:
    client = Client()
    client.ask("tools/call", name="echo", _meta={"claudecode/sessionId": "s1"})
    assert client.calls[0].meta == {"claudecode/sessionId": "s1"}
    client.ask("tools/call", 2, name="echo", _meta=7)
    assert client.calls[1].meta == {}


# --- batches ---------------------------------------------------------------------------------------


def test_a_batch_gets_one_line_when_the_last_call_has_ended() -> None:
    client = Client("2025-03-26")
    batch = [echo(1), request("ping", 2), {"jsonrpc": "2.0", "method": "notifications/x"}, echo(3), 7]
    assert client.send(batch) == []
    assert client.finish() == []
    (replies,) = client.finish()
    assert [reply["id"] for reply in replies] == [2, None, 1, 3]


def test_a_batch_without_calls_is_answered_at_once() -> None:
    client = Client("2025-03-26")
    assert [r["id"] for r in client.send([request("ping", 1), request("ping", 2)])[0]] == [1, 2]
    assert client.send([{"jsonrpc": "2.0", "method": "notifications/x"}]) == []


def test_a_batch_does_not_wait_for_a_cancelled_call() -> None:
    client = Client("2025-03-26")
    client.send([echo(1), echo(2)])
    client.finish()
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
    assert [[reply["id"] for reply in line] for line in client.send(cancel)] == [[1]]
    client.send([echo(5)])
    cancel["params"] = {"requestId": 5}
    assert client.send(cancel) == []  # nothing is left to say


@pytest.mark.parametrize("batch", [[], [request("ping", n) for n in range(MAX_BATCH + 1)]])
def test_an_empty_or_huge_batch_is_one_error(batch: list[Any]) -> None:
    (reply,) = Client("2025-03-26").send(batch)
    assert (reply["id"], code_of(reply)) == (None, INVALID_REQUEST)


@pytest.mark.parametrize("revision", [None, *(each for each in HANDSHAKE if each != "2025-03-26")])
def test_other_revisions_have_no_batches(revision: Any) -> None:
    (reply,) = Client(revision).send([request("ping")])
    assert (reply["id"], code_of(reply)) == (None, INVALID_REQUEST)


def test_no_handshake_in_a_batch() -> None:
    client = Client("2025-03-26")
    ((reply,),) = client.send([request("initialize", 4, protocolVersion="2025-03-26")])
    assert (reply["id"], code_of(reply)) == (4, INVALID_REQUEST)


# --- requests that state their revision ------------------------------------------------------------


def test_a_request_that_states_its_revision_needs_no_handshake() -> None:
    client = Client(None)
    found = client.ask("server/discover", _meta=ENVELOPE)["result"]
    assert found["supportedVersions"] == ["2026-07-28"]
    assert client.ask("tools/list", _meta=ENVELOPE)["result"]["resultType"] == "complete"
    client.ask("tools/call", name="echo", arguments={"word": "hi"}, _meta=ENVELOPE)
    assert client.finish()[0]["result"]["resultType"] == "complete"
    assert code_of(client.ask("ping", _meta=ENVELOPE)) == METHOD_NOT_FOUND


def test_after_a_handshake_a_request_may_still_state_its_revision() -> None:
    client = Client("2025-03-26")
    assert client.ask("tools/list", _meta=ENVELOPE)["result"]["resultType"] == "complete"
    client.ask("tools/call", name="echo", _meta=ENVELOPE)
    assert "structuredContent" in client.finish()[0]["result"]
    assert "resultType" not in client.ask("tools/list")["result"]


def test_a_handshake_after_a_probe_is_a_handshake() -> None:
    client = Client(None)
    client.ask("server/discover", _meta=ENVELOPE)
    client.ask("initialize", protocolVersion="2025-11-25", _meta=ENVELOPE)
    assert "resultType" not in client.ask("tools/list")["result"]


# --- anything --------------------------------------------------------------------------------------

WORDS = [
    "jsonrpc", "2.0", "id", "method", "params", "result", "error", "initialize", "ping", "tools/list",
    "tools/call", "server/discover", "notifications/cancelled", "name", "echo", "arguments", "word", "cursor",
    "requestId", "protocolVersion", "2025-03-26", "_meta", *ENVELOPE,
]  # fmt: skip


def anything(rng: random.Random, depth: int = 3) -> Any:
    kind = rng.randrange(9 if depth else 6)
    if kind < 3:
        return rng.choice(WORDS)
    if kind < 6:
        return rng.choice([None, True, 0, 1, -1, 1.5, 1e999, 10**40, "", "\ud800", "\x00"])
    if kind == 6:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(WORDS): anything(rng, depth - 1) for _ in range(rng.randrange(6))}


def nearly(rng: random.Random) -> Any:
    """Return a message that is right but for some keys."""
    message = {"jsonrpc": "2.0", "id": rng.randrange(5), "method": rng.choice(WORDS)}
    message["params"] = {"name": "echo", "arguments": {}, "_meta": rng.choice([{}, ENVELOPE])}
    for key in rng.sample(list(message), rng.randrange(3)):
        message[key] = anything(rng)
    return rng.choice([message, [message, anything(rng)]])


@pytest.mark.parametrize("seed", range(40))
def test_no_message_breaks_it(seed: int) -> None:
    rng = random.Random(seed)
    client = Client(rng.choice([None, *HANDSHAKE]))
    for _ in range(200):
        value = rng.choice([anything, nearly])(rng)
        line = json.dumps(value).encode()
        if rng.random() < 0.2:
            cut = rng.randrange(len(line))
            line = line[:cut] + bytes([rng.randrange(256)]) + line[cut + 1 :]
        for reply in client.send_line(line.replace(b"\n", b" ")):
            for each in reply if isinstance(reply, list) else [reply]:
                assert ("result" in each) != ("error" in each)
        while client.calls and rng.random() < 0.5:
            client.finish()
    for _ in list(client.calls):
        client.finish()
    assert client.session.running == 0
    assert client.ask("ping", "end")["id"] == "end"
