"""The shape of an API key."""

from __future__ import annotations

import pytest

from teamclaude.accounts.importing.api_key import check_api_key
from teamclaude.errors import TeamClaudeError


@pytest.mark.parametrize("typed", ["sk-ant-api03-FAKE_key-1", "  sk-ant-api03-FAKE_key-1\r\n"])
def test_a_key(typed: str) -> None:
    assert check_api_key(typed) == "sk-ant-api03-FAKE_key-1"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "no key was given"),
        (" \n", "no key was given"),
        ("sk-ant-api03-FAKE key", "a space or a line break in it"),
        ("sk-ant-api03-FAKE\tkey", "a space or a line break in it"),
        ("sk-ant-oat01-FAKE", "a token of a subscription, not an API key: use teamclaude login"),
        ("sk-ant-ort01-FAKE", "a refresh token of a subscription"),
        ("sk-ant-admin01-FAKE", "an admin key"),
        ("sk-FAKE", "begin with sk-ant-api"),
        ("sk-ant-api", "begin with sk-ant-api"),
        ('"sk-ant-api03-FAKE"', "no quotes around"),
        ("sk-ant-api03-FAKÉ", "begin with sk-ant-api"),
    ],
)
def test_none(typed: str, said: str) -> None:
    with pytest.raises(TeamClaudeError) as caught:
        check_api_key(typed)
    text = str(caught.value)
    assert said in text
    assert "FAK" not in text
    assert "\n" not in text
