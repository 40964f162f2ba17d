"""Every model that a body names, however a client writes it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from teamclaude.proxy.messages import named_models
from teamclaude.proxy.messages.body_scan import scan_body
from teamclaude.proxy.messages.named_models import model_of_message, models_of_batch

OPUS, HAIKU = "claude-opus-4-8", "claude-haiku-4-5"
TOOL_USE = {"type": "tool_use", "input": {"model": OPUS}}


def message(size: int = 10, **more: Any) -> bytes:
    messages = [{"role": "user", "content": "x" * size}, {"role": "assistant", "content": [TOOL_USE]}]
    return json.dumps({"model": HAIKU, "messages": messages, "max_tokens": 5, **more}).encode()


def told(body: bytes) -> object:
    return model_of_message(body, scan_body(body).model)


@pytest.mark.parametrize("size", [10, 10_000, 2_000_000])
def test_a_message_names_its_model_once_and_a_tool_may_have_one_too(size):
    assert told(message(size)) == HAIKU
    assert told(message(size, text='a "model": in a text')) == HAIKU


@pytest.mark.parametrize("size", [10, 10_000, 2_000_000])
@pytest.mark.parametrize(
    "second",
    [
        b'"model":"claude-opus-4-8"',
        b'"model"\n \t:\r\n"claude-opus-4-8"',
        b'"mod\\u0065l":"claude-opus-4-8"',
        b'"\\u006D\\u006f\\u0064\\u0065\\u006c":"claude-opus-4-8"',
        b'"model":7',
    ],
)
def test_a_message_that_names_it_twice_names_none(size, second):
    body = message(size)
    assert told(body[:-1] + b"," + second + b"}") is None
    assert told(b"{" + second + b"," + body[1:]) is None


def test_a_key_with_escapes_is_the_model():
    body = message(10_000).replace(b'"model": "claude-h', b'"mod\\u0065l": "claude-\\u0068', 1)
    assert told(body) == HAIKU


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"7", gzip.compress(message()), b'{"model":', b'{"model":"a"', b'[{"model":"a"}]'],
)
def test_what_is_no_message_names_none(body):
    assert told(body) is None


def test_a_batch_names_the_models_of_all_its_requests_once_each():
    requests = [{"custom_id": str(n), "params": {"model": (HAIKU, OPUS)[n % 7 == 6]}} for n in range(50)]
    body = json.dumps({"requests": requests}).encode()
    assert models_of_batch(body) == (HAIKU, OPUS)
    assert models_of_batch(body.replace(b'"model"', b'"mo\\u0064el"')) == (HAIKU, OPUS)
    assert models_of_batch(memoryview(body)) == (HAIKU, OPUS)
    assert models_of_batch(b'{"requests": []}') is None


def test_a_batch_of_more_models_than_there_are_is_not_told():
    assert models_of_batch(b",".join(b'"model":"m%d"' % n for n in range(65))) is None


def test_a_key_on_the_border_of_two_parts_is_found_once(monkeypatch):
    monkeypatch.setattr(named_models, "_SEARCH_BYTES", 7)
    for space in range(20):
        body = b"{" + b" " * space + b'"model":"a","n":{"model" : "b"}}'
        assert models_of_batch(body) == ("a", "b")
        assert len(named_models._keys(body)) == 2
