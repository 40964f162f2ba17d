"""The config file as it is found, whatever is in its place; it is never changed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from teamclaude.cli.doctor.facts.config_facts import config_facts

GOOD = {"proxy": {"apiKey": "k"}, "accounts": [{"name": "a", "accessToken": "t"}]}


def write(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "c.json"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    path.chmod(0o600)
    return path


def test_a_good_file(tmp_path: Path) -> None:
    facts = config_facts(write(tmp_path, GOOD))
    assert (facts.exists, facts.problem, facts.invalid, facts.mode) == (True, "", "", 0o600)
    assert facts.config is not None
    assert [account.name for account in facts.config.accounts] == ["a"]


def test_a_loose_mode_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.chmod(0o644)
    assert config_facts(path).mode == 0o644
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("data", "invalid"),
    [
        (b'{"proxy": {\n  "port": }\n}', "line 2, column 11: expecting value"),
        (b"", "is empty; remove it to start anew"),
        (b"\xff\xfe{", "line 1: is not UTF-8 text"),
        (b"[]", "expected a JSON object, got a list"),
        (b"[" * 100_000, "is nested too deeply"),
        ({"proxy": {"port": "x"}}, "proxy.port: "),
        ({"prxy": {}}, 'prxy: is not a setting; did you mean "proxy"?'),
        ({"modelMap": {"opus": "haiku"}}, "modelMap is a key of another program"),
    ],
)
def test_what_is_wrong_in_it(tmp_path: Path, data: object, invalid: str) -> None:
    facts = config_facts(write(tmp_path, data))
    assert facts.config is None
    assert facts.invalid.startswith(invalid)


def test_of_many_lines_that_are_alike_there_are_a_few(tmp_path: Path) -> None:
    rules = {"maxSpend": {"day": 3}, "switchThreshold": 0.5}
    accounts = [
        {**rules, "name": f"a{n // 2}", "accountUuid": f"u{n // 2}", "accessToken": f"t{n // 2}"}
        for n in range(200)
    ]
    facts = config_facts(write(tmp_path, {**GOOD, "accounts": accounts}))
    assert [len(lines) for lines in (facts.rules, facts.original, facts.duplicates)] == [6, 6, 6]
    assert facts.rules[-1] == "accounts[].maxSpend: and 195 more like that"


def test_a_missing_file_beside_its_state(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    assert not config_facts(path).exists
    (tmp_path / "c.state.json").write_text("{}")
    assert config_facts(path).has_state


def test_what_may_be_in_its_place(tmp_path: Path) -> None:
    directory = tmp_path / "d.json"
    directory.mkdir()
    assert config_facts(directory).problem.startswith("can't be read: ")
    link = tmp_path / "l.json"
    link.symlink_to(tmp_path / "nowhere")
    assert config_facts(link).problem == f"is a symbolic link to {tmp_path / 'nowhere'}, which does not exist"
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    assert config_facts(loop).problem.startswith("can't be read: ")
    assert config_facts(tmp_path / "c.json" / "below").problem == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.json")
    assert "regular file" in config_facts(tmp_path / "c.json").problem


def test_a_device_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "c.json").symlink_to("/dev/zero")
    assert "regular file" in config_facts(tmp_path / "c.json").problem


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.chmod(0)
    assert config_facts(path).problem.startswith("can't be read: ")


def test_unknown_and_original_keys_and_duplicates(tmp_path: Path) -> None:
    twice = {"name": "b", "accessToken": "u", "accountUuid": "p"}
    raw = {
        **GOOD,
        "apiKey": "x",
        "proxy": {"apiKey": "k", "clientKeys": {"ci": "k1"}},
        "accounts": [twice, twice],
    }
    facts = config_facts(write(tmp_path, raw))
    assert [(key.path, key.meant) for key in facts.unknown] == [("apiKey", "proxy.apiKey")]
    assert len(facts.original) == len(facts.duplicates) == 1


def test_a_directory_that_others_can_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    path = write(tmp_path, GOOD)
    assert [line.partition("; ")[0] for line in config_facts(path).dangers] == [
        f"other users can replace the files in {tmp_path}"
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users of POSIX")
def test_whose_file_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    own = path.stat().st_uid
    assert config_facts(path).owner is None
    monkeypatch.setattr("os.geteuid", lambda: own + 1)
    assert config_facts(path).owner == own
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert config_facts(path).owner is None


def test_only_a_file_has_a_mode_that_matters(tmp_path: Path) -> None:
    (tmp_path / "d.json").mkdir()
    assert config_facts(tmp_path / "d.json").mode is None


def test_rules_without_their_effect_of_every_kind(tmp_path: Path) -> None:
    data = {
        "accounts": [{"name": "a", "accessToken": "sk-ant-oat01-FAKE", "reserve": {"Mon-Sun": 0.1}}],
        "keepWarm": {"nobody": "08:30"},
        "routes": [{"match": "*", "accounts": ["nobody"]}],
    }
    found = config_facts(write(tmp_path, data)).rules
    assert [line.split(" ")[0] for line in found[:1]] == ['keepWarm["nobody"]']
    assert any(line.startswith("accounts[0].reserve") for line in found)
    assert any(line.startswith("routes[0]") for line in found)


def test_a_line_on_a_rule_shows_no_credential_and_no_control_character(tmp_path: Path) -> None:
    secret = "sk-ant-api03-SECRET"
    rules = {"pins": {f"/a\nb/{secret}": "zoe"}, "maxUsage": {f"\x1b{secret}x": 0.5}}
    lines = config_facts(write(tmp_path, {**GOOD, **rules})).rules
    assert len(lines) == 2, lines
    for line in lines:
        assert "SECRET" not in line
        assert line.isprintable(), line
