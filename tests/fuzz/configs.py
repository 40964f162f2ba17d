"""Config files of any content: read, or refused in one line that names the key and shows no secret."""

from __future__ import annotations

import copy
import json
from typing import Any

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.config.json_file import decode, encode
from teamclaude.errors import ConfigError
from tests.fuzz.fuzz_random import JSON_SIGNS, FuzzRandom

__all__ = ["config_files"]

SECRET = "sk-ant-oat01-FAKE-very-secret"
GOOD: dict[str, Any] = {
    "proxy": {
        "port": 3456,
        "apiKey": SECRET,
        "clients": [{"name": "c", "key": SECRET + "2", "maxInflight": 2}],
    },
    "upstream": "https://api.anthropic.com",
    "accounts": [
        {
            "name": "a",
            "type": "oauth",
            "accessToken": SECRET,
            "refreshToken": SECRET,
            "expiresAt": 1800000000000,
        },
        {"name": "k", "type": "apikey", "apiKey": SECRET, "lastResort": False, "priority": 1},
    ],
    "rampTiers": [{"hours": 8, "weight": 100}],
    "pricing": {"opus": {"input": 1, "output": 2}},
    "switchThreshold": 0.9,
    "oauth": {"scopes": ["a", "b"]},
    "routing": {"policy": "pace"},
}
JUNK: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        10**30,
        "",
        "x",
        " ",
        "\0",
        "\ud800",
        "é",
        "a" * 300,
        [],
        {},
        [[]],
        [None],
    ),
    *({"a": 1}, "1", "true", "http://", "https://[::1", "nan", [1, 2, 3], {"": ""}, "3456"),
]
WORDS = [
    *JSON_SIGNS,
    *(
        b"null",
        b"NaN",
        b"Infinity",
        b"1e999",
        b"-",
        b"\\u0000",
        b"\\ud800",
    ),
    *(b"\xff", b"\xef\xbb\xbf", b"//", b"[" * 3000, b"9" * 5000, b'"proxy":', b"\0", b"'"),
]


def config_files(rng: FuzzRandom) -> None:
    spoilt = rng.chance(0.5)
    if spoilt:
        document: Any = copy.deepcopy(GOOD)
        for _ in range(rng.up_to(3, 1)):
            _spoil(rng, document)
        data = json.dumps(document).encode()
    else:
        data = rng.mutated(json.dumps(GOOD).encode(), WORDS)
    try:
        raw = decode(data, "teamclaude.json")
        config = parse_config(raw, "teamclaude.json")
    except ConfigError as refusal:
        text = str(refusal)
        assert text.startswith("teamclaude.json"), text
        assert "\n" not in text
        assert len(text) < 1000
        assert SECRET not in text, text
        return
    if spoilt:  # else a secret may have come to stand where a name does
        assert SECRET not in repr(config)
    assert decode(encode(raw), "again") == raw
    assert parse_config(raw, "again") == config


def _spoil(rng: FuzzRandom, document: Any) -> None:
    """Put junk somewhere, take something away, or misspell a key."""
    spot = document
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        if not keys:
            return
        key = rng.choice(keys)
        inner = spot[key]
        if isinstance(inner, (dict, list)) and inner and rng.chance(0.7):
            spot = inner
            continue
        break
    kind = rng.randrange(4)
    if kind == 0:
        del spot[key]
    elif kind == 1 and isinstance(spot, dict):
        spot[str(key)[:-1] or "x"] = spot.pop(key)
    elif kind == 2 and isinstance(spot, list):
        spot.append(copy.deepcopy(inner))
    else:
        spot[key] = copy.deepcopy(rng.choice(JUNK))
