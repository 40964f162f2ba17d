"""Digests of a prompt cache: requests that share a cache have one in common, others have none."""

from __future__ import annotations

import json

import pytest

from teamclaude.proxy.messages.body_scan import cache_digests

CACHED = {"cache_control": {"type": "ephemeral"}}


def dialogue(system="be brief", first="hello", *later, tools=None, model="m"):
    messages = [{"role": "user", "content": text} for text in (first, *later)]
    blocks = [{"type": "text", "text": system, **CACHED}]
    return json.dumps({"max_tokens": 5, "messages": messages, "system": blocks, "tools": tools}).encode()


def test_a_dialogue_keeps_its_names_as_it_goes_on():
    assert cache_digests(dialogue(), "m") == cache_digests(dialogue("be brief", "hello", "and then?"), "m")


def test_dialogues_that_share_tools_and_system_share_the_second_name_alone():
    one, other = cache_digests(dialogue(), "m"), cache_digests(dialogue(first="good day"), "m")
    assert one[0] != other[0]
    assert one[1] == other[1]


@pytest.mark.parametrize(
    "other",
    [
        (dialogue(system="be long"), "m"),
        (dialogue(tools=[{"name": "Bash"}]), "m"),
        (dialogue(), "another model"),
    ],
)
def test_another_system_tool_or_model_has_no_name_in_common(other):
    assert not set(cache_digests(dialogue(), "m")) & set(cache_digests(*other))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"no json", b'{"messages":[]}', b'["cache_control"]', b'"cache_control"']
)
def test_what_asks_for_no_cache_has_no_name(body):
    assert cache_digests(body, "m") == ()


def test_a_body_too_large_to_be_parsed_is_named_by_its_beginning():
    long = "x" * 300_000
    one, other = dialogue("s", long), dialogue("s", long, "and then?")
    assert cache_digests(one, "m") == cache_digests(other, "m") != ()
