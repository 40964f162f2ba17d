"""Findings about a server that is named by its address."""

from __future__ import annotations

import pytest

from teamclaude.cli.doctor.checks.remote_checks import check_remote
from teamclaude.cli.doctor.facts.remote_facts import RemoteFacts
from tests.cli.doctor.support import ids

GOOD = RemoteFacts("https://box:3456", version="1.0", role="client")


def test_a_good_one() -> None:
    assert check_remote(GOOD, "1.0") == ("server", "https://box:3456, 1.0, as client", [])


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"problem": "no proxy answers"}, "remote.unreachable"),
        ({"problem": "does not accept this key", "is_refused": True}, "remote.refused"),
        ({"is_plain": True}, "remote.plain-http"),
        ({"role": "observer"}, "remote.observer"),
        ({"version": "0.9"}, "remote.version"),
    ],
)
def test_what_is_wrong(changed: dict[str, object], wanted: str) -> None:
    assert ids(check_remote(GOOD._replace(**changed), "1.0")) == [wanted]  # type: ignore[arg-type]
