"""The prompt cache: what is read, what is written, and for how long."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.fakeapi.prompt import BadPromptError, Prompt, read_prompt, tokens_of
from teamclaude.fakeapi.prompt_cache import PromptCache, TokenUsage

T0 = 1_795_000_000.0


def mark(ttl: str = "") -> dict[str, str]:
    return {"type": "ephemeral", "ttl": ttl} if ttl else {"type": "ephemeral"}


def block(text: str, control: Any = None) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "text", "text": text}
    if control:
        out["cache_control"] = control
    return out


def prompt(*turns: str, ttl: str = "", model: str = "claude-opus-4-8", system: bool = True) -> Prompt:
    """A conversation as Claude Code sends it: breakpoints on the system prompt and the last turn."""
    messages = [
        {"role": "assistant" if i % 2 else "user", "content": [block(text)]} for i, text in enumerate(turns)
    ]
    messages[-1]["content"][0]["cache_control"] = mark(ttl)  # type: ignore[index]
    document = {"model": model, "messages": messages, "max_tokens": 10}
    if system:
        document["system"] = [
            block(f"x-anthropic-billing-header: cch={len(turns)};"),
            block("rules [[tokens=10000]]", mark(ttl)),
        ]
    return read_prompt(json.dumps(document).encode())


FIRST = ("q [[tokens=2000]]",)
SECOND = (*FIRST, "a [[tokens=300]]", "q2 [[tokens=700]]")


def served(cache: PromptCache, asked: Prompt, now: float) -> TokenUsage:
    usage = cache.price(asked, now)
    cache.store(asked, now)
    return usage


def test_the_first_request_writes_and_the_next_reads_what_was_written() -> None:
    cache = PromptCache()
    assert served(cache, prompt(*FIRST), T0) == TokenUsage(write_5m=12_000)
    assert served(cache, prompt(*SECOND), T0 + 60) == TokenUsage(cache_read=12_000, write_5m=1000)


def test_another_account_pays_a_whole_write() -> None:
    warm, other = PromptCache(), PromptCache()
    served(warm, prompt(*FIRST), T0)
    assert served(other, prompt(*SECOND), T0 + 60) == TokenUsage(write_5m=13_000)


@pytest.mark.parametrize(("ttl", "life"), [("", 300), ("1h", 3600)])
def test_an_entry_lives_as_long_as_it_asked_and_a_read_renews_it(ttl: str, life: int) -> None:
    cache = PromptCache()
    served(cache, prompt(*FIRST, ttl=ttl), T0)
    assert cache.price(prompt(*FIRST, ttl=ttl), T0 + life).cache_read == 0
    served(cache, prompt(*FIRST, ttl=ttl), T0 + life - 1)
    assert cache.price(prompt(*SECOND, ttl=ttl), T0 + 2 * life - 2).cache_read == 12_000


def test_a_prefix_that_is_read_on_the_way_is_renewed_too() -> None:
    cache = PromptCache()
    served(cache, prompt(*FIRST), T0)
    served(cache, prompt(*SECOND), T0 + 299)
    fork = prompt(*FIRST, "another answer [[tokens=5]]", "other words [[tokens=5]]")
    assert cache.price(fork, T0 + 400).cache_read == 12_000


def test_each_written_part_has_the_life_of_its_own_breakpoint() -> None:
    cache = PromptCache()
    document = {
        "model": "m",
        "max_tokens": 1,
        "system": [block("[[tokens=4000]]", mark("1h"))],
        "messages": [
            {"role": "user", "content": [block("[[tokens=250]]", mark())]},
            {"role": "user", "content": [block("[[tokens=50]]", mark())]},
        ],
    }
    first = dict(document, messages=document["messages"][:1])  # type: ignore[index]
    assert served(cache, read_prompt(json.dumps(first).encode()), T0) == TokenUsage(
        write_1h=4000, write_5m=250
    )
    second = read_prompt(json.dumps(document).encode())
    assert cache.price(second, T0 + 1) == TokenUsage(cache_read=4250, write_5m=50)
    assert cache.price(second, T0 + 301) == TokenUsage(cache_read=4000, write_5m=300)


def test_one_hour_writes_are_reported_as_such() -> None:
    wire = PromptCache().price(prompt(*FIRST, ttl="1h"), T0).to_json()
    assert wire["cache_creation_input_tokens"] == 12_000
    assert wire["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 12_000}
    assert wire["input_tokens"] == wire["cache_read_input_tokens"] == 0


def test_a_changed_turn_keeps_only_the_prefix_before_it() -> None:
    cache = PromptCache()
    served(cache, prompt(*SECOND), T0)
    compacted = prompt("summary [[tokens=500]]", "ok [[tokens=1]]", "go on [[tokens=100]]")
    usage = cache.price(compacted, T0 + 1)
    assert usage.cache_read == 10_000, "the system prompt is still there"
    assert usage.write_5m == 601


def test_models_do_not_share_a_cache() -> None:
    cache = PromptCache()
    served(cache, prompt(*FIRST), T0)
    assert cache.price(prompt(*FIRST, model="claude-sonnet-4-9"), T0).cache_read == 0


def test_without_breakpoints_or_below_the_minimum_everything_is_plain_input() -> None:
    bare = read_prompt(
        json.dumps(
            {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "[[tokens=5000]]"}]}
        ).encode()
    )
    assert PromptCache().price(bare, T0) == TokenUsage(input=5000)
    assert PromptCache().price(prompt("x [[tokens=1023]]", system=False), T0) == TokenUsage(input=1023)


def test_what_follows_the_last_breakpoint_is_plain_input() -> None:
    document = {
        "model": "m",
        "max_tokens": 1,
        "system": [block("[[tokens=4000]]", mark())],
        "messages": [{"role": "user", "content": "[[tokens=250]]"}],
    }
    assert PromptCache().price(read_prompt(json.dumps(document).encode()), T0) == TokenUsage(
        input=250, write_5m=4000
    )


def test_hints_count_as_tokens_and_other_text_a_quarter_of_its_length() -> None:
    assert tokens_of("[[tokens=120]] and [[tokens=3]]") == 123
    assert tokens_of("12345") == 2


def test_the_last_message_says_how_long_the_answer_is() -> None:
    document = {"model": "m", "max_tokens": 9, "stream": True, "output_config": {"format": {}}}
    document["messages"] = [
        {"role": "user", "content": "[[reply=5]]"},
        {"role": "user", "content": [block("[[reply=800]]")]},
    ]
    asked = read_prompt(json.dumps(document).encode())
    assert (asked.reply_tokens, asked.stream, asked.wants_json) == (800, True, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b'{"messages":[]}', "model: Field required"),
        (b'{"model":"m"}', "messages: Field required"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}]}', "max_tokens: Field required"),
        (b'{"model":"m","messages":[],"max_tokens":1}', "at least one message"),
        (b'{"model":"m","messages":[1],"max_tokens":1}', "content: Field required"),
        (b'{"model":"m","messages":[{"role":"user","content":[1]}],"max_tokens":1}', "content blocks"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":"1"}', "valid integer"),
    ],
)
def test_a_bad_body_has_the_apis_message(body: bytes, words: str) -> None:
    with pytest.raises(BadPromptError, match=words):
        read_prompt(body)
