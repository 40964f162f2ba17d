"""The token of `claude setup-token` in what people copy from the terminal."""

from __future__ import annotations

import random
import re
from typing import Optional

import pytest

from teamclaude.accounts.importing.setup_token import find_setup_token
from teamclaude.errors import TeamClaudeError

TOKEN = "sk-ant-oat01-" + ("FAKEfake0123456789-_" * 5)[:86] + "-FAKEAA"
# As 2.1.332 prints it at 80, 40 and 120 columns, and 2.1.112 at 80.
SCREENS = {
    "2.1.332, 80 columns": f"""\
 This will guide you through long-lived (1-year) auth token setup for your
 Claude account. Claude subscription required.


 \u2714 Long-lived authentication token created

 Your OAuth token (valid for 1 year):

 {TOKEN[:79]}
 {TOKEN[79:]}

 Store this token securely. You won't be able to see it again.

 Use this token by setting: export CLAUDE_CODE_OAUTH_TOKEN=<token>

 You can revoke it later at https://claude.ai/settings/claude-code
""",
    "2.1.332, 40 columns": f"""\
 \u2714 Long-lived authentication token
   created

 Your OAuth token (valid for 1 year):

 {TOKEN[:39]}
 {TOKEN[39:78]}
 {TOKEN[78:]}

 Store this token securely. You won't be
 able to see it again.

 Use this token by setting: export
 CLAUDE_CODE_OAUTH_TOKEN=<token>
""",
    "2.1.332, 120 columns": f" Your OAuth token (valid for 1 year):\n\n {TOKEN}\n\n Store this securely.\n",
    "2.1.112, 80 columns": f"""\
Your OAuth token (valid for 1 year):

{TOKEN[:80]}
{TOKEN[80:]}

Store this token securely. You won't be able to see it again.
""",
}
YEAR = 365 * 86400.0


@pytest.mark.parametrize("screen", list(SCREENS.values()), ids=list(SCREENS))
def test_what_the_client_prints(screen: str) -> None:
    for text in (screen, screen.replace("\n", "\r\n"), screen.replace("\n", "   \n")):
        found = find_setup_token(text)
        assert found.token == TOKEN
        assert found.life_sec == YEAR
        assert not found.is_short


TEXTS = [
    TOKEN,
    f"  {TOKEN}\n",
    f"{TOKEN[:80]}\n{TOKEN[80:]}",
    f"{TOKEN[:80]}\r\n {TOKEN[80:]}\r\n",
    f"export CLAUDE_CODE_OAUTH_TOKEN={TOKEN}",
    f'export CLAUDE_CODE_OAUTH_TOKEN="{TOKEN}"',
    f"export CLAUDE_CODE_OAUTH_TOKEN='{TOKEN[:49]}\n{TOKEN[49:]}'\n",
    f"export CLAUDE_CODE_OAUTH_TOKEN={TOKEN[:49]}\\\n{TOKEN[49:]}",
    f'$env:CLAUDE_CODE_OAUTH_TOKEN = "{TOKEN}"',
    f"set CLAUDE_CODE_OAUTH_TOKEN={TOKEN}\r\n",
    f"CLAUDE_CODE_OAUTH_TOKEN={TOKEN} claude -p hello",
    f"Authorization: Bearer {TOKEN}",
    f"`{TOKEN}`",
    f"\u2502 {TOKEN[:60]} \u2502\n\u2502 {TOKEN[60:]} \u2502",
    f"\x1b[38;5;220m{TOKEN[:79]}\n\x1b[39m \x1b[38;5;220m{TOKEN[79:]}\n\n\x1b[39m \x1b[1mStore\x1b[0m",
    f"\x1b[200~{TOKEN}\x1b[201~",
    f"\x1b]8;;https://x.example/\x07{TOKEN}\x1b]8;;\x07",
    f"{TOKEN}\n{TOKEN}\n",
    f"$ claude setup-token\n{TOKEN}\n$ exit\n",
    f"{TOKEN}\n\nENDED\n",
    f"\0{TOKEN}\0\0",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_token_alone_or_in_a_text(text: str) -> None:
    found = find_setup_token(text)
    assert found.token == TOKEN
    assert found.life_sec is None


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("1 year", YEAR),
        ("2 years", 2 * YEAR),
        ("90 days", 90 * 86400.0),
        ("9 hours", 32400.0),
        ("ever", None),
    ],
)
def test_the_life_that_the_text_names(words: str, seconds: Optional[float]) -> None:
    assert find_setup_token(f"Your OAuth token (valid for\n {words}):\n\n {TOKEN}\n").life_sec == seconds


REFUSED = [
    ("", "no token was given: paste what claude setup-token prints"),
    (" \n\x1b[0m ", "no token was given"),
    ("hello", "is not a token of claude setup-token: they begin with sk-ant-oat"),
    ("FAKE-code#FAKE-state", "is not a token of claude setup-token"),
    ("tc-FAKEproxykey", "is not a token of claude setup-token"),
    ("sk-ant-api03-FAKE", "this is an API key: use teamclaude login --api"),
    ("sk-ant-ort01-FAKE", "this is a refresh token"),
    ("sk-ant-admin01-FAKE", "this is an admin key"),
    ('{"claudeAiOauth": {"accessToken": "sk-ant-oat01-FAKE"}}', "use teamclaude import --json -"),
    ('{"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "x"}', "use teamclaude import --json -"),
    (f"{TOKEN}\n\n{TOKEN}B\n", "there are 2 tokens in this"),
    (f"{TOKEN} {TOKEN}B\n", "there are 2 tokens in this"),
    ("sk-ant-oat", "only the beginning of a token"),
    ("sk-ant-oat01-", "only the beginning of a token"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_is_no_such_token(text: str, said: str) -> None:
    with pytest.raises(TeamClaudeError) as caught:
        find_setup_token(text)
    assert said in str(caught.value)
    assert "FAKE" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_of_a_token_is_short_and_shown_nowhere() -> None:
    found = find_setup_token(TOKEN[:60])
    assert found.is_short
    assert "FAKE" not in repr(found)


def test_an_odd_text_is_never_a_traceback_and_never_repeated() -> None:
    chance = random.Random(7)
    pieces = [
        "",
        "\n",
        "\r\n",
        " ",
        '"',
        "\x1b[31m",
        "\x1b",
        "\0",
        "sk-ant-api",
        "sk-ant-",
        "\ud800",
        "valid for 9 years",
    ]
    refusals, taken = [], 0
    for _ in range(2000):
        text = chance.choice([*SCREENS.values(), *TEXTS])
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(text) + 1)
            text = text[:start] + chance.choice(pieces) + text[start + chance.choice([0, 0, 1, 30]) :]
        try:
            found = find_setup_token(text)
        except TeamClaudeError as error:
            refusals.append(str(error))
        else:
            taken += 1
            assert re.fullmatch(r"sk-ant-oat[0-9A-Za-z_-]+", found.token)
    assert [line for line in refusals if re.search(r"FAKE|\n|[^ -~]", line)] == []
    assert taken > 300
    assert refusals
