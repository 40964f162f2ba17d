"""What an operator changes while the server runs; see test_endpoints.py for the paths that do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.errors import BadRequestError, NotFoundError

Build = Callable[..., Any]


def test_controls_on_unknown_accounts_say_which_there_are(stage: Build) -> None:
    controls = stage("alice", "bob").service.runtime.controls
    for act in (
        lambda: controls.switch("carol", None),
        lambda: controls.switch_price("carol", None),
        lambda: controls.set_enabled("carol", True),
    ):
        with pytest.raises(NotFoundError, match="alice, bob"):
            act()


def test_what_stands_in_the_config_file_is_written_there_and_in_force_at_once(stage: Build) -> None:
    s = stage("a", "b")
    controls = s.service.runtime.controls
    assert controls.set_enabled("a", False) == {"account": "a", "enabled": False}
    assert controls.record(True)["on"] is True
    assert s.document()["record"] is True
    assert s.document()["accounts"][0]["disabled"] is True
    assert s.account("a")["status"] == "disabled"
    assert s.ask().account == "b"


def test_a_config_file_that_can_not_be_changed_is_an_error_and_nothing_changes(stage: Build) -> None:
    s = stage("a")
    s.write({"accounts": "none"})
    for act in (lambda controls: controls.record(True), lambda controls: controls.set_enabled("a", False)):
        with pytest.raises(BadRequestError, match="accounts"):
            act(s.service.runtime.controls)
    assert s.account("a")["status"] != "disabled"
