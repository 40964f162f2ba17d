"""Concurrent writers and readers of one file."""

from __future__ import annotations

import subprocess
import sys
import threading
from operator import methodcaller
from pathlib import Path

from teamclaude.accounts.config.config_file import ConfigFile
from tests.accounts.support import ConfigDir

ROOT = Path(__file__).resolve().parents[3]

ADD_ONE = """
import sys
from pathlib import Path
from teamclaude.accounts.config.edits import add_or_replace_account
from teamclaude.accounts.config.config_file import ConfigFile
file = ConfigFile(Path(sys.argv[1]), lambda text: None, lock_timeout_s=30)
sys.stdin.read()
file.load_or_create()
account = {"name": sys.argv[2], "type": "oauth", "accessToken": "sk-ant-oat01-FAKE"}
file.update(lambda raw: add_or_replace_account(raw, account))
"""


def test_many_commands_at_once_lose_nothing(config_dir: ConfigDir) -> None:
    names = [f"account-{n}" for n in range(8)]
    crowd = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", ADD_ONE, str(config_dir.path), name], cwd=ROOT, stdin=subprocess.PIPE
        )
        for name in names
    ]
    for child in crowd:  # all begin together: each waits for the end of its input
        assert child.stdin is not None
        child.stdin.close()
    assert [child.wait(60) for child in crowd] == [0] * 8
    config = config_dir.file.load()
    assert sorted(account.name for account in config.accounts) == sorted(names)
    assert config.proxy.api_key
    assert config_dir.other_files == set()


def test_readers_among_writing_threads_see_whole_files_only(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    sizes: list[int] = []
    failures: list[BaseException] = []

    def add(number: int) -> None:
        for step in range(4):
            key = f"k{number}-{step}"
            ConfigFile(config_dir.path, print).update(methodcaller("update", {key: "x" * 2000}))

    def read() -> None:
        try:
            while writers_left():
                sizes.append(len(config_dir.file.load().accounts))
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=add, args=(number,)) for number in range(4)]

    def writers_left() -> bool:
        return any(writer.is_alive() for writer in writers)

    for writer in writers:
        writer.start()
    reader = threading.Thread(target=read)
    reader.start()
    for thread in [*writers, reader]:
        thread.join(30)
    assert failures == []
    assert set(sizes) <= {1}
    assert len([key for key in config_dir.json if key.startswith("k")]) == 16
