"""The words of a claude command: where `--settings` goes, and which of the user's counts."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.cli.launch.claude_words import read_words, with_settings


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["--settings", "F"]),
        (["-p", "hi"], ["--settings", "F", "-p", "hi"]),
        (["fix this bug"], ["--settings", "F", "fix this bug"]),
        (["--bg", "hi"], ["--settings", "F", "--bg", "hi"]),
        (["agents", "--json"], ["--settings", "F", "agents", "--json"]),
        (["--debug", "mcp", "list"], ["--settings", "F", "--debug", "mcp", "list"]),
        # One word may be a command that is newer than our list: in front it would become a prompt.
        (["hello"], ["hello", "--settings", "F"]),
        (["hello", "--bg", "--", "x"], ["hello", "--bg", "--settings", "F", "--", "x"]),
    ],
)
def test_the_option_goes_where_it_is_one(words: list[str], expected: list[str]) -> None:
    assert with_settings(read_words(words), "F") == expected


@pytest.mark.parametrize(
    "command", ["daemon", "attach", "logs", "stop", "rm", "respawn", "mcp", "doctor", "update"]
)
def test_commands_without_settings_stay_as_they_are(command: str) -> None:
    words = [command, "x", "--settings", "theirs"]
    read = read_words(words)
    assert (list(read.words), read.place, read.settings) == (words, None, None)


@pytest.mark.parametrize(
    ("words", "rest", "settings"),
    [
        (["--settings", "a", "-p"], ["-p"], "a"),
        (["-p", "--settings={}"], ["-p"], "{}"),
        (["--settings", "a", "--settings", "b"], [], "b"),
        (["agents", "--settings", "a"], ["agents"], "a"),
        (["-p", "--", "--settings", "a"], ["-p", "--", "--settings", "a"], None),
        (["-p", "--settings"], ["-p", "--settings"], None),
        (["--settings="], [], ""),
    ],
)
def test_the_users_settings_are_taken_out(words: list[str], rest: list[str], settings: Optional[str]) -> None:
    read = read_words(words)
    assert (list(read.words), read.settings) == (rest, settings)


def test_a_bare_client_is_told_from_a_word_for_it() -> None:
    assert read_words(["--bare", "-p", "hi"]).is_bare
    assert not read_words(["-p", "--", "--bare"]).is_bare


@pytest.mark.parametrize(
    ("words", "sources"),
    [
        (["-p"], None),
        (["--setting-sources", "user, local"], ("user", "local")),
        (["--setting-sources=project", "-p"], ("project",)),
        (["--setting-sources", ""], ("",)),
    ],
)
def test_the_sources_of_settings(words: list[str], sources: Optional[tuple[str, ...]]) -> None:
    read = read_words(words)
    assert read.sources == sources
    assert list(read.words) == words
