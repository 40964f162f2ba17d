"""What a client is led to on a server elsewhere: the account that a person names."""

from __future__ import annotations

from typing import Any, cast

import pytest

from teamclaude.cli.remote.client import RemoteProxyClient
from teamclaude.cli.remote.launching import account_there
from teamclaude.errors import TeamClaudeError, UsageError

CAPACITY = {"accounts": [{"name": "alice"}], "lastResort": {"accounts": [{"name": "paid"}]}}


class Server:
    """Tells its capacity, and the role of the key."""

    def __init__(self, role: str) -> None:
        self._answers = {
            "/teamclaude/capacity": CAPACITY,
            "/teamclaude/caller": {"name": "bob", "role": role},
        }

    def get(self, path: str) -> Any:
        return self._answers[path]


def named(role: str, wanted: str) -> str:
    return account_there(cast(RemoteProxyClient, Server(role)), wanted)


@pytest.mark.parametrize("role", ["client", "operator"])
def test_any_key_names_a_subscription(role: str) -> None:
    assert named(role, "ali") == "alice"
    with pytest.raises(UsageError):
        named(role, "nobody")


def test_a_paid_key_is_named_by_operators_alone() -> None:
    assert named("operator", "paid") == "paid"
    with pytest.raises(TeamClaudeError, match=r"^paid costs money: only a key with the role operator may"):
        named("client", "paid")
