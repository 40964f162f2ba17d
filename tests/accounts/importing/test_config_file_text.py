"""Which texts are config files, in which spelling, and what is said of those that can't be read."""

from __future__ import annotations

import codecs
import json
import sys
from typing import Any

import pytest

from teamclaude.accounts.importing.claude_login import MAX_BYTES, LoginSource
from teamclaude.accounts.importing.config_file_text import read_config_text
from teamclaude.errors import TeamClaudeError

CONFIG: dict[str, Any] = {
    "proxy": {"port": 1},
    "accounts": [{"name": "ann", "accessToken": "sk-ant-oat01-FAKE"}],
}
TOML = """# of a relative
hold_seconds = 30
[proxy]
api_key = "tc-FAKE"
[[accounts]]
name = "ann"
access_token = "sk-ant-oat01-FAKE"
"""


def read(text: Any) -> Any:
    if not isinstance(text, (str, bytes)):
        text = json.dumps(text)
    return read_config_text(LoginSource(text if isinstance(text, bytes) else text.encode(), "f"))


def fault(text: Any) -> str:
    with pytest.raises(TeamClaudeError) as caught:
        read(text)
    line = str(caught.value)
    assert line.startswith("f: ")
    assert "\n" not in line
    assert "FAKE" not in line
    return line.removeprefix("f: ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_config_file_in_any_encoding(encoding: str) -> None:
    assert read(json.dumps(CONFIG).encode(encoding)) == CONFIG


@pytest.mark.parametrize(
    "other",
    [
        {"claudeAiOauth": {"accessToken": "x"}, "accounts": []},
        {"accessToken": "x"},
        {"accounts": 3},
        [{"accounts": []}],
        "accounts",
        "",
        b"\xff\xfe\x00",
        "sk-ant-oat01-FAKE",
        'see "accounts": here',
    ],
)
def test_other_texts_are_left_to_the_reader_of_logins(other: Any) -> None:
    assert read(other) is None


def test_snake_case_becomes_ours_where_the_key_is_known() -> None:
    raw = {
        "switch_threshold": 0.9,
        "max_usage": 1,
        "proxy": {"api_key": "tc-FAKE", "max_body_mib": 3, "client_keys": []},
        "accounts": [{"name": "a", "access_token": "x", "expires_at": 1, "my_mood": 2, "accessToken": "y"}],
    }
    assert read(raw) == {
        "switchThreshold": 0.9,
        "maxUsage": 1,
        "proxy": {"apiKey": "tc-FAKE", "maxBodyMiB": 3, "client_keys": []},
        "accounts": [{"name": "a", "access_token": "x", "expiresAt": 1, "my_mood": 2, "accessToken": "y"}],
    }


def test_sections_inside_are_spelled_as_ours_too() -> None:
    raw = {
        "log-max-mb": 5,
        "proxy": {"clients": [{"name": "b", "key": "tc-FAKE", "max_inflight": 2, "x_y": 1}, 3], "tls": None},
        "alerts": [{"when": "hold", "run": ["x_y"]}],
        "oauth": {"token_url": "https://x", "scopes": ["a_b"]},
        "rules": {"switch_threshold": 1},
        "accounts": [],
    }
    assert read(raw) == {
        "logMaxMB": 5,
        "proxy": {"clients": [{"name": "b", "key": "tc-FAKE", "maxInflight": 2, "x_y": 1}, 3], "tls": None},
        "alerts": [{"when": "hold", "run": ["x_y"]}],
        "oauth": {"tokenUrl": "https://x", "scopes": ["a_b"]},
        "rules": {"switch_threshold": 1},
        "accounts": [],
    }


def test_accounts_by_name_are_a_list() -> None:
    raw = {"accounts": {"ann": {"access_token": "x"}, "bob": 3}}
    assert read(raw)["accounts"] == [{"name": "ann", "accessToken": "x"}, 3]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with 3.11")
@pytest.mark.parametrize("text", [TOML, TOML.partition("[proxy]")[2].join(["[proxy]", ""])])
def test_toml(text: str) -> None:
    found = read(text)
    assert found["proxy"] == {"apiKey": "tc-FAKE"}
    assert found["accounts"] == [{"name": "ann", "accessToken": "sk-ant-oat01-FAKE"}]
    assert fault(text + "x = sk-FAKE") == "is not TOML (at line 7, column 5)" or "at line" in fault(
        text + "x = y"
    )


def test_toml_without_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    assert fault(TOML) == "is TOML, which needs Python 3.11 or later to be read; save it as JSON"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"accounts": [], "accounts": []}', 'the key "accounts" stands twice in one object; remove one'),
        ('{"accounts": [\n', "line 2, column 1: expecting value"),
        ('{\n// mine\n"accounts": []}', "comments are not JSON: remove them"),
        ('// mine\n{"accounts": []}', "comments are not JSON: remove them"),
        ("accounts:\n  - name: x\n    accessToken: sk-ant-oat01-FAKE\n", "is neither JSON nor TOML; save it"),
        ('{"accounts": [' + "[" * 100_000, "is nested too deeply"),
        ('{"accounts": [1e999]}', "is too large"),
        ('{"accounts": []}' + " " * MAX_BYTES, "is longer than 1 MiB: it is no config file"),
        (codecs.BOM_UTF8 + b'{"accounts": ["\xff"]}', "is not UTF-8 text"),
    ],
)
def test_a_config_file_that_can_not_be_read(text: Any, said: str) -> None:
    assert said in fault(text)
