"""What becomes of open tunnels when keys change."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.proxy.conftest import KEY
from tests.proxy.connect.conftest import basic

Build = Callable[..., Any]
CI = "tc-client-key-ci-00000000000000000000000"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A listening server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


def target(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("change", [None, {"role": "observer"}, {"key": "tc-another-key"}])
def test_tunnels_that_are_passed_on_end_with_their_key(
    forward: Build, tunnels: Callable[[Any], Any], server: socket.socket, change: Any
) -> None:
    s = forward("a", proxy={"clients": [{"name": "ci", "key": CI}]})
    ci, own = tunnels(s), tunnels(s)
    assert ci.connect(target(server), [basic("teamclaude", CI)]).status == 200
    assert own.connect(target(server), [basic("teamclaude", KEY)]).status == 200
    document = s.document()
    document["proxy"]["clients"] = [{"name": "ci", "key": CI, **change}] if change else []
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload")
    assert ci.rest() == (b"", "fin")
    s.until(lambda: [view.open for view in s.service.snapshot().tunnels] == [1])


def test_tunnels_go_on_while_their_key_is_valid(
    forward: Build, tunnels: Callable[[Any], Any], server: socket.socket
) -> None:
    s = forward("a", proxy={"clients": [{"name": "ci", "key": CI}]})
    ci = tunnels(s)
    assert ci.connect(target(server), [basic("teamclaude", CI)]).status == 200
    document = s.document()
    document["proxy"]["clients"][0].update(name="renamed", maxInflight=2)
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload")
    assert [view.open for view in s.service.snapshot().tunnels] == [1]
    end, _ = server.accept()
    with end:
        end.sendall(b"still here")
        assert ci._take(10) == b"still here"
