"""What a browser or a person brings back from the authorize page."""

from __future__ import annotations

import pytest

from teamclaude.accounts.oauth.callback import Callback, from_paste, from_query

GOOD = Callback("c0de", "st4te")
NOTHING = Callback()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code=c0de&state=st4te", GOOD),
        ("state=st4te&code=c0de&iss=x", GOOD),
        ("code=a%2Bb%23&state=s", Callback("a+b#", "s")),
        ("error=access_denied&state=s", Callback("", "s", "access_denied")),
        ("error=e&error_description=No+way&state=s", Callback("", "s", "e", "No way")),
        ("code=a&code=b&state=s", Callback("", "s")),
        ("", NOTHING),
        ("&".join(f"a{n}=1" for n in range(50)), NOTHING),
    ],
)
def test_a_redirect(query: str, expected: Callback) -> None:
    assert from_query(query) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c0de#st4te", GOOD),
        ("  c0de#st4te \r", GOOD),
        ('"c0de#st4te"', GOOD),
        ("http://localhost:4711/callback?code=c0de&state=st4te", GOOD),
        ("localhost:4711/callback?code=c0de&state=st4te", GOOD),
        ("https://platform.claude.com/oauth/code/callback?code=c0de&state=st4te#", GOOD),
        ("https://x/callback?error=access_denied&state=s", Callback("", "s", "access_denied")),
        ("c0de", NOTHING),
        ("c0de#", NOTHING),
        ("#st4te", NOTHING),
        ("what is # this", NOTHING),
        ("http://localhost:4711/callback", NOTHING),
        ("http://[broken", NOTHING),
        ("", NOTHING),
    ],
)
def test_a_paste(text: str, expected: Callback) -> None:
    assert from_paste(text) == expected


def test_a_refusal_is_one_short_line_without_controls() -> None:
    said = Callback(error="access_denied\n\x1b[31m" + "x" * 500, description="no\r\n" * 99).error_text
    assert said.startswith("access_denied")
    assert said.isprintable()
    assert len(said) < 140


def test_a_refusal_hides_what_looks_like_a_credential() -> None:
    assert "FAKE" not in Callback(error="sk-ant-oat01-FAKE", description="sk-ant-oat01-FAKE").error_text


def test_a_callback_does_not_show_itself() -> None:
    assert "c0de" not in repr(GOOD)
