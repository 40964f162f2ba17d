"""The manual's table of all ways to start a client has the rows and columns that the end-to-end tests try."""

from __future__ import annotations

import re

import pytest

from teamclaude.manual import page
from tests.e2e.ways import MODES, WAYS, Way


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_has_a_mark_for_every_mode(way: Way) -> None:
    row = re.search(rf"^    {re.escape(way.name)} +(✔.*)$", page("clients"), re.M)
    assert row is not None
    assert len(re.findall("✔", row[1])) == len(MODES)
