"""No secret of ours is shown, stored, or relayed in a refusal, however an upstream repeats it."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.tokens.token_pair import TokenPair
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding.response_writer import StreamRefusedError
from teamclaude.proxy.messages.redact import KNOWN_SECRETS, MAX_REPLACED, SecretValues, secrets_of
from tests.proxy.conftest import KEY, account_json, message

Build = Callable[..., Any]
ODD = 'x/y"z+0123456789=\\end'
PLAIN = "no-known-shape-0123456789-abcdef"


@pytest.mark.parametrize("value", [PLAIN, ODD])
@pytest.mark.parametrize(
    "form",
    [
        str,
        lambda v: json.dumps({"message": v}),
        lambda v: json.dumps(v).replace("/", "\\/"),
        lambda v: f"/v1?key={quote(v, safe='')}&x=1",
        lambda v: f"/v1?key={quote(v, safe='').lower()}",
        *(
            lambda v, user=user: "Basic " + base64.b64encode(f"{user}:{v}".encode()).decode()
            for user in ("", "a", "ab", "abc")
        ),
        lambda v: base64.urlsafe_b64encode(f"ab{v}".encode()).decode(),
    ],
)
def test_a_value_is_found_in_every_form(value: str, form: Callable[[str], str]) -> None:
    known = SecretValues()
    known.set_values("us", [value])
    text = f"before {form(value)} after".encode()
    hidden, masked = known.redact(text), known.mask(text)
    assert b"<redacted>" in hidden
    assert hidden.startswith(b"before ")
    assert hidden.endswith(b" after")
    assert len(masked) == len(text)
    assert b"********" in masked
    for inner in (value.encode(), value[4:14].encode()):
        assert inner not in hidden
        assert inner not in masked


def test_one_value_that_begins_another_leaves_nothing_of_it() -> None:
    known = SecretValues()
    known.set_values("us", ["secret-0123", "secret-0123-and-more"])
    assert known.redact(b"secret-0123-and-more secret-0123") == b"<redacted> <redacted>"


def test_short_values_are_words_and_stay() -> None:
    known = SecretValues()
    known.set_values("us", ["error", ""])
    assert known.redact(b"an error") == b"an error"


def test_a_replaced_value_stays_known_for_a_while_and_memory_is_bounded() -> None:
    known = SecretValues()
    for number in range(MAX_REPLACED + 10):
        known.set_values("us", [f"token-number-{number:05}"])
    text = b"".join(
        f"[token-number-{number:05}]".encode() for number in (0, 30, MAX_REPLACED + 8, MAX_REPLACED + 9)
    )
    assert known.redact(text) == b"[token-number-00000]" + b"[<redacted>]" * 3
    known.forget("us")
    assert known.redact(text) == text


def test_owners_do_not_forget_for_each_other() -> None:
    known = SecretValues()
    known.set_values("a", [PLAIN])
    known.set_values("b", [PLAIN])
    known.forget("a")
    assert known.redact(PLAIN.encode()) == b"<redacted>"


def test_what_a_configuration_has_to_hide() -> None:
    config = parse_config(
        {
            "proxy": {"apiKey": "tc-proxy", "clients": [{"name": "ci", "key": "tc-client"}]},
            "upstreamProxy": "http://me:pa%20ss@proxy:3128",
            "accounts": [
                {"name": "a", "accessToken": "at", "refreshToken": "rt"},
                {"name": "paid", "type": "apikey", "apiKey": "ak", "proxy": "socks5://:own@proxy"},
                {"name": "plain", "type": "apikey", "apiKey": "ak2", "proxy": "user@proxy:1"},
            ],
        },
        "",
    )
    found = list(secrets_of(config, [TokenPair("new-at", "new-rt")]))
    tokens = ["at", "rt", "ak", "ak2", "new-at", "new-rt"]
    assert sorted(found) == sorted(["tc-proxy", "tc-client", *tokens, "pa ss", "me:pa ss", "own", ":own"])


# --- through the proxy ----------------------------------------------------------------------------

TOKEN = "sk-ant-oat01-FAKE-a"
UNSHAPED = account_json("a", refreshToken=PLAIN)


def echo(*secrets: str, kind: str = "invalid_request_error") -> bytes:
    words = f"you sent {' and '.join(secrets)}, which is odd"
    return json.dumps({"type": "error", "error": {"type": kind, "message": words}}).encode()


BODY = echo(f"Bearer {TOKEN}", PLAIN, KEY)


def clean(data: bytes) -> bool:
    return not any(secret.encode() in data for secret in (TOKEN, PLAIN, KEY))


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429, 500, 529])
@pytest.mark.parametrize("how", ["plain", "gzip", "page"])
def test_a_refusal_that_repeats_our_secrets_is_relayed_without_them(
    stage: Build, status: int, how: str
) -> None:
    s = stage("a", accounts=[UNSHAPED], upstreamRetryBudgetSec=0)
    body = BODY if how != "page" else b"<html>" + html.escape(BODY.decode()).encode()
    rows = [("content-type", "application/json")]
    if how == "gzip":
        body, rows = gzip.compress(BODY), [*rows, ("content-encoding", "gzip")]
    s.api.script.always(Fault(code=status, headers=rows, body=body))
    reply = s.ask(headers={"accept-encoding": "gzip"})
    assert reply.status == status
    assert clean(reply.body)
    assert b"********" in reply.body
    assert reply.headers["content-encoding"] is None
    assert int(reply.headers["content-length"]) == len(reply.body)
    if how != "page":
        assert reply.json()["error"]["type"] == "invalid_request_error"
        assert "which is odd" in reply.message
    assert clean(str(reply.headers).encode())


@pytest.mark.parametrize("changes", [{"framing": "close"}, {"write_size": 7}])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_refusal_that_comes_in_pieces_is_searched_as_a_whole(
    stage: Build, changes: dict[str, Any], zipped: bool
) -> None:
    s = stage("a", accounts=[UNSHAPED])
    rows = [("content-type", "application/json"), *([("content-encoding", "gzip")] if zipped else [])]
    s.api.script.once(Fault(code=400, headers=rows, body=gzip.compress(BODY) if zipped else BODY, **changes))
    reply = s.ask(headers={"accept-encoding": "gzip"})
    assert reply.status == 400
    assert clean(reply.body)
    assert "which is odd" in reply.message


def test_the_words_of_a_refused_stream_hold_no_secret() -> None:
    KNOWN_SECRETS.set_values("us", [PLAIN])
    try:
        assert str(StreamRefusedError("odd", f"you sent {PLAIN}")) == "odd: you sent <redacted>"
    finally:
        KNOWN_SECRETS.forget("us")


def test_a_refusal_without_a_secret_is_relayed_byte_for_byte(stage: Build) -> None:
    s = stage("a")
    body = gzip.compress(echo("nothing of ours"))
    rows = [("content-type", "application/json"), ("content-encoding", "gzip")]
    s.api.script.once(Fault(code=400, headers=rows, body=body))
    reply = s.ask(headers={"accept-encoding": "gzip"})
    assert reply.body == body
    assert reply.headers["content-encoding"] == "gzip"


def test_headers_of_a_refusal_hold_none_either(stage: Build) -> None:
    s = stage("a")
    rows = [("content-type", "application/json"), ("x-echo", f"Bearer {TOKEN}")]
    s.api.script.once(Fault(code=400, headers=rows, body=echo("nothing")))
    reply = s.ask()
    assert reply.headers["x-echo"] == f"Bearer {'*' * len(TOKEN)}"


def test_what_is_shown_and_stored_holds_no_secret(stage: Build, tmp_path: Path) -> None:
    s = stage(
        "a", "b", accounts=[UNSHAPED, account_json("b")], logRequests=True, logDir=str(tmp_path / "log")
    )
    fault = Fault(code=403, headers=[("content-type", "application/json")], body=echo(PLAIN, TOKEN, KEY))
    s.api.script.once(fault)
    reply = s.ask()
    shown = [
        s.send("GET", "/teamclaude/status").body,
        s.send("GET", "/teamclaude/deck").body,
        s.send("GET", "/teamclaude/explain/last").body,
        reply.body,
        json.dumps(s.records).encode(),
    ]
    s.service.stop(0)
    files = [*(tmp_path / "log").iterdir(), s.path.with_name("teamclaude.state.json")]
    shown += [file.read_bytes() for file in files] + ["\n".join(s.warnings).encode()]
    assert all(clean(data) for data in shown)
    assert any(b"which is odd" in data for data in shown)


def test_an_error_event_is_shown_without_our_secrets(stage: Build) -> None:
    s = stage("a", accounts=[UNSHAPED])
    event = b"event: error\ndata: " + echo(PLAIN, TOKEN, kind="overloaded_error") + b"\n\n"
    s.api.script.always(Fault(code=200, headers=[("content-type", "text/event-stream")], body=event))
    s.ask()
    assert clean(s.send("GET", "/teamclaude/explain/last").body)
    assert clean(json.dumps(s.records).encode())
    assert "which is odd" in json.dumps(s.records)


def test_the_key_of_before_a_reload_is_hidden_too(stage: Build) -> None:
    s = stage("a", accounts=[UNSHAPED])
    document = s.document()
    document["accounts"][0]["refreshToken"] = "another-one-0123456789"
    s.write(document)
    s.service.reload()
    s.api.script.once(Fault(code=400, headers=[("content-type", "application/json")], body=BODY))
    assert clean(s.send("POST", "/v1/messages", message()).body)
