"""What an operator changes while the server runs; see test_endpoints.py for the paths that do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.errors import BadRequestError, NotFoundError
from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
PAID = {"type": "apikey", "apiKey": "sk-ant-api03-FAKE-a", "lastResort": False}


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


@pytest.mark.parametrize("entry", [{"accessToken": "sk-ant-oat01-FAKE-a"}, PAID])
def test_a_refused_login_is_tried_again_when_its_owner_enables_the_account(
    stage: Build, entry: dict[str, Any]
) -> None:
    s = stage("a", accounts=[{"name": "a", **entry}])
    s.api.script.always(Fault.status(401, "invalid token"))
    assert s.ask().status == 502
    assert (s.account("a")["status"], s.ask().status, s.api.arrived) == ("auth_failed", 502, 1)
    done = s.service.runtime.controls.set_enabled("a", True)
    assert done["note"].startswith("its login was refused (")
    assert done["note"].endswith("), and the next request tries it again")
    assert s.account("a")["status"] == "active"
    assert (s.ask().status, s.api.arrived) == (502, 2)
    s.service.runtime.controls.set_enabled("a", True)
    s.api.script.clear()
    s.ask()
    assert s.api.arrived == 3
    s.service.runtime.controls.set_enabled("a", True)
    assert "note" not in s.service.runtime.controls.set_enabled("a", True)


def test_where_the_login_itself_has_ended_that_is_said(stage: Build, clock: Any) -> None:
    expired = int((clock.now - 60) * 1000)
    s = stage("a", accounts=[{"name": "a", "accessToken": "sk-ant-oat01-FAKE-a", "expiresAt": expired}])
    assert s.ask().status == 502
    done = s.service.runtime.controls.set_enabled("a", True)
    assert done["note"].startswith("its login can't be used: ")
    assert s.account("a")["status"] == "auth_failed"
    assert s.api.log == ()
