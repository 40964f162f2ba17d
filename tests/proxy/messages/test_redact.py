from __future__ import annotations

import json
import time

import pytest

from teamclaude.proxy.messages.redact import redact_body, redact_headers, redact_text

SECRET = "FAKEsecret_0123456789-abcdefghijklmnopqrstuvwxyz"
OAUTH = f"sk-ant-oat01-{SECRET}"


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        (("Authorization", f"Bearer {OAUTH}"), "Bearer <redacted>"),
        (("authorization", f"Basic {SECRET}"), "Basic <redacted>"),
        (("authorization", SECRET), "<redacted>"),
        (("Proxy-Authorization", f"Basic {SECRET}"), "Basic <redacted>"),
        (("X-Api-Key", OAUTH), "<redacted>"),
        (("x-teamclaude-key", SECRET), "<redacted>"),
        (("Cookie", f"a {SECRET}; b=2"), "<redacted>"),
        (("Set-Cookie", f"sid={SECRET}; Path=/"), "<redacted>"),
        (("X-My-Key", f"mine is {OAUTH}"), "mine is sk-ant-oat01-<redacted>"),
        (("Location", f"/callback?code={SECRET}&x=1"), "/callback?code=<redacted>&x=1"),
        (("User-Agent", "claude-cli/2.1.330 (external, cli)"), "claude-cli/2.1.330 (external, cli)"),
        (("request-id", "tc-0123456789abcdef"), "tc-0123456789abcdef"),
    ],
)
def test_header_values(field: tuple[str, str], shown: str) -> None:
    assert redact_headers([field, ("a", "b")]) == [(field[0], shown), ("a", "b")]


NAMES = [
    "access_token",
    "refresh_token",
    "accessToken",
    "refreshToken",
    "id_token",
    "token",
    "code",
    "code_verifier",
    "codeVerifier",
    "client_secret",
    "worker_jwt",
    "clientSecret",
    "api_key",
    "apiKey",
    "x-api-key",
    "Authorization",
    "password",
]


@pytest.mark.parametrize("name", NAMES)
def test_known_fields_of_a_json_body(name: str) -> None:
    value = 'odd "quoted" \\ value ' + SECRET
    for body in (
        json.dumps({"a": 1, name: value, "b": "kept"}, indent=2),
        json.dumps({"a": [{name: value}], "b": "kept"}, separators=(",", ":")),
    ):
        shown = redact_body(body.encode()).decode()
        assert SECRET not in shown
        assert json.loads(shown)["b"] == "kept"
        assert f'"{name}"' in shown


def test_a_credentials_file_inside_a_prompt() -> None:
    inner = json.dumps({"refreshToken": SECRET, "scopes": ["a"]}, indent=1)
    body = json.dumps({"messages": [{"role": "user", "content": inner}]})
    twice = json.dumps({"text": body})
    for text in (body, twice):
        assert SECRET not in redact_body(text.encode()).decode()


@pytest.mark.parametrize(
    "text", [OAUTH, OAUTH.replace("oat01", "api03"), f"sk-ant-{SECRET}", f"Bearer {SECRET}"]
)
def test_anything_token_shaped_anywhere(text: str) -> None:
    shown = redact_body(f'{{"message":"the key ({text}) is bad: {text}"}}'.encode()).decode()
    assert SECRET not in shown
    assert shown.count("<redacted>") == 2


def test_a_generated_proxy_key_anywhere() -> None:
    assert redact_body(b"key tc-" + b"A" * 32 + b" end") == b"key tc-<redacted> end"


def test_every_cut_of_a_body_hides_what_is_left_of_the_secret() -> None:
    body = json.dumps({"refresh_token": f'"{SECRET}"', "n": f"x {OAUTH}", "z": "end"}).encode()
    for length in range(len(body) + 1):
        assert b"FAKE" not in redact_body(body[:length]), length


def test_a_form_and_a_query() -> None:
    form = f"grant_type=refresh&refresh_token={SECRET}&code={SECRET}&state={SECRET}&client_id=9d1c".encode()
    assert redact_body(form, pairs=True) == (
        b"grant_type=refresh&refresh_token=<redacted>&code=<redacted>&state=<redacted>&client_id=9d1c"
    )
    assert redact_text(f"/dash?beta=true&key={SECRET}") == "/dash?beta=true&key=<redacted>"


def test_ordinary_traffic_is_left_alone() -> None:
    body = json.dumps(
        {
            "model": "claude-opus-4-8",
            "max_tokens": 128000,
            "usage": {"input_tokens": 5, "cache_read_input_tokens": 7},
            "text": "exit code=0; tokens are counted; décor; bearer of news",
            "access_token": "",
        },
        ensure_ascii=False,
    ).encode()
    assert redact_body(body) == body


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b'"code":"\\', b"sk-ant-", b'{"code":"\xff\xff'])
def test_bytes_of_any_kind_pass(body: bytes) -> None:
    assert isinstance(redact_body(body), bytes)


def test_text_of_any_kind_passes() -> None:
    text = "caf\xe9 \udc80 \ud800 \U0001f99c"
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "unit", [b"\\", b'\\"', b'"', b'"code"', b'"code":', b" ", b"sk-ant-", b"bearer ", b"a", b"&"]
)
def test_no_body_takes_long(unit: bytes) -> None:
    body = unit * (262_144 // len(unit))
    started = time.process_time()
    redact_body(body, pairs=True)
    assert time.process_time() - started < 1.0, "more than linear time"
