"""Every way to start Claude Code, pointed at the proxy in every way, is served by an account of the pool.

The table in `teamclaude help clients` is what these tests find.
"""

from __future__ import annotations

import pytest

from tests.e2e import packages
from tests.e2e.client_environment import CLIENT_TOKEN, KEY, ClientEnvironment
from tests.e2e.ways import MODES, WAYS, Mode, Way

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_turn_is_served_by_an_account(client: ClientEnvironment, mode: Mode, way: Way) -> None:
    if way.versions is not None and client.version not in way.versions:
        pytest.skip(f"{client.version} can't be started this way")
    try:
        way.start(client, (mode.sdk if way.is_sdk else mode.prepare)(client))
    except packages.NotInstalledError as refusal:
        pytest.skip(f"the package could not be installed: {refusal}")
    assert client.turns
    for turn in client.turns:
        assert turn.header("authorization") == f"Bearer sk-ant-oat01-FAKE-{turn.account}"
        assert turn.header("x-api-key") is None
        assert CLIENT_TOKEN not in str(turn.headers)
    for exchange in client.api.log:
        assert KEY not in str(exchange.headers)
    # The fake API knows none of the client's own requests, which first-party mode passes on.
    turns = [record for record in client.records if record["path"].partition("?")[0] == "/v1/messages"]
    assert {record["outcome"] for record in turns} == {"served"}
    # 2.1.112 asks for its profile before it has read in its settings whom to trust; it goes on without.
    early = client.version == "2.1.112" and mode.name == "settings --first-party"
    told = [line for line in client.warnings if not (early and "broke off its TLS handshake" in line)]
    assert told == []
