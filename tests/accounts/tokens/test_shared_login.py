"""One login in two servers: safe with one config file; with a copy of it the second one says so and stops."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.tokens.refresh import USED_ELSEWHERE
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.errors import LoginRefusedError
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.server import ProxyServer
from tests.accounts.support import Logins
from tests.fakeapi.authserver import TOKEN_PATH


class Servers:
    """Real servers in virtual time; all are stopped afterwards."""

    def __init__(self, logins: Logins) -> None:
        self.logins = logins
        self.warnings: list[list[str]] = []
        self._made: list[ProxyServer] = []

    def start(self, config: Path) -> ProxyServer:
        lines: list[str] = []
        server = ProxyServer(
            ConfigFile(config, lines.append), port=0, clock=self.logins.clock, warn=lines.append
        )
        server.start()
        self.warnings.append(lines)
        self._made.append(server)
        return server

    def stop(self) -> None:
        for each in self._made:
            each.stop(0)


@pytest.fixture
def servers(logins: Logins) -> Iterator[Servers]:
    logins.log_in("anna")
    made = Servers(logins)
    yield made
    made.stop()


def copied(logins: Logins, to: Path) -> Path:
    """The config file as somebody copies it to another machine."""
    to.mkdir()
    return Path(shutil.copy(logins.config_dir.path, to / "teamclaude.json"))


def ask(server: ProxyServer, logins: Logins) -> Any:
    return server.runtime.token_manager.before_dispatch(logins.key())


def told(lines: list[str]) -> list[str]:
    return [line for line in lines if "re-login needed" in line]


def test_two_servers_with_one_config_file_never_lose_the_login(servers: Servers) -> None:
    logins, path = servers.logins, servers.logins.config_dir.path
    both = [servers.start(path), servers.start(path)]
    for turn in range(6):
        logins.advance(8)
        assert ask(both[turn % 2], logins)
        assert ask(both[1 - turn % 2], logins)
    assert len(logins.server.calls) == 6, "one renewal each time, whoever is first"
    assert [told(lines) for lines in servers.warnings] == [[], []]
    assert any("another server runs with the same config file" in line for line in servers.warnings[1])


def test_of_two_servers_with_a_copied_login_the_second_says_it_and_spends_nothing_more(
    servers: Servers, tmp_path: Path
) -> None:
    logins = servers.logins
    first = servers.start(logins.config_dir.path)
    second = servers.start(copied(logins, tmp_path / "copy"))
    logins.advance(8)
    assert ask(first, logins)
    refused = ask(second, logins)
    assert (refused.usable, refused.retry_at) == (False, None)
    assert refused.reason.endswith(USED_ELSEWHERE)
    (line,) = told(servers.warnings[1])
    assert line.startswith("anna: re-login needed: ")
    assert line.endswith(USED_ELSEWHERE)
    calls = len(logins.server.calls)
    for _ in range(20):
        logins.advance(1)
        second.runtime.token_manager.run_due()
        assert not ask(second, logins)
    assert len(logins.server.calls) == calls
    (account,) = second.snapshot().accounts
    assert (account.status, account.token is not None and account.token.state) == (
        "auth_failed",
        "re-login needed",
    )


def test_a_restart_remembers_it_and_a_new_login_ends_it(servers: Servers, tmp_path: Path) -> None:
    logins = servers.logins
    copy = copied(logins, tmp_path / "copy")
    manager = logins.manager()
    second = servers.start(copy)
    logins.advance(8)
    manager.run_due()
    assert not ask(second, logins)
    second.stop(0)
    calls = len(logins.server.calls)
    again = servers.start(copy)
    refused = ask(again, logins)
    assert "its refresh token was refused at" in refused.reason
    assert refused.reason.endswith(USED_ELSEWHERE)
    assert len(logins.server.calls) == calls
    logins.log_in("anna")
    shutil.copy(logins.config_dir.path, copy)
    again.reload()
    assert ask(again, logins)


def test_a_token_that_the_api_refuses_early_is_told_of_in_the_same_way(
    servers: Servers, tmp_path: Path
) -> None:
    logins = servers.logins
    second = servers.start(copied(logins, tmp_path / "copy")).runtime.token_manager
    logins.server.revoke(logins.server.users[0])
    refused = second.after_401(logins.key(), logins.token(second))
    assert refused.reason.endswith(USED_ELSEWHERE)


# --- what is no such case -------------------------------------------------------------------------


def refusal(logins: Logins, manager: TokenManager) -> str:
    usable = manager.before_dispatch(logins.key())
    assert not usable
    return str(usable.reason)


def test_a_login_at_its_end_was_used_by_nobody_else(servers: Servers) -> None:
    logins = servers.logins
    manager = logins.manager()
    logins.advance(31 * 24)
    reason = refusal(logins, manager)
    assert "log in again" in reason
    assert USED_ELSEWHERE not in reason


def test_a_lost_answer_of_our_own_is_no_proof(servers: Servers) -> None:
    logins = servers.logins
    manager = logins.manager()
    logins.server.script.once(Fault.no_head(), path=TOKEN_PATH)
    logins.advance(8)
    assert not manager.before_dispatch(logins.key())
    logins.advance(1)
    logins.server.revoke(logins.server.users[0])
    reason = refusal(logins, manager)
    assert "was never stored" in reason
    assert USED_ELSEWHERE not in reason
    assert USED_ELSEWHERE not in refusal(logins, logins.manager()), "nor after a restart"


def test_a_refusal_that_is_not_about_the_token_is_no_proof(servers: Servers) -> None:
    logins = servers.logins
    manager = logins.manager()
    logins.server.script.once(Fault.status(403), path=TOKEN_PATH)
    logins.advance(8)
    assert USED_ELSEWHERE not in refusal(logins, manager)


def test_a_newer_pair_that_another_process_has_stored_meanwhile_is_used(servers: Servers) -> None:
    """On a file system whose locks don't reach the other machine both may spend the token."""
    logins = servers.logins

    def spend(config: Any, route: Any, token: str) -> Any:
        logins.log_in("anna")  # the other one is done
        raise LoginRefusedError("refused", 400)

    manager = logins.manager(spend=spend)
    logins.advance(8)
    assert manager.before_dispatch(logins.key())
    assert logins.token(manager) == logins.entry()["accessToken"]
    assert logins.warnings == []
