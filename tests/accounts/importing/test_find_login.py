"""Where a login of Claude Code is, and which one is taken when there are two."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.accounts.importing import find_login as module
from teamclaude.accounts.importing.claude_files import claude_directory, credentials_file
from teamclaude.accounts.importing.claude_login import MAX_BYTES
from teamclaude.accounts.importing.find_login import find_login
from teamclaude.errors import TeamClaudeError

NOW = 1_800_000_000.0
Keychain = Callable[[object], None]


def login(name: str, ends: float = 3600, **more: Any) -> dict[str, Any]:
    tokens = {"accessToken": f"sk-ant-oat01-FAKE-{name}", "refreshToken": f"sk-ant-ort01-FAKE-{name}"}
    return {"claudeAiOauth": {**tokens, "expiresAt": (NOW + ends) * 1000, **more}}


ENDED = {"claudeAiOauth": {"accessToken": "", "refreshToken": "", "expiresAt": 0, "loginEnded": "time_limit"}}


@pytest.fixture
def file(private_home: Path) -> Path:
    path = private_home / ".claude" / ".credentials.json"
    path.parent.mkdir()
    return path


@pytest.fixture
def theirs(file: Path) -> Path:
    file.write_text(json.dumps(login("file")))
    return file


@pytest.fixture
def keychain(monkeypatch: pytest.MonkeyPatch) -> Keychain:
    """`keychain(content)`: what the Keychain gives: bytes, JSON, None or an error."""

    def gives(content: object) -> None:
        def read(env: object) -> Optional[bytes]:
            if isinstance(content, Exception):
                raise content
            return content if isinstance(content, bytes) or content is None else json.dumps(content).encode()

        monkeypatch.setattr(module, "read_keychain", read)

    gives(None)
    return gives


def find(named: Optional[str] = None, platform: str = "linux") -> module.FoundLogin:
    return find_login(os.environ, named, platform, NOW)


def refusal(named: Optional[str] = None, platform: str = "linux") -> str:
    with pytest.raises(TeamClaudeError) as caught:
        find(named, platform)
    text = str(caught.value)
    assert "\n" not in text
    assert "FAKE" not in text
    return text


# --- the file ---------------------------------------------------------------------------------------


def test_claude_codes_own_file(theirs: Path) -> None:
    found = find()
    assert (found.source.path, found.source.label, found.note) == (str(theirs), str(theirs), "")
    assert found.account.access_token == "sk-ant-oat01-FAKE-file"


def test_its_directory_can_be_set_by_the_environment(theirs: Path, tmp_path: Path) -> None:
    assert claude_directory({"CLAUDE_CONFIG_DIR": "/c", "HOME": "/h"}) == "/c"
    env = {**os.environ, "CLAUDE_CONFIG_DIR": str(tmp_path)}
    with pytest.raises(TeamClaudeError, match="is not logged in here; run teamclaude login"):
        find_login(env, None, "linux", NOW)


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"HOME": "/h"}, "/h/.claude/.credentials.json"),
        ({"HOME": "/h", "CLAUDE_CONFIG_DIR": "/c"}, "/c/.credentials.json"),
        ({"HOME": "/h", "CLAUDE_SECURESTORAGE_CONFIG_DIR": "/s"}, "/s/.credentials.json"),
        (
            {"HOME": "/h", "CLAUDE_CONFIG_DIR": "/c", "CLAUDE_SECURESTORAGE_CONFIG_DIR": ""},
            "/h/.claude/.credentials.json",
        ),
        ({"HOME": "", "USERPROFILE": "/w"}, "/w/.claude/.credentials.json"),
    ],
)
def test_the_credentials_file(env: dict[str, str], path: str) -> None:
    assert Path(credentials_file(env)) == Path(path)


def test_without_a_home_the_system_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    assert os.path.isabs(credentials_file({}))


@pytest.mark.parametrize("named", ["{file}", "{directory}", "{home}", "~/.claude/.credentials.json", "~"])
def test_a_named_file(theirs: Path, named: str) -> None:
    directory = theirs.parent
    found = find(named.format(file=theirs, directory=directory, home=directory.parent))
    assert found.source.path == str(theirs)


def test_a_missing_named_file_does_not_fall_back_to_the_keychain(tmp_path: Path, keychain: Keychain) -> None:
    keychain(login("keychain"))
    assert "there is no such file" in refusal(str(tmp_path / "none"), "darwin")
    assert "this directory has no .credentials.json" in refusal(str(tmp_path), "darwin")


@pytest.mark.skipif(os.name == "nt", reason="there it is a path")
def test_a_path_of_windows_is_explained() -> None:
    assert "in WSL drive C: is at /mnt/c" in refusal("C:\\Users\\me\\.claude")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions mean nothing here")
def test_an_unreadable_file(theirs: Path) -> None:
    theirs.chmod(0)
    assert "can't read it" in refusal()
    theirs.chmod(stat.S_IRUSR)


def test_a_path_through_a_file_can_not_be_read(theirs: Path) -> None:
    assert "can't read it" in refusal(f"{theirs}/x")
    assert "a?b: can't read it" in refusal("a\0b")
    assert "a?b: there is no such file" in refusal("a\nb")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no endless device here")
def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert len(module.named_source("/dev/zero").text) == MAX_BYTES + 1
    assert "too long" in refusal("/dev/zero")


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("CLAUDE_CODE_OAUTH_TOKEN", "teamclaude login --token CLAUDE_CODE_OAUTH_TOKEN"),
        ("WSL_DISTRO_NAME", "import --from /mnt/c/Users/YOU/.claude"),
    ],
)
def test_no_login_here_but_perhaps_there(
    private_home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
) -> None:
    assert said not in refusal()
    monkeypatch.setenv(variable, "FAKE")
    assert said in refusal()


# --- the file and the Keychain ----------------------------------------------------------------------

LOCKED = TeamClaudeError("the Keychain is locked")
# The file's content, the Keychain's, which one is taken, and what the note says of the other.
BOTH: list[tuple[Any, Any, str, str]] = [
    (None, login("k"), "keychain", ""),
    (login("f"), None, "file", ""),
    (login("f", -9999), login("k"), "keychain", "its login has lapsed"),
    (login("f"), login("k", -9999), "file", "its login has lapsed"),
    (login("f", 60), login("k"), "keychain", "its login ends no later"),
    (login("f"), login("k", 60), "file", "its login ends no later"),
    (login("f"), login("k"), "keychain", "its login ends no later"),
    (login("f"), login("f"), "keychain", ""),
    (login("f", -60), login("k", -9999), "file", "has lapsed"),
    (
        login("f", -1, refreshTokenExpiresAt=1_700_000_000_000),
        login("k", -9),
        "keychain",
        "this login has ended",
    ),
    (login("f", expiresAt=0), login("k", -60), "file", "its login has lapsed"),
    (ENDED, login("k", -1), "keychain", "Claude Code's login there has ended"),
    (login("f", -1), ENDED, "file", "Claude Code's login there has ended"),
    (b"", login("k"), "keychain", "is empty"),
    (b"{", login("k"), "keychain", "it ends in the middle"),
    ({"mcpOAuth": {}}, login("k"), "keychain", "holds no login"),
    (login("f"), b"", "file", "the Keychain item of Claude Code: is empty"),
    (login("f"), LOCKED, "file", "the Keychain is locked"),
    (login("f", -60), LOCKED, "file", "the Keychain is locked"),
]


@pytest.mark.parametrize(("in_file", "in_keychain", "taken", "said"), BOTH)
def test_on_a_mac_both_are_looked_at_and_the_better_one_is_taken(
    file: Path, keychain: Keychain, in_file: Any, in_keychain: Any, taken: str, said: str
) -> None:
    if in_file is not None:
        file.write_bytes(in_file if isinstance(in_file, bytes) else json.dumps(in_file).encode())
    keychain(in_keychain)
    found = find(platform="darwin")
    assert found.source.path == (str(file) if taken == "file" else None)
    assert said in found.note
    assert found.note.startswith(f"the login is taken from {found.source.label} (") is (said != "")
    assert "FAKE" not in found.note
    assert "use teamclaude login" not in found.note  # there is nothing to do


@pytest.mark.parametrize(
    ("in_file", "in_keychain", "said"),
    [
        (None, None, "Claude Code is not logged in here"),
        (None, LOCKED, "the Keychain is locked"),
        (ENDED, LOCKED, "the Keychain is locked; {file}: Claude Code's login there has ended"),
        (ENDED, None, "{file}: Claude Code's login there has ended"),
        (None, ENDED, "the Keychain item of Claude Code: Claude Code's login there has ended"),
        (None, {"keychainOverflow": {"slot": "a", "key": "FAKE"}}, "in another item, encrypted"),
    ],
)
def test_on_a_mac_without_a_login(
    file: Path, keychain: Keychain, in_file: Any, in_keychain: Any, said: str
) -> None:
    if in_file is not None:
        file.write_text(json.dumps(in_file))
    keychain(in_keychain)
    assert said.format(file=file) in refusal(platform="darwin")


def test_elsewhere_the_keychain_is_not_asked(theirs: Path, keychain: Keychain) -> None:
    keychain(AssertionError("asked"))
    assert find(platform="linux").source.path == str(theirs)
