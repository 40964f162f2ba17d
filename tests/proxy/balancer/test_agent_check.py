"""The port of HAProxy's agent-check: one line for whoever connects."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.errors import ConfigError
from teamclaude.proxy.balancer import agent_check
from teamclaude.proxy.balancer.agent_check import AgentCheck
from teamclaude.proxy.lifecycle.ending import ANNOUNCED, Ending
from tests.waiting import until

Build = Callable[..., Any]


def ask(port: int, host: str = "127.0.0.1", say: bytes = b"") -> bytes:
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(say)
        got = b""
        while data := connection.recv(100):
            got += data
        return got


class Agent:
    """An agent-check whose answers and clock are set by the test."""

    def __init__(self, hosts: tuple[str, ...] = ("127.0.0.1",), port: int = 0) -> None:
        self.answer = "up 40%"
        self.asked = 0
        self.now = 0.0
        self.warnings: list[str] = []
        self.check = AgentCheck(hosts, port, self._ask, self.warnings.append, lambda: self.now)
        self.check.start()

    def _ask(self) -> str:
        self.asked += 1
        return self.answer


@pytest.fixture
def agent() -> Iterator[Agent]:
    made = Agent()
    yield made
    made.check.close()


def refused(port: int) -> bool:
    try:
        ask(port)
    except ConnectionRefusedError:
        return True
    return False


def test_whoever_connects_gets_the_line_and_the_end(agent: Agent) -> None:
    assert ask(agent.check.port) == b"up 40%\n"
    assert ask(agent.check.port, say=b"what HAProxy's agent-send says\n") == b"up 40%\n"


def test_many_questions_are_one_look(agent: Agent) -> None:
    assert {ask(agent.check.port) for _ in range(20)} == {b"up 40%\n"}
    assert agent.asked == 1
    agent.answer, agent.now = "drain", agent_check.LOOK_SEC
    assert ask(agent.check.port) == b"drain\n"


def test_those_who_neither_read_nor_close_keep_nobody_waiting(agent: Agent) -> None:
    silent = [socket.create_connection(("127.0.0.1", agent.check.port)) for _ in range(50)]
    for sock in silent[:25]:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert ask(agent.check.port) == b"up 40%\n"
    for sock in silent:
        sock.close()


def test_each_address_of_the_server_is_answered() -> None:
    try:
        made = Agent(("127.0.0.1", "::1"))
    except ConfigError:
        pytest.skip("no IPv6 here")
    assert ask(made.check.port, "::1") == ask(made.check.port) == b"up 40%\n"
    made.check.close()
    assert refused(made.check.port)


def test_a_port_in_use_is_taken_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_check, "FIRST_ATTEMPTS", 0)
    monkeypatch.setattr(agent_check, "RETRY_SEC", 0.01)
    monkeypatch.setattr(agent_check, "WARN_AFTER", 3)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        made = Agent(port=port)
        until(lambda: bool(made.warnings))
        assert f"port {port} is in use" in made.warnings[0]
    until(lambda: not refused(port))
    assert ask(port) == b"up 40%\n"
    made.check.close()


def test_the_port_of_a_process_that_ends_is_taken_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_check, "RETRY_SEC", 1000.0)
    monkeypatch.setattr(agent_check, "FIRST_ATTEMPTS", 1000)
    before = Agent()
    following = Agent(port=before.check.port)
    before.check.close()
    until(lambda: not refused(following.check.port))
    following.check.close()


def test_it_can_be_closed_while_it_waits_for_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        made = Agent(port=other.getsockname()[1])
        made.check.close()
        assert not made.check._thread.is_alive()


def test_when_it_is_closed_the_next_process_can_have_the_port(agent: Agent) -> None:
    assert ask(agent.check.port) == b"up 40%\n"
    agent.check.close()
    agent.check.close()
    successor = Agent(port=agent.check.port)
    assert ask(agent.check.port) == b"up 40%\n"
    assert successor.asked == 1
    successor.check.close()


def test_an_address_that_is_none_of_ours_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match=r"proxy\.agentPort: can't listen on port 0: "):
        Agent(("192.0.2.1",))


def test_the_server_answers_and_says_drain_before_it_ends(stage: Build) -> None:
    s = stage("a", proxy={"agentPort": 0})
    server = s.service
    port = server._agent.port
    assert ask(port) == b"up ready 10%\n"  # one account that is not proven yet
    server.runtime.life.ending = Ending(ANNOUNCED)
    until(lambda: ask(port) == b"drain\n")
    server.stop(0)
    assert refused(port)


def test_after_a_handover_it_is_the_next_process_that_answers(stage: Build) -> None:
    s = stage("a", proxy={"agentPort": 0})
    port = s.service._agent.port
    assert ask(port)
    s.service.succession.let_go()
    assert refused(port)
    assert s.ask().status == 200  # what runs here may finish


def test_without_the_setting_there_is_no_port(stage: Build) -> None:
    assert stage("a").service._agent is None


def test_the_same_port_as_the_proxys_is_refused(stage: Build) -> None:
    with pytest.raises(ConfigError, match=r"agentPort and port are the same \(4711\)"):
        stage("a", proxy={"port": 4711, "agentPort": 4711})


def test_a_new_port_needs_a_restart(stage: Build) -> None:
    s = stage("a", proxy={"agentPort": 0})
    document = s.document()
    del document["proxy"]["agentPort"]
    s.write(document)
    assert s.send("POST", "/teamclaude/accounts/reload").json()["needsRestart"] == ["proxy.agentPort"]
