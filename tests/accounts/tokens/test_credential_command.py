"""Programs that print a credential: run, limited, killed; and what the manager does with what they print."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.tokens.credential_command import run_command
from teamclaude.accounts.tokens.credential_output import MAX_OUTPUT_BYTES
from teamclaude.accounts.tokens.last_good import LastGoodConfig
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.errors import TeamClaudeError
from tests.accounts.support import Logins

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")

KEY = "sk-ant-api03-FAKE-{}"


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def failure(command: list[str], **options: Any) -> str:
    with pytest.raises(TeamClaudeError) as caught:
        run_command(command, **options)
    text = str(caught.value)
    assert "SECRET" not in text
    assert "\n" not in text
    return text


def test_what_it_prints_is_returned() -> None:
    assert run_command(shell("echo one; echo noise >&2; exec >&-; echo SECRET; true")) == b"one\n"


def test_it_gets_words_and_no_shell() -> None:
    assert run_command(["printf", "%s", "$HOME; a b"]) == b"$HOME; a b"


def test_it_runs_at_home_with_an_empty_stdin_and_a_session_of_its_own(private_home: Path) -> None:
    assert run_command(["pwd", "-P"]).decode().strip() == str(private_home.resolve())
    assert run_command(["cat"]) == b""
    code = "import os; print(os.getsid(0) == os.getpid())"
    assert run_command([sys.executable, "-c", code]) == b"True\n"


def test_it_gets_no_descriptor_of_ours() -> None:
    there, here = os.pipe()
    os.set_inheritable(here, True)
    code = f"import os\ntry: os.fstat({here})\nexcept OSError: print('closed')"
    assert run_command([sys.executable, "-c", code]) == b"closed\n"
    os.close(there)
    os.close(here)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["no-such-program-here"], "is not on the PATH of the server"),
        (["sk-SECRET"], "is not on"),
        (["/nowhere/program"], "can't be run: No such file or directory"),
        (["/"], "can't be run: Permission denied"),
        (["sh", "\0"], "can't be run: embedded null byte"),
        (shell("echo SECRET; echo SECRET >&2; exit 7"), "failed (exit status 7); run it in a terminal"),
        (shell("kill -9 $$"), "failed (signal 9); run it in a terminal"),
    ],
)
def test_what_can_not_be_run_is_one_line(command: list[str], text: str) -> None:
    name = command[0].replace("sk-SECRET", "***")
    assert failure(command).startswith(f"credentialCommand {name} {text}")


def test_one_that_does_not_end_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = shell(f"sleep 1000 & echo $! > {pid}; echo SECRET; wait")
    assert failure(script, limit_sec=0.3) == "credentialCommand sh was killed after 0.3 s"
    assert is_gone(int(pid.read_text()))


def test_one_that_runs_at_a_shutdown_is_killed() -> None:
    assert failure(["sleep", "1000"], is_cancelled=lambda: True).endswith("killed because the server stops")


def test_one_that_prints_without_end_is_killed() -> None:
    assert len(run_command(["yes", "SECRET"])) > MAX_OUTPUT_BYTES


def test_what_it_leaves_behind_is_not_waited_for() -> None:
    assert run_command(shell("sleep 1000 & echo $!; exit 0")).strip().isdigit()


def is_gone(pid: int) -> bool:
    """Wait until no process has this number; a zombie of init counts as gone."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and ") Z " in stat.read_text():
            return True
        time.sleep(0.01)
    return False


# --- in the manager, in virtual time ----------------------------------------------------------------------


class Vault:
    """A file with a credential, the program that prints it, and how often that was run."""

    def __init__(self, logins: Logins, directory: Path) -> None:
        self.logins = logins
        self.file = directory / "vault"
        self.count = directory / "count"
        self.put(KEY.format(1))

    def put(self, text: str) -> None:
        self.file.write_text(text)

    @property
    def runs(self) -> int:
        return len(self.count.read_text()) if self.count.exists() else 0

    def configure(self, **fields: Any) -> None:
        entry = {
            "name": "k",
            "type": "apikey",
            "credentialCommand": shell(f"printf x >> {self.count}; cat {self.file}"),
            **fields,
        }
        self.logins.write_config({"proxy": {"port": 0, "apiKey": "tc-FAKE"}, "accounts": [entry]})

    def token(self, manager: TokenManager) -> Any:
        return manager.tokens["k"].pair.access_token


@pytest.fixture
def vault(logins: Logins, tmp_path: Path) -> Vault:
    vault = Vault(logins, tmp_path)
    vault.configure()
    return vault


def test_it_is_run_at_the_start_and_then_no_more(logins: Logins, vault: Vault) -> None:
    manager = logins.manager()
    assert vault.token(manager) is None
    assert manager.must_wait("k")
    logins.run_timer(manager, 30)
    assert vault.token(manager) == KEY.format(1)
    assert manager.before_dispatch("k")
    assert vault.runs == 1
    assert logins.changed_keys == ["k"]
    assert manager.statuses()["k"].state == "valid"
    assert logins.warnings == []


def test_the_first_request_waits_for_it_if_it_must(logins: Logins, vault: Vault) -> None:
    manager = logins.manager()
    assert manager.before_dispatch("k")
    assert vault.runs == 1


def test_it_is_run_again_after_its_time_and_at_the_end_that_it_names(logins: Logins, vault: Vault) -> None:
    vault.configure(credentialTtlSec=3600)
    manager = logins.manager()
    logins.run_timer(manager, 3.5)
    assert vault.runs == 4
    end = logins.clock.now + 7200
    vault.put(json.dumps({"apiKey": KEY.format(2), "expiresAt": end * 1000}))
    vault.configure()
    manager.configure(logins.config_dir.file.load())
    assert vault.token(manager) == KEY.format(2)
    vault.put(KEY.format(3))
    logins.run_timer(manager, 1.9)
    assert vault.token(manager) == KEY.format(2)
    logins.run_timer(manager, 0.1)
    assert vault.token(manager) == KEY.format(3)
    assert vault.runs == 6
    assert logins.warnings == []  # its end is not the end of a login
    assert manager.statuses()["k"].login_ends_at is None


def test_a_refused_credential_is_asked_for_again(logins: Logins, vault: Vault) -> None:
    manager = logins.manager()
    manager.run_due()
    logins.advance(1)
    vault.put(KEY.format(2))
    assert manager.after_401("k", KEY.format(1))
    assert vault.token(manager) == KEY.format(2)
    assert manager.after_401("k", KEY.format(1))  # of a burst
    assert vault.runs == 2


def test_the_same_credential_is_not_sent_again(logins: Logins, vault: Vault) -> None:
    manager = logins.manager()
    manager.run_due()
    logins.advance(1)
    refused = manager.after_401("k", KEY.format(1))
    assert not refused
    assert refused.retry_at is None
    assert refused.reason == "credentialCommand sh prints the credential that the API refuses; renew it there"
    vault.put(KEY.format(2))
    logins.run_timer(manager, 0.1)
    assert manager.before_dispatch("k")
    assert logins.changed_keys == ["k", "k"]


def test_a_credential_that_is_refused_just_after_it_came(logins: Logins, vault: Vault) -> None:
    manager = logins.manager()
    manager.run_due()
    vault.put(KEY.format(2))
    refused = manager.after_401("k", KEY.format(1))
    assert (bool(refused), refused.reason, vault.runs) == (False, "the API refused it", 1)
    logins.run_timer(manager, 0.01)
    assert manager.before_dispatch("k")
    assert vault.runs == 2


def test_a_failure_leaves_what_serves_and_is_told_once(logins: Logins, vault: Vault) -> None:
    vault.configure(credentialTtlSec=600)
    manager = logins.manager()
    manager.run_due()
    vault.put("")
    logins.run_timer(manager, 3)
    assert manager.before_dispatch("k")
    assert vault.token(manager) == KEY.format(1)
    why = "credentialCommand sh: what it printed is empty"
    assert logins.warnings == [f"k: {why}"]
    assert (manager.statuses()["k"].state, manager.statuses()["k"].reason) == ("refresh due", why)
    assert logins.auth_failures == []
    vault.put(KEY.format(1))
    logins.run_timer(manager, 0.2)
    assert (manager.statuses()["k"].state, manager.statuses()["k"].reason) == ("valid", None)


def test_an_account_without_a_credential_is_out_until_there_is_one(logins: Logins, vault: Vault) -> None:
    vault.put("two\nlines")
    manager = logins.manager()
    manager.run_due()
    why = "credentialCommand sh: what it printed has more than one line; the credential alone is expected"
    assert logins.auth_failures == [("k", why)]
    usable = manager.before_dispatch("k")
    assert (bool(usable), usable.reason) == (False, why)
    assert usable.retry_at is not None
    vault.put(KEY.format(1))
    logins.run_timer(manager, 0.2)
    assert manager.before_dispatch("k")
    assert logins.changed_keys == ["k"]


def test_one_that_was_out_comes_back_with_the_same_credential(logins: Logins, vault: Vault) -> None:
    def until(hours: float) -> str:
        return json.dumps({"apiKey": KEY.format(1), "expiresAt": logins.clock.now + hours * 3600})

    vault.put(until(1))
    manager = logins.manager()
    manager.run_due()
    logins.run_timer(manager, 2)
    (failed,) = logins.auth_failures
    assert failed[1].endswith("prints a credential that has expired; renew it there")
    vault.put(until(5))
    logins.run_timer(manager, 0.2)
    assert logins.changed_keys == ["k", "k"]


def test_a_reload_that_is_asked_for_runs_it_and_another_change_does_not(logins: Logins, vault: Vault) -> None:
    manager = logins.manager()
    manager.run_due()
    vault.put(KEY.format(2))
    manager.configure(logins.config_dir.file.load())
    assert vault.token(manager) == KEY.format(1)
    assert manager.configure(logins.config_dir.file.load(), ask=True) == []
    assert vault.token(manager) == KEY.format(2)
    assert logins.changed_keys == ["k", "k"]


def test_another_command_is_run_and_until_it_answers_the_old_value_serves(
    logins: Logins, vault: Vault
) -> None:
    manager = logins.manager()
    manager.run_due()
    vault.configure(credentialCommand=["false"])
    manager.configure(logins.config_dir.file.load())
    assert manager.before_dispatch("k")
    assert vault.token(manager) == KEY.format(1)
    assert str(manager.statuses()["k"].reason).startswith("credentialCommand false failed")
    vault.configure(credentialCommand=["echo", KEY.format(9)])
    manager.configure(logins.config_dir.file.load())
    assert vault.token(manager) == KEY.format(9)


def test_a_setup_token_of_a_subscription(logins: Logins, vault: Vault) -> None:
    vault.put("sk-ant-oat01-FAKE-1")
    vault.configure(type="oauth", accountUuid="p", orgUuid="o")
    manager = logins.manager()
    assert manager.before_dispatch("p/o")
    assert manager.pairs()["p/o"].access_token == "sk-ant-oat01-FAKE-1"


def test_it_is_never_written_to_the_config_file(logins: Logins, vault: Vault) -> None:
    manager = logins.manager()
    manager.before_dispatch("k")
    file = logins.config_dir.file
    good = LastGoodConfig(file, file.load(), manager.pairs, logins.warnings.append)
    before = logins.config_dir.text
    logins.config_dir.path.unlink()
    good.load()
    assert logins.config_dir.text == before
    assert KEY.format(1) not in logins.config_dir.text


def test_at_a_shutdown_the_program_is_killed_without_a_word(logins: Logins, vault: Vault) -> None:
    vault.configure(credentialCommand=["sleep", "1000"])
    manager = logins.manager(spawn=lambda work: None)
    manager._stopping.set()
    assert manager._refresh_once(manager.tokens["k"]) == ("", False)
    assert manager.statuses()["k"].reason is None
