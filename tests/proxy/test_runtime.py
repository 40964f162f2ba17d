"""Reloads swap the configuration and keep the observed state."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.errors import BadRequestError
from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
ALICE = {"name": "alice", "accountUuid": "u-1", "orgUuid": "o-1", "accessToken": "sk-ant-oat01-FAKE-a"}


def change(s: Any, edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = s.document()
    edit(document)
    s.write(document)
    changes: dict[str, Any] = s.service.reload()
    return changes


def test_a_renamed_account_keeps_what_was_observed(stage: Build) -> None:
    s = stage("a", accounts=[ALICE])
    s.ask(session="s1")
    before = s.account("alice")["usage"]
    changes = change(s, lambda d: d["accounts"][0].update(name="al"))
    assert (changes["added"], changes["removed"]) == ([], [])
    assert s.account("al")["usage"] == before
    assert s.status()["sessionBindings"][0]["account"] == "al"
    assert s.ask(session="s1").account == "al"


def test_an_account_taken_out_and_put_back_is_another_one_with_the_same_name(stage: Build) -> None:
    s = stage("a", "b")
    s.ask(headers={"x-teamclaude-account": "b"})
    kept: list[dict[str, Any]] = []
    assert change(s, lambda d: kept.append(d["accounts"].pop()))["removed"] == ["b"]
    assert s.ask(headers={"x-teamclaude-account": "b"}).status == 404
    assert change(s, lambda d: d["accounts"].append(kept[0]))["added"] == ["b"]
    assert s.ask(headers={"x-teamclaude-account": "b"}).status == 200


def test_a_request_under_way_survives_the_removal_of_its_account(stage: Build) -> None:
    s = stage("a", "b")
    s.api.script.once(Fault.slow(before_head=0.2))
    replies: list[Any] = []
    asking = threading.Thread(target=lambda: replies.append(s.ask(session="s1")))
    asking.start()
    s.until(lambda: s.api.inflight == 1)
    home = s.api.live[0].account
    change(s, lambda d: d.update(accounts=[a for a in d["accounts"] if a["name"] != home]))
    asking.join(30)
    assert (replies[0].status, replies[0].account) == (200, home)
    assert [a["inflight"] for a in s.status()["accounts"]] == [0]


def test_requests_never_see_half_a_reload(stage: Build) -> None:
    s = stage("a", "b")
    stop = threading.Event()

    def flip() -> None:
        changes = itertools.cycle([{"priority": 1}, {"disabled": True}, {"priority": 0, "disabled": False}])
        while not stop.is_set():
            change(s, lambda d: d["accounts"][0].update(next(changes)))

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        answers = [s.ask(session=f"s{n % 4}").status for n in range(30)]
    finally:
        stop.set()
        flipping.join(30)
    assert set(answers) == {200}
    assert s.warnings == []


def test_only_one_of_several_reloads_at_a_time_and_none_lost(stage: Build) -> None:
    s = stage("a", "b")
    set_enabled = s.service.runtime.controls.set_enabled
    threads = [threading.Thread(target=set_enabled, args=(name, False)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {a["status"] for a in s.status()["accounts"]} == {"disabled"}
    assert [a.get("disabled") for a in s.document()["accounts"]] == [True, True]


def test_a_policy_that_does_not_exist_is_not_loaded(stage: Build) -> None:
    s = stage("a")
    with pytest.raises(BadRequestError, match=r"routing\.policy"):
        change(s, lambda d: d.update(routing={"policy": "random"}))


def test_an_internal_error_is_one_line_unless_debugging_is_on(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a")
    try:
        raise KeyError("sk-ant-oat01-FAKE-x")
    except KeyError as error:
        s.service.runtime.report_internal_error("tc-1", error)
        assert s.warnings == ["internal error in request tc-1: KeyError (TEAMCLAUDE_DEBUG=1 shows where)"]
        monkeypatch.setenv("TEAMCLAUDE_DEBUG", "1")
        s.service.runtime.report_internal_error("tc-2", error)
    assert "Traceback" in s.warnings[2]
    assert "test_runtime" in s.warnings[2]
    assert "FAKE" not in "".join(s.warnings)
