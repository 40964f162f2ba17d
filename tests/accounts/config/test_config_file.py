"""The file on disk: where it is, created once, read strictly."""

from __future__ import annotations

import errno
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import config_path
from teamclaude.accounts.config.file_lock import FileLock
from teamclaude.accounts.config.state_place import state_path
from tests.accounts.support import ConfigDir

ROOT = Path(__file__).resolve().parents[3]
posix = pytest.mark.skipif(os.name == "nt", reason="modes and symlinks are POSIX")


# --- where it is --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"TEAMCLAUDE_CONFIG": "/etc/tc.json", "XDG_CONFIG_HOME": "/x"}, "/etc/tc.json"),
        ({"TEAMCLAUDE_CONFIG": "~/my.json"}, "/home/u/my.json"),
        ({"TEAMCLAUDE_CONFIG": "", "XDG_CONFIG_HOME": "/x"}, "/x/teamclaude.json"),
        ({"XDG_CONFIG_HOME": "relative"}, "/home/u/.config/teamclaude.json"),
        ({}, "/home/u/.config/teamclaude.json"),
    ],
)
def test_the_path_of_the_config(env: dict[str, str], path: str) -> None:
    assert config_path({"HOME": "/home/u", **env}) == Path(path)


def test_a_relative_config_is_relative_to_here_and_stays_there(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_path({"TEAMCLAUDE_CONFIG": "./my.json"}) == tmp_path / "my.json"


@pytest.mark.parametrize(
    ("config", "state"),
    [
        ("teamclaude.json", "teamclaude.state.json"),
        ("x.y.json", "x.y.state.json"),
        ("conf", "conf.state.json"),
    ],
)
def test_the_state_is_beside_the_config(config: str, state: str) -> None:
    assert state_path(Path("/d") / config) == Path("/d") / state


# --- first use ----------------------------------------------------------------------------------


@posix
def test_a_missing_file_is_made_private_with_a_random_key(
    tmp_path: Path, new_config_dir: type[ConfigDir]
) -> None:
    config_dirs = [new_config_dir(tmp_path / name / "deep") for name in ("one", "two")]
    configs = [config_dir.file.load_or_create() for config_dir in config_dirs]
    for config_dir, config in zip(config_dirs, configs):
        assert config_dir.mode == 0o600
        assert config_dir.path.parent.stat().st_mode & 0o777 == 0o700
        assert re.fullmatch(r"tc-[\w-]{32}", config.proxy.api_key or "")
        assert config_dir.json == {"proxy": {"port": 3456, "apiKey": config.proxy.api_key}, "accounts": []}
        assert config_dir.warnings == [f"created {config_dir.path} with a new proxy key"]
        assert config_dir.file.load_or_create() == config
    assert configs[0].proxy.api_key != configs[1].proxy.api_key


@pytest.mark.parametrize("proxy", ["absent", None, {}, {"port": 9}, {"apiKey": None}, {"apiKey": ""}])
def test_a_missing_key_is_added_to_a_file_that_is_there(config_dir: ConfigDir, proxy: Any) -> None:
    raw = {**config_dir.sample(), "proxy": proxy}
    if proxy == "absent":
        del raw["proxy"]
    config_dir.write(raw)
    config = config_dir.file.load_or_create()
    assert config.proxy.api_key
    assert config.proxy.api_key.startswith("tc-")
    port = {"port": 9} if proxy == {"port": 9} else {}
    assert config_dir.json == {**raw, "proxy": {**port, "apiKey": config.proxy.api_key}}
    assert len(config_dir.warnings) == 1
    assert config.proxy.api_key not in config_dir.warnings[0]


@pytest.mark.parametrize("before", [None, {"accounts": []}])
def test_a_key_made_meanwhile_by_another_process_is_used(
    config_dir: ConfigDir, monkeypatch: Any, before: Any
) -> None:
    if before is not None:
        config_dir.write(before)

    class Overtaken(FileLock):
        def __enter__(self) -> FileLock:
            config_dir.write({"proxy": {"apiKey": "tc-THEIRS"}, "accounts": []})
            return super().__enter__()

    monkeypatch.setattr("teamclaude.accounts.config.config_file.FileLock", Overtaken)
    assert config_dir.file.load_or_create().proxy.api_key == "tc-THEIRS"
    assert config_dir.warnings == []


def test_load_creates_nothing(config_dir: ConfigDir) -> None:
    assert config_dir.error_of(config_dir.file.load) == f"{config_dir.path}: there is no such file"
    assert (
        config_dir.error_of(config_dir.file.update, dict.clear) == f"{config_dir.path}: there is no such file"
    )
    assert config_dir.file.stamp() is None
    assert not config_dir.path.exists()


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ('{"proxy": {"apiKey": "tc-FAKE",}}', "line 1, column 31: "),
        ("[]", "expected a JSON object"),
        ('{"accounts": [{"name": "bob", "accessToken": 5}]}', "accounts[0].accessToken: expected text"),
        ('{"accounts": [{"name": "bob"}]}', 'accounts[0]: account "bob" has neither'),
    ],
)
def test_an_invalid_file_is_one_line_and_is_not_changed(
    config_dir: ConfigDir, text: str, problem: str
) -> None:
    config_dir.write(text)
    for call in (
        config_dir.file.load,
        config_dir.file.load_or_create,
        lambda: config_dir.file.update(dict.clear),
    ):
        assert re.match(re.escape(f"{config_dir.path}: {problem[:16]}"), config_dir.error_of(call))
        assert config_dir.text == text
    assert config_dir.other_files == set()


@posix
@pytest.mark.parametrize("kind", ["directory", "socket", "link to a socket"])
def test_something_that_is_not_a_regular_file_is_not_touched(
    config_dir: ConfigDir, tmp_path: Path, monkeypatch: Any, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    if kind == "directory":
        config_dir.path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("s" if kind.startswith("link") else config_dir.path.name)
    if kind.startswith("link"):
        config_dir.path.symlink_to("s")
    before = (os.stat(config_dir.path).st_mode, set(tmp_path.iterdir()))
    for call in (config_dir.file.load_or_create, lambda: config_dir.file.update(dict.clear)):
        assert config_dir.error_of(call) == f"{config_dir.path}: is not a regular file"
    assert (os.stat(config_dir.path).st_mode, set(tmp_path.iterdir())) == before


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_one_line(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample(), 0o000)
    assert config_dir.error_of(config_dir.file.load) == f"{config_dir.path}: can't read it: Permission denied"


@posix
@pytest.mark.parametrize("loose", [0o644, 0o640, 0o660, 0o604])
def test_a_file_others_can_read_is_made_private_with_a_warning(config_dir: ConfigDir, loose: int) -> None:
    config_dir.write(config_dir.sample(), loose)
    config_dir.file.load()
    assert config_dir.mode == 0o600
    assert len(config_dir.warnings) == 1
    assert "others could read it" in config_dir.warnings[0]
    config_dir.file.load()
    assert len(config_dir.warnings) == 1


@posix
def test_a_mode_that_cannot_be_changed_is_a_warning_with_a_remedy(
    config_dir: ConfigDir, monkeypatch: Any
) -> None:
    config_dir.write(config_dir.sample(), 0o644)

    def refuse(*args: Any) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "chmod", refuse)
    assert config_dir.file.load().accounts[0].name == "bob"
    assert f"chmod 600 {config_dir.path}" in config_dir.warnings[0]


def test_duplicates_are_merged_with_one_line_each_and_the_file_stays(config_dir: ConfigDir) -> None:
    raw = config_dir.sample()
    raw["accounts"].append(
        {**raw["accounts"][0], "accessToken": "sk-ant-oat01-NEWER", "expiresAt": 1774999999000}
    )
    text = config_dir.write(raw)
    config = config_dir.file.load()
    assert [account.access_token for account in config.accounts] == ["sk-ant-oat01-NEWER"]
    assert len(config_dir.warnings) == 1
    assert "are the same account" in config_dir.warnings[0]
    assert "NEWER" not in config_dir.warnings[0]
    assert config_dir.text == text


def test_of_many_duplicates_a_few_are_told(config_dir: ConfigDir) -> None:
    entry = {"name": "a", "accessToken": "sk-ant-oat01-FAKE"}
    accounts = [{**entry, "name": f"a{n // 2}", "accountUuid": f"u-{n // 2}"} for n in range(60)]
    config_dir.write({"accounts": accounts + [{**entry, "name": "z", "accountUuid": "z"}] * 1000})
    assert len(config_dir.file.load().accounts) == 31
    assert len(config_dir.warnings) == 6
    assert config_dir.warnings[-1].endswith("accounts: and 26 more like that")
    assert all(len(line) < 400 for line in config_dir.warnings)


# --- read once ------------------------------------------------------------------------------------


def counted_reads(config_dir: ConfigDir, monkeypatch: Any) -> list[Any]:
    reads: list[Any] = []
    read = type(config_dir.file)._read
    monkeypatch.setattr(type(config_dir.file), "_read", lambda file: (reads.append(file), read(file))[1])
    return reads


def test_a_file_is_read_once_per_change(config_dir: ConfigDir, monkeypatch: Any) -> None:
    reads = counted_reads(config_dir, monkeypatch)
    config_dir.write(config_dir.sample())
    os.utime(config_dir.path, (1, 1))
    assert config_dir.file.load() is config_dir.file.load()
    assert len(reads) == 1
    config_dir.write({**config_dir.sample(), "accounts": []})
    assert config_dir.file.load().accounts == ()
    assert len(reads) == 2


def test_what_was_written_here_is_not_read_again(config_dir: ConfigDir, monkeypatch: Any) -> None:
    config_dir.write(config_dir.sample())
    reads = counted_reads(config_dir, monkeypatch)
    config_dir.file.update(lambda raw: raw["accounts"].clear())
    assert config_dir.file.load().accounts == ()
    assert len(reads) == 1


def test_an_edit_in_place_with_the_same_time_and_size_is_seen(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    config_dir.file.load()
    found = os.stat(config_dir.path)
    config_dir.write({**config_dir.sample(), "proxy": {"port": 3457, "apiKey": "tc-FAKE"}})
    os.utime(config_dir.path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert os.stat(config_dir.path)[6:9] == found[6:9]
    assert config_dir.file.load().proxy.port == 3457


def test_a_change_starts_from_the_current_content(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    os.utime(config_dir.path, (1, 1))
    config_dir.file.load()
    config_dir.write({**config_dir.sample(), "proxy": {"port": 3457, "apiKey": "tc-FAKE"}})
    os.utime(config_dir.path, (1, 1))
    config_dir.file.update(lambda raw: raw.update(record=True))
    assert config_dir.json["proxy"]["port"] == 3457
    assert config_dir.json["record"] is True


@posix
def test_the_mode_is_restored_even_if_the_content_is_cached(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    os.utime(config_dir.path, (1, 1))
    config_dir.file.load()
    config_dir.path.chmod(0o644)
    config_dir.file.load()
    assert config_dir.mode == 0o600
    assert len(config_dir.warnings) == 1


def test_a_file_system_without_locks_is_an_error_with_a_remedy(
    config_dir: ConfigDir, monkeypatch: Any
) -> None:
    def refuse(handle: int, block: bool) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    config_dir.write(config_dir.sample())
    monkeypatch.setattr("teamclaude.accounts.config.file_lock._lock", refuse)
    line = config_dir.error_of(config_dir.file.update, dict.clear)
    assert "knows no locks; keep it on another one (TEAMCLAUDE_CONFIG)" in line


@posix
def test_both_directories_of_a_linked_file_are_checked(config_dir: ConfigDir, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    config_dir.path.symlink_to(tmp_path / "real" / "x.json")
    tmp_path.chmod(0o700)
    assert config_dir.file.permission_warnings() == []
    (tmp_path / "real").chmod(0o777)
    assert [str(tmp_path / "real") in line for line in config_dir.file.permission_warnings()] == [True]
    tmp_path.chmod(0o777)
    assert len(config_dir.file.permission_warnings()) == 2


def test_a_note_shows_no_credential_and_no_control_character(config_dir: ConfigDir) -> None:
    secret = "sk-ant-api03-SECRET"
    config_dir.write({"pins": {f"/a\nb/{secret}": "zoe"}, "reserve": {}})
    config_dir.file.load()
    misplaced, pin = config_dir.file.new_notes()
    assert "reserve has no effect there" in misplaced
    assert "SECRET" not in pin
    assert pin.isprintable(), pin


def test_of_a_thousand_routes_without_their_effect_a_few_are_told_and_of_more_what_is_new(
    config_dir: ConfigDir,
) -> None:
    routes: list[dict[str, Any]] = [{"match": "*", "accounts": []} for _ in range(999)]
    config_dir.write({"routes": routes})
    config_dir.file.load()
    notes = config_dir.file.new_notes()
    assert len(notes) == 2 * 6
    assert notes[-1].endswith("routes[]: and 993 more like that")
    config_dir.write({"routes": [*routes, {"match": {"client": "nobody"}, "accounts": []}]})
    config_dir.file.load()
    assert [note.partition("routes[999]")[1] for note in config_dir.file.new_notes()] == ["routes[999]"] * 3
