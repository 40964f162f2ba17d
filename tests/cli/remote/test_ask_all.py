"""Several servers are asked at once, and each failure stays with its server."""

from __future__ import annotations

import threading
from typing import Any

from teamclaude.cli.remote.address import parse_address
from teamclaude.cli.remote.ask_all import ask_all
from teamclaude.cli.remote.client import RemoteProxyClient
from teamclaude.errors import TeamClaudeError


class Answering(RemoteProxyClient):
    """A server that answers with `value`, or raises it."""

    def __init__(self, name: str, value: Any, gate: threading.Barrier) -> None:
        super().__init__(parse_address(f"{name}:1"), "")
        self._value, self._gate = value, gate

    def get(self, path: str) -> Any:
        self._gate.wait(10)  # breaks, unless all are asked at the same time
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


def test_all_are_asked_at_once() -> None:
    gate, down = threading.Barrier(3), TeamClaudeError("it is down")
    servers = [Answering("a", {"x": 1}, gate), Answering("b", down, gate), Answering("c", [1], gate)]
    good, failed, wrong = ask_all(servers, "/capacity")
    assert (good.url, good.value, good.error, good.failure) == ("http://a:1", {"x": 1}, "", None)
    assert (failed.url, failed.value, failed.error, failed.failure) == (
        "http://b:1",
        None,
        "it is down",
        down,
    )
    assert (wrong.value, wrong.error) == (None, "the answer of http://c:1 can't be read")
