"""A server that is named by its address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from teamclaude.cli.doctor.facts.remote_facts import RemoteFacts, remote_facts
from teamclaude.cli.remote.address import parse_address
from teamclaude.cli.remote.client import RemoteProxyClient
from tests.cli.support import KEY, Stub, free_port


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()
    yield stub
    stub.stop()


def ask(port: int) -> RemoteFacts:
    return remote_facts(RemoteProxyClient(parse_address(f"http://127.0.0.1:{port}"), KEY, 2.0))


def test_version_and_role(stub: Stub) -> None:
    stub.answers["GET /teamclaude/caller"] = (200, {"role": "observer", "name": "x"})
    found = ask(stub.port)
    assert (found.version, found.role, found.problem, found.is_plain) == ("0.1.0", "observer", "", False)


@pytest.mark.parametrize("caller", [[], "x", None, {"role": 5}])
def test_answers_of_another_kind(stub: Stub, caller: object) -> None:
    stub.answers["GET /health"] = (200, {"service": "teamclaude", "version": []})
    stub.answers["GET /teamclaude/caller"] = (200, caller)
    assert ask(stub.port).problem == ""


def test_what_goes_wrong_is_a_line(stub: Stub) -> None:
    stub.answers["GET /teamclaude/caller"] = (401, {"error": {"message": "no"}})
    refused = ask(stub.port)
    assert (refused.is_refused, "does not accept this key" in refused.problem) == (True, True)
    down = ask(free_port())
    assert (down.is_refused, bool(down.problem)) == (False, True)
    stub.answers["GET /health"] = (200, b"<html>")
    assert "another program" in ask(stub.port).problem
