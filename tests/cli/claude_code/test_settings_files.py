"""Claude Code's settings files and their precedence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from teamclaude.cli.claude_code import settings_files
from teamclaude.cli.claude_code.settings_files import (
    Layer,
    SettingsError,
    base_urls_in_settings,
    layer_of,
    parse_settings,
    read_layers,
    settings_option,
)


@pytest.fixture
def env(private_home: Path) -> dict[str, str]:
    return {"HOME": str(private_home), "USER": "me", "PATH": str(private_home / "bin")}


def put(file: Path, value: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def test_base_urls_come_strongest_first(env: dict[str, str], private_home: Path, tmp_path: Path) -> None:
    def settings(url: str) -> dict[str, object]:
        return {"env": {"ANTHROPIC_BASE_URL": url}}

    user = put(private_home / ".claude" / "settings.json", settings("http://user"))
    project = put(tmp_path / ".claude" / "settings.json", settings("http://project"))
    local = put(tmp_path / ".claude" / "settings.local.json", settings("http://local"))
    found = base_urls_in_settings(env, tmp_path, "linux")
    assert [(each.file, each.url) for each in found] == [
        (local, "http://local"),
        (project, "http://project"),
        (user, "http://user"),
    ]


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"env": []}', '{"env": {"ANTHROPIC_BASE_URL": ""}}', '{"env": {}}']
)
def test_settings_without_a_base_url(env: dict[str, str], tmp_path: Path, text: str) -> None:
    put(tmp_path / ".claude" / "settings.json", text)
    assert base_urls_in_settings(env, tmp_path, "linux") == []


def test_a_file_is_named_once_when_the_home_is_the_project(env: dict[str, str], private_home: Path) -> None:
    put(private_home / ".claude" / "settings.json", {"env": {"ANTHROPIC_BASE_URL": "http://x"}})
    assert len(base_urls_in_settings(env, private_home, "linux")) == 1


# --- as the client reads them ---------------------------------------------------------------------------

PLAIN = '{"env": {"A": "x"}}'


@pytest.mark.parametrize(
    ("data", "variables"),
    [
        (PLAIN.encode(), {"A": "x"}),
        (b"\xef\xbb\xbf" + PLAIN.encode(), {"A": "x"}),
        (b"\xff\xfe" + PLAIN.encode("utf-16-le"), {"A": "x"}),
        (b" \n" + PLAIN.encode(), {"A": "x"}),
        (b'{"env": {"A": "\xe9"}}', {"A": "\ufffd"}),
        (b'{"env": {"A": "x", "A": "y"}}', {"A": "y"}),
        (b'{"env": {"A": "x"}, "env": {"B": "y"}}', {"B": "y"}),
        (
            b'{"env": {"A": 5, "B": 1.0, "C": true, "D": null}}',
            {"A": "5", "B": "1", "C": "true", "D": "null"},
        ),
        (
            b'{"env": {"A": {}, "B": [1, null, "x"], "C": 1.5}}',
            {"A": "[object Object]", "B": "1,,x", "C": "1.5"},
        ),
        (b"", {}),
        (b" \n", {}),
        (b"{}", {}),
    ],
)
def test_variables_are_read_as_the_client_reads_them(data: bytes, variables: dict[str, str]) -> None:
    assert layer_of("user", "file", parse_settings(data)).variables == variables


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"// comment\n{}", "line 1, column 1"),
        (b'{"env": {"A": "x",}}', "line 1, column 1[89]"),  # 3.13 names the comma
        (b'{"env": {}', "line 1, column 11"),
        (b'{"env": {"A": NaN}}', "is not JSON"),
        (b"\xfe\xff" + PLAIN.encode("utf-16-be"), "is not JSON"),
        (PLAIN.encode("utf-16-le"), "is not JSON"),
        (b"[]", "no JSON object"),
        (b'{"env": null}', "env that is no object"),
        (b'{"env": []}', "env that is no object"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_the_client_ignores_is_a_problem_in_one_line(data: bytes, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as caught:
        parse_settings(data)
    assert "\n" not in str(caught.value)


def scopes(layers: list[Layer]) -> list[tuple[str, str]]:
    return [(layer.scope, layer.variables.get("A", layer.problem)) for layer in layers]


def put_all(home: Path, project: Path, managed: Path) -> None:
    for name, file in {
        "global": home / ".claude.json",
        "user": home / ".claude" / "settings.json",
        "project": project / ".claude" / "settings.json",
        "local": project / ".claude" / "settings.local.json",
        "managed": managed / "managed-settings.json",
        "managed 20": managed / "managed-settings.d" / "20.json",
        "managed 10": managed / "managed-settings.d" / "10.json",
        "remote": home / ".claude" / "remote-settings.json",
    }.items():
        put(file, {"env": {"A": name}})


def test_layers_come_lowest_first(env: dict[str, str], private_home: Path, tmp_path: Path) -> None:
    managed = tmp_path / "etc"
    put_all(private_home, tmp_path, managed)
    layers = read_layers(env, tmp_path, managed=managed)
    assert scopes(layers) == [
        ("global", "global"),
        ("user", "user"),
        ("project", "project"),
        ("local", "local"),
        ("managed", "managed"),
        ("managed", "managed 10"),
        ("managed", "managed 20"),
        ("remote", "remote"),
    ]
    assert [layer.is_managed for layer in layers] == [False] * 4 + [True] * 4


def test_sources_that_are_switched_off_are_not_read(
    env: dict[str, str], private_home: Path, tmp_path: Path
) -> None:
    managed = tmp_path / "etc"
    put_all(private_home, tmp_path, managed)
    layers = read_layers(env, tmp_path, ["project"], managed=managed)
    assert {layer.scope for layer in layers} == {"global", "project", "managed", "remote"}


def test_another_directory_of_the_clients(env: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / "cfg" / "settings.json", {"env": {"A": "user"}})
    put(tmp_path / "cfg" / ".claude.json", {"env": {"A": "global"}})
    layers = read_layers({**env, "CLAUDE_CONFIG_DIR": str(tmp_path / "cfg")}, tmp_path / "p")
    assert scopes(layers) == [("global", "global"), ("user", "user")]


def test_a_file_without_variables_is_a_layer_and_a_broken_one_too(
    env: dict[str, str], private_home: Path, tmp_path: Path
) -> None:
    put(private_home / ".claude.json", '{"broken": ')  # without env it is not even parsed
    put(private_home / ".claude" / "settings.json", '{"model": "opus", "apiKeyHelper": "echo"}')
    (tmp_path / ".claude" / "settings.json").mkdir(parents=True)
    put(tmp_path / ".claude" / "settings.local.json", "// x")
    user, project, local = read_layers(env, tmp_path)
    assert (user.variables, user.api_key_helper) == ({}, "echo")
    assert project.problem == "can't be read (Is a directory)"
    assert local.problem == "is not JSON (line 1, column 1: expecting value)"


def test_local_settings_of_the_repository_count_below_it(env: dict[str, str], tmp_path: Path) -> None:
    root, below = tmp_path / "repo", tmp_path / "repo" / "a" / "b"
    below.mkdir(parents=True)
    (root / ".git").mkdir()
    local = put(root / ".claude" / "settings.local.json", {"env": {"A": "root"}})
    put(root / ".claude" / "settings.json", {"env": {"A": "not read from below"}})
    assert [layer.source for layer in read_layers(env, below)] == [str(local)]


def test_local_settings_of_the_main_checkout_count_in_a_worktree(env: dict[str, str], tmp_path: Path) -> None:
    git = tmp_path / "main" / ".git" / "worktrees" / "wt"
    git.mkdir(parents=True)
    (git / "commondir").write_text("../..\n")
    (tmp_path / "wt").mkdir()
    (tmp_path / "wt" / ".git").write_text(f"gitdir: {git}\n")
    local = put(tmp_path / "main" / ".claude" / "settings.local.json", {"env": {"A": "main"}})
    assert [layer.source for layer in read_layers(env, tmp_path / "wt")] == [str(local)]


@pytest.mark.parametrize("text", ["", "gitdir: /nowhere", "gitdir: \0"])
def test_a_strange_git_file_is_no_repository(env: dict[str, str], tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text)
    put(tmp_path / ".claude" / "settings.local.json", {"env": {"A": "here"}})
    assert scopes(read_layers(env, tmp_path)) == [("local", "here")]


# --- --settings -----------------------------------------------------------------------------------------


def test_the_option_is_text_or_a_file(tmp_path: Path) -> None:
    put(tmp_path / "s.json", PLAIN)
    expected = {"env": {"A": "x"}}
    assert settings_option("s.json", tmp_path) == expected
    assert settings_option(str(tmp_path / "s.json"), Path("/nowhere")) == expected
    assert settings_option(f"  {PLAIN}", tmp_path) == expected
    assert settings_option(" ", tmp_path) == {}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('{"a": 1,}', "the text is not JSON"),
        ("[]", "is no file"),
        ("missing.json", "missing.json is no file"),
        (".", "can't be read"),
        ("broken.json", "broken.json is not JSON"),
        ("a\0b", "can't be read"),
    ],
)
def test_an_option_that_the_client_would_not_take(tmp_path: Path, value: str, problem: str) -> None:
    put(tmp_path / "broken.json", "{")
    with pytest.raises(SettingsError, match=problem):
        settings_option(value, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="a system without such files")
@pytest.mark.parametrize(
    ("kind", "why"), [("zero", "is not a regular"), ("pipe", "is not a regular"), ("big", "is larger")]
)
def test_a_file_that_never_ends_is_a_problem_and_no_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, why: str
) -> None:
    monkeypatch.setattr(settings_files, "MAX_BYTES", 1 << 20)
    settings = tmp_path / "p" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    if kind == "zero":
        settings.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(settings)
    else:
        settings.write_bytes(b" " * (settings_files.MAX_BYTES + 1))
    (layer,) = read_layers({"HOME": str(tmp_path)}, tmp_path / "p", ["project"], managed=tmp_path / "none")
    assert layer.variables == {}
    assert why in layer.problem
