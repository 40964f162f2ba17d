"""What has been alerted of is on disk as it is in memory, and a broken file is as good as none."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from teamclaude.accounts.config.state_place import alert_state_path
from teamclaude.alerts.alert_state import load_states, save_states
from teamclaude.alerts.rules import ConditionState, Episode

STATES = {
    "benched": ConditionState(100.0, {"alice": Episode(101.5, None, True, 110.0)}, 101.5),
    "7d above 90%": ConditionState(100.0, {"bob\n7d": Episode(102.0, 999.0)}),
}


def test_states_survive(tmp_path: Path) -> None:
    path = alert_state_path(tmp_path / "x.json")
    assert path == tmp_path / "x.alerts.json"
    assert load_states(path) == {}
    save_states(path, STATES)
    assert load_states(path) == STATES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"conditions": []}',
        b'{"conditions": {"hold": 5}}',
        b'{"conditions": {"hold": {"began": "x", "firedAt": null, "episodes": {}}}}',
        b'{"conditions": {"hold": {"began": NaN, "firedAt": null, "episodes": {}}}}',
        b'{"conditions": {"hold": {"began": 1, "firedAt": null, "episodes": {"a": [1]}}}}',
        b"\xff\xfe\x00",
    ],
)
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.alerts.json").write_bytes(content)
    assert load_states(tmp_path / "x.alerts.json") == {}


def test_keys_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "x.alerts.json"
    save_states(path, STATES)
    document = json.loads(path.read_text())
    document["more"] = 1
    document["conditions"]["benched"]["more"] = 1
    path.write_text(json.dumps(document))
    assert load_states(path) == STATES
