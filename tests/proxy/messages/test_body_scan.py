from __future__ import annotations

import json
import mmap
import random
import string
import time
from typing import Any

import pytest

from teamclaude.proxy.messages import body_scan
from teamclaude.proxy.messages.body_scan import NO_FACTS, BodyFacts, scan_body

SESSION = "34c334ad-2ab5-4b1a-96c9-5970fee7ea9d"
USER_ID = json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": SESSION})
CODE = 'def f(path):\n    return open("x\\\\y").read()  # {"model": "no"}\n'


def claude_body(messages_size: int, **changes: Any) -> dict[str, Any]:
    """A body with the keys in the order of Claude Code 2.1.330."""
    decoy = {"type": "object", "properties": {"model": {"type": "string"}, "stream": {"type": "boolean"}}}
    turn = {
        "type": "tool_use",
        "id": "t",
        "name": "Task",
        "input": {"model": "haiku", "metadata": {"user_id": "x"}},
    }
    text = {"type": "tool_result", "tool_use_id": "t", "content": CODE * 20}
    turns = max(1, messages_size // len(json.dumps([turn, text])))
    body = {
        "model": "claude-opus-4-8",
        "messages": [{"role": "user", "content": [turn, text]}] * turns,
        "system": [{"type": "text", "text": CODE * 100}],
        "tools": [{"name": f"T{n}", "description": CODE * 10, "input_schema": decoy} for n in range(18)],
        "metadata": {"user_id": USER_ID},
        "max_tokens": 128000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "stream": True,
    }
    body.update(changes)
    return body


def compact(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def by_parsing(data: bytes) -> BodyFacts:
    """The specification: what the standard parser makes of it (one hour: by its bytes)."""
    try:
        body = json.loads(data)
    except ValueError:
        return NO_FACTS
    if not isinstance(body, dict):
        return NO_FACTS

    def word(value: Any) -> Any:
        return value if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable() else None

    def inside(key: str, inner: str) -> Any:
        return body[key].get(inner) if isinstance(body.get(key), dict) else None

    stream, most = body.get("stream"), body.get("max_tokens")
    return BodyFacts(
        model=word(body.get("model")),
        stream=stream if stream is True or stream is False else None,
        session_id=SESSION if inside("metadata", "user_id") == USER_ID else None,
        effort=word(inside("output_config", "effort")),
        cache_ttl_1h=b'"ttl":"1h"' in data,
        max_tokens=most if isinstance(most, int) and not isinstance(most, bool) else None,
    )


FACTS = BodyFacts("claude-opus-4-8", True, SESSION, "high", False, 128000)


@pytest.mark.parametrize("size", [100, 50_000, 2_000_000])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_facts_of_claude_codes_body(size, kind):
    assert scan_body(kind(compact(claude_body(size)))) == FACTS


def test_a_body_of_claude_code_is_not_walked(monkeypatch):
    monkeypatch.setattr(body_scan, "_MAX_STEPS", 20)
    monkeypatch.setattr(body_scan, "_MEDIUM_BYTES", 0)
    assert scan_body(compact(claude_body(500_000))) == FACTS


@pytest.mark.parametrize("size", [100, 50_000, 1_500_000])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\r\n\t", "\n:  ")])
def test_any_order_of_keys_and_any_spacing(size, separators):
    rng = random.Random(size)
    body = claude_body(size)
    for _ in range(3):
        keys = list(body)
        rng.shuffle(keys)
        data = json.dumps({key: body[key] for key in keys}, separators=separators).encode()
        assert scan_body(b" \n" + data + b"\r\n ") == FACTS


@pytest.mark.parametrize("size", [100, 50_000, 1_500_000])
@pytest.mark.parametrize("key", ["model", "metadata", "max_tokens", "output_config", "stream"])
def test_an_absent_key_is_unknown_although_nested_ones_exist(size, key):
    body = claude_body(size)
    del body[key]
    data = compact(body)
    assert scan_body(data) == by_parsing(data) != FACTS


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        (USER_ID, SESSION),
        (f"user_{'a' * 64}_account_0000-11_session_{SESSION}", SESSION),
        (f"user_{'a' * 64}_account__session_{SESSION}", SESSION),
        ("user_abc_account_x", None),
        (SESSION, None),
        ("", None),
        ("{", None),
        ("[]", None),
        ('{"session_id":7}', None),
        ('{"session_id":""}', None),
        ('{"session_id":"a\\u001b[2J"}', None),
        (json.dumps({"session_id": "x" * 129}), None),
        ("{" * 100_000, None),
        ('{"a":' * 2000, None),
        (7, None),
        (None, None),
        ({"session_id": SESSION}, None),
    ],
)
def test_the_session_in_the_user_id(user_id, session):
    for size in (10, 20_000):
        data = compact(claude_body(size, metadata={"user_id": user_id}))
        assert scan_body(data).session_id == session


@pytest.mark.parametrize(
    ("key", "value", "attribute", "fact"),
    [
        ("model", "", "model", None),
        ("model", 4, "model", None),
        ("model", None, "model", None),
        ("model", ["claude"], "model", None),
        ("model", "m" * 257, "model", None),
        ("model", "a\x1b[31mb", "model", None),
        ("model", "a\nb", "model", None),
        ("model", "\ud800", "model", None),
        ("model", 'quo"ted\\ \u20ac', "model", 'quo"ted\\ \u20ac'),
        ("stream", False, "stream", False),
        ("stream", "true", "stream", None),
        ("stream", 1, "stream", None),
        ("stream", None, "stream", None),
        ("max_tokens", True, "max_tokens", None),
        ("max_tokens", 1.5, "max_tokens", None),
        ("max_tokens", "9", "max_tokens", None),
        ("max_tokens", -1, "max_tokens", -1),
        ("output_config", {"format": {"type": "json_schema", "effort": "low"}}, "effort", None),
        ("output_config", {"format": {"s": "x" * 9000}, "effort": "low"}, "effort", "low"),
        ("output_config", {"effort": ["low"]}, "effort", None),
        ("output_config", "high", "effort", None),
    ],
)
def test_values_of_all_kinds(key, value, attribute, fact):
    for size in (10, 50_000):
        data = json.dumps(claude_body(size, **{key: value})).encode()
        assert getattr(scan_body(data), attribute) == fact


@pytest.mark.parametrize("size", [100, 50_000, 1_500_000])
def test_an_hour_of_cache(size):
    short, long = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
    for where in ("system", "messages"):
        for control, expected in ((short, False), ({"ttl": "5m"}, False), (long, True)):
            body = claude_body(size)
            body[where] = [*body[where][:-1], {"text": "1h", "x": '"ttl":"1h"', "cache_control": control}]
            assert scan_body(compact(body)).cache_ttl_1h is expected
            assert scan_body(json.dumps(body).encode()).cache_ttl_1h is expected


def test_a_quoted_key_in_a_text_is_no_key():
    lie = '","model":"lie","metadata":{"user_id":"x"},"stream":false}'
    for text in (lie, "\\" + lie, lie * 2000, "\\\\" + lie):
        data = compact(claude_body(10, messages=[{"role": "user", "content": text * 3}]))
        assert scan_body(data) == FACTS
        tricky = compact(
            {
                "messages": text * 10 + "x" * 5000,
                "b\\": lie,
                "model": "m",
                "x": {"metadata": text},
                "y": [lie],
            }
        )
        assert scan_body(tricky) == BodyFacts(model="m")


def test_a_key_ending_like_ours_is_another_key():
    for filler in ("", "x" * 20_000, "x" * 2_000_000):
        data = compact({"a": filler, 'x"metadata': {"user_id": USER_ID}, 'x\\"model': "lie", "models": "lie"})
        assert scan_body(data) == NO_FACTS


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"null", b"[]", b'"model"', b"7", b"{", b"{}", b"{]", b"{7:1}", b"\xef\xbb\xbf{}"),
        *(b"\x1f\x8b\x08\x00", b"\xff\xfe{\x00}\x00", b"model=x&stream=true", b"\x00" * 5000),
        *(b'{"model"', b'{"model":', b'{"model":"x', b'{"model":"x"', b'{"model" "x"}'),
        *(b"{" * 5000, b"[" * 5000, b'{"a":' * 5000),
    ],
    ids=lambda data: repr(data)[:24],
)
def test_what_is_no_object_has_no_facts(data):
    assert scan_body(data) == NO_FACTS


def test_a_body_cut_anywhere_is_survived():
    data = compact(claude_body(6000))
    for at in [*range(0, 300), *range(300, len(data), 397), *range(len(data) - 700, len(data), 3)]:
        facts = scan_body(data[:at])
        assert facts.model in (None, "claude-opus-4-8")


def value(rng: random.Random, depth: int) -> Any:
    pick = rng.randrange(9 if depth else 6)
    if pick == 0:
        return rng.choice([None, True, False, 0, -1, 1.5e300, 128000])
    if pick < 6:
        alphabet = string.ascii_letters + '"\\{}[]:, \n\u20ac\U0001f99c'
        plain = "".join(rng.choice(alphabet) for _ in range(rng.choice([0, 3, 30, 300])))
        return rng.choice([plain, "model", '"ttl":"1h"', "\\", '"', USER_ID])
    if pick == 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(5))]
    keys = [
        "model",
        "stream",
        "metadata",
        "user_id",
        "effort",
        "max_tokens",
        "output_config",
        "a",
        'b"',
        "ttl",
        "\\",
    ]
    return {rng.choice(keys): value(rng, depth - 1) for _ in range(rng.randrange(5))}


def document(rng: random.Random) -> dict[str, Any]:
    keys = [
        "model",
        "stream",
        "metadata",
        "max_tokens",
        "output_config",
        "messages",
        "tools",
        "x" * 40,
        'q"',
        "\\",
    ]
    rng.shuffle(keys)
    body = {key: value(rng, 4) for key in keys[: rng.randrange(len(keys) + 1)]}
    for key, good in (
        ("model", "m"),
        ("metadata", {"user_id": USER_ID}),
        ("output_config", {"effort": "low"}),
    ):
        if key in body and rng.random() < 0.7:
            body[key] = good
    return body


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"_SMALL_BYTES": 0, "_FRONT_BYTES": 40},
        {"_SMALL_BYTES": 0, "_FRONT_BYTES": 40, "_MEDIUM_BYTES": 0},
    ],
)
def test_random_documents_agree_with_the_standard_parser(limits, monkeypatch):
    for name, limit in limits.items():
        monkeypatch.setattr(body_scan, name, limit)
    rng = random.Random(7)
    seen = set()
    for _ in range(300):
        separators = rng.choice([(",", ":"), (", ", ": "), ("\n,", " :\t")])
        data = json.dumps(document(rng), separators=separators, ensure_ascii=rng.random() < 0.5).encode()
        expected = by_parsing(data)
        facts = scan_body(data)
        assert facts._replace(cache_ttl_1h=False) == expected._replace(cache_ttl_1h=False), data
        seen.add(facts)
    assert len(seen) > 20


def test_mutated_bodies_never_raise():
    rng = random.Random(8)
    data = compact(claude_body(6000))
    for _ in range(200):
        mutated = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            at = rng.choice(
                [rng.randrange(len(data)), rng.randrange(len(data) - 600, len(data)), rng.randrange(60)]
            )
            mutated[at] = rng.choice(b'"\\{}[]:,\x00\xffx ')
        scan_body(mutated)
        scan_body(bytes(mutated[: rng.randrange(len(mutated))]))


def hostile_bodies(part=1):
    """Return bodies that are hard to read, or such that are `part` times as short."""

    def many(text, count):
        return text * (count // part)

    return {
        "brackets": b'{"a":' + many(b"[", 2_000_000),
        "braces": many(b'{"a":', 400_000),
        "open text": b'{"a":"' + many(b"x", 2_000_000),
        "quotes": b'{"a":"' + many(b'\\"', 1_000_000) + b'","model":"x"}',
        "backslashes": b'{"a":"' + many(b"\\", 2_000_000),
        "decoys": b'{"a":"'
        + b"x" * 5000
        + b'","b":['
        + many(b'{"metadata":1},', 130_000)
        + b'0],"model":"x"}',
        "hours": b'{"a":[' + many(b'"1h",', 400_000) + b'0],"model":"m"}',
        "members": b"{" + many(b'"a":1,', 150_000) + b'"model":"m"}',
        "space": b'{"a":1' + many(b" ", 2_000_000),
        "spaces": b"{" + many(b" ", 2_000_000) + b'"model"' + many(b" ", 2_000_000),
    }


HOSTILE = hostile_bodies()


def seconds_to_scan(data):
    began = time.thread_time()
    scan_body(data)
    return time.thread_time() - began


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_cost_little_time_and_memory(name, monkeypatch):
    took = seconds_to_scan(HOSTILE[name])
    # On a slow machine, against an eighth that is read in the same way: quadratic work takes 64 times.
    monkeypatch.setattr(body_scan, "_MEDIUM_BYTES", body_scan._MEDIUM_BYTES // 8)
    an_eighth = hostile_bodies(8)[name]
    assert took < 1.0 or took < 24 * min(seconds_to_scan(an_eighth) for _ in range(3))


@pytest.mark.parametrize("name", ["quotes", "backslashes", "open text", "decoys", "early"])
def test_a_large_body_is_neither_copied_nor_matched_in_one_go(name):
    early = compact({"a": "x" * 5000, "b": {"metadata": 1, "c": "x" * 2_000_000}, "model": "m"})
    data = HOSTILE.get(name, early)
    tracemalloc = pytest.importorskip("tracemalloc")
    tracemalloc.start()
    scan_body(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600_000


def test_a_walk_ends_with_its_budget(monkeypatch):
    data = compact({"messages": [[]] * 2000, "model": "m"})
    monkeypatch.setattr(body_scan, "_MEDIUM_BYTES", 0)
    assert scan_body(data) == BodyFacts(model="m")
    monkeypatch.setattr(body_scan, "_MAX_STEPS", 3000)
    assert scan_body(data) == NO_FACTS


@pytest.mark.parametrize("padding", range(body_scan._FRONT_BYTES - 80, body_scan._FRONT_BYTES + 4))
def test_where_the_front_ends_does_not_matter(padding, monkeypatch):
    front = {"model": "m", "a": "x" * padding, "max_tokens": 128000, "stream": False, "messages": "x" * 5000}
    data = compact({**front, "metadata": {"user_id": USER_ID}, "output_config": {"effort": "low"}})
    for medium in (0, 1 << 20):
        monkeypatch.setattr(body_scan, "_MEDIUM_BYTES", medium)
        assert scan_body(data) == BodyFacts("m", False, SESSION, "low", False, 128000)


@pytest.mark.parametrize("part", [20, 21, 64, 1 << 20])
def test_a_large_body_is_searched_in_parts(part, monkeypatch):
    monkeypatch.setattr(body_scan, "_SEARCH_BYTES", part)
    data = compact(claude_body(50_000))
    mapped = mmap.mmap(-1, len(data))
    mapped[:] = data
    assert scan_body(memoryview(mapped)) == scan_body(mapped) == FACTS  # type: ignore[arg-type]
    for text in (b'"metadata"', b'"nowhere"', data[:20], data[-20:]):
        assert body_scan._rfind(mapped, text, 0, len(data)) == data.rfind(text)


def test_a_part_of_a_buffer_is_only_that_part():
    data = compact(claude_body(50_000))
    assert scan_body(memoryview(b'{"model":"lie",' + data + b"}")[15:-1]) == FACTS
