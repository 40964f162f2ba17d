"""`teamclaude login --api`: a key on stdin; test_login_terminal.py types one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import accounts_in, failed


def test_a_key_on_stdin(cli: Any, file: Path, keyboard: Callable[..., None]) -> None:
    keyboard("  sk-ant-api03-FAKE-1 ")
    assert cli("login", "--api") == (0, "", "api-1 (API key) is added\n")
    assert accounts_in(file)["api-1"] == {
        "name": "api-1",
        "type": "apikey",
        "apiKey": "sk-ant-api03-FAKE-1",
        "source": "login",
    }


def test_keys_have_numbers_or_names_and_come_once(
    cli: Any, file: Path, keyboard: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, words in enumerate([(), (), ("--name", "paid")]):
        keyboard(f"sk-ant-api03-FAKE-{number}")
        assert cli("login", "--api", *words).status == 0
    assert list(accounts_in(file)) == ["api-1", "api-2", "paid"]
    keyboard("sk-ant-api03-FAKE-1")
    before = file.read_text()
    assert cli("login", "--api") == (1, "", 'teamclaude: this key is there already, as "api-2"\n')
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sk-ant-oat01-FAKE", "use teamclaude login"),
        ("sk-ant-api03-FAKE key", "a space"),
        ("hello", "begin with sk-ant-api"),
        ("", "no key was given"),
    ],
)
def test_input_that_is_not_a_key(
    cli: Any, file: Path, keyboard: Callable[..., None], line: str, said: str
) -> None:
    keyboard(line, end=True)
    ended = cli("login", "--api")
    assert said in failed(ended, file)
    assert ended.err.count("\n") == 1
    assert "FAKE" not in ended.err


def test_no_stdin_at_all(cli: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "no key was given" in failed(cli("login", "--api"), file)
