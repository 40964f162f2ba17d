"""Request bodies and paths: facts as by a whole parse, and no credential in what is shown."""

from __future__ import annotations

import json
import posixpath
from typing import Any
from urllib.parse import unquote

from teamclaude.proxy.forwarding.account_targets import with_account_uuid
from teamclaude.proxy.http.path_kinds import PathKind, classify_path
from teamclaude.proxy.messages.body_scan import scan_body
from teamclaude.proxy.messages.redact import redact_body, redact_text
from tests.fuzz.fuzz_random import JSON_SIGNS, FuzzRandom

__all__ = ["body_scans", "credentials_in_text", "request_paths"]

UUID = "34c334ad-2ab5-4b1a-96c9-5970fee7ea9d"
OTHER = "11111111-2222-3333-4444-555555555555"
SESSION = "s-34c334ad"
SEGMENTS = b"v1 messages count_tokens models files api oauth teamclaude .. .".split()
ODD = b"%2e %2f %5c // ;x ? # %00 % \\ /../ %2E%2E %c0%af A".split()
USER_ID = json.dumps({"device_id": "d", "account_uuid": UUID, "session_id": SESSION})
WORDS = [
    *JSON_SIGNS,
    *(
        b"\\",
        b'\\"',
        b'"model":',
        b'"stream":true,',
        b'"metadata":{',
        b"\n",
    ),
    *(
        b"null",
        b"1e999",
        b"\xff",
        b'"max_tokens":1,',
        b'"ttl":"1h"',
        b"\\u0000",
        b"\0",
        b'"output_config":{}',
    ),
]
DECOY = {"model": "no", "stream": False, "max_tokens": 1}
SECRET = b"sk-ant-oat01-FAKE_very-secret_0123456789"


def body_scans(rng: FuzzRandom) -> None:
    data = _body(rng)
    if rng.chance(0.5):
        data = rng.mutated(data, WORDS)
    facts = scan_body(rng.choice([bytes, bytearray, memoryview])(data))
    rewritten = with_account_uuid(data, facts, OTHER)
    assert len(rewritten) == len(data)
    changed = [at for at, (old, new) in enumerate(zip(data, bytes(rewritten))) if old != new]
    assert not changed or changed[-1] - changed[0] < len(OTHER)
    document = _unambiguous(data)
    if document is None:
        return
    model, stream, tokens = (document.get(key) for key in ("model", "stream", "max_tokens"))
    assert facts.stream == (stream if isinstance(stream, bool) else None)
    assert facts.max_tokens == (tokens if type(tokens) is int else None)
    good = isinstance(model, str) and 0 < len(model) <= 256 and model.isprintable()
    assert facts.model == (model if good else None)


def _unambiguous(data: bytes) -> Any:
    """Return the document if it is a JSON object without a repeated top-level key."""

    def once(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        return found if len(found) == len(pairs) else {"twice": True, **found}

    try:
        document = json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    plain = isinstance(document, dict) and "twice" not in document
    # Escapes in a key's name: the scan reads names as they stand.
    return document if plain and all(f'"{key}"'.encode() in data for key in document) else None


def _body(rng: FuzzRandom) -> bytes:
    text = rng.choice(["hi", 'a "model": "x" in \\ text', "é\u2028\U0001f600", "}{][", "\\", '"stream":true'])
    # Longer than what is parsed at once, with everything in it that looks like what is looked for.
    content = [{"type": "text", "text": text * rng.choice([1, 1, 50, 900])} for _ in range(rng.up_to(4, 1))]
    members: dict[str, Any] = {
        "model": rng.choice(["claude-opus-4-8", "", 5, None, "a\nb", "m" * 300]),
        "messages": [{"role": "user", "content": content}],
        "system": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "tools": [{"name": "Bash", "input_schema": {**DECOY, "metadata": {"user_id": "no"}}}],
        "metadata": {"user_id": USER_ID},
        "max_tokens": rng.choice([1000, 0, -1, 1.5, "9", None]),
        "output_config": {"effort": rng.choice(["high", 5])},
        "stream": rng.choice([True, False, None, "true"]),
    }
    keys = list(members)
    if rng.chance(0.5):
        rng.shuffle(keys)
    chosen = {key: members[key] for key in keys if rng.chance(0.85)}
    indent = rng.choice([None, None, None, 1])
    return json.dumps(chosen, indent=indent, ensure_ascii=rng.chance(0.5)).encode()


def credentials_in_text(rng: FuzzRandom) -> None:
    around = rng.mutated(
        rng.choice([b'{"refresh_token":"%b"}', b"?token=%b&x=1", b"Bearer %b", b"%b"]), [b" ", b'"']
    )
    if b"%b" not in around:
        return
    before, _, after = around.partition(b"%b")
    # Between other words; glued to letters a token is none.
    data = before + b" " + SECRET + b" " + after
    assert SECRET[20:] not in redact_body(data, pairs=rng.chance(0.5))
    text = redact_text(data.decode("latin-1"))
    assert SECRET[20:].decode() not in text
    redact_body(rng.mutated(data, [b"sk-ant-", b"\\" * 40, b'"token":"']))


def request_paths(rng: FuzzRandom) -> None:
    target = b"/" + b"/".join(rng.choice(SEGMENTS) for _ in range(rng.up_to(5, 1)))
    if rng.chance(0.7):
        target = rng.mutated(target, ODD)
    text = "".join(chr(byte) for byte in target if 0x21 <= byte <= 0x7E)
    route = classify_path(rng.choice(["GET", "POST", "DELETE", "TRACE"]), "/" + text.lstrip("/"))
    if route.kind in (PathKind.UNKNOWN, PathKind.OWN):
        return
    # Decoding or normalising does not change the path, so no credential goes to another endpoint.
    decoded = unquote(unquote(route.path))
    assert posixpath.normpath(route.path) == route.path.rstrip("/") or route.path.endswith("/")
    assert ".." not in decoded.split("/")
    assert "//" not in decoded
    assert "\\" not in decoded
    assert decoded.count("/") == route.path.count("/")
    assert not decoded.lower().startswith("/teamclaude")
