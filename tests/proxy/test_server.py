"""The server as a whole: draining, saving, config reloads, warm-up, logging."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.errors import BadRequestError, ConfigError
from teamclaude.fakeapi import wire
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.server import ProxyServer
from teamclaude.proxy.socket_handler import SocketHandler
from tests.proxy.conftest import message

Build = Callable[..., Any]
STREAM = json.dumps(
    {
        "model": "claude-opus-4-8",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 9,
        "stream": True,
    }
).encode()


def in_background(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def refuses_connections(s: Any) -> bool:
    try:
        s.raw()
    except OSError:
        return True
    return False


# --- the drain ----------------------------------------------------------------------------------


def test_a_drain_lets_streams_finish_and_sends_all_else_away(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a", maxInflightPerAccount=1)
    s.ask()
    goes_on = threading.Event()
    # The stream stands still between its events until it is told to go on, however busy the machine is.
    monkeypatch.setattr(wire.ApiConnection, "wait", lambda self, seconds: seconds and goes_on.wait(10))
    s.api.script.once(Fault.slow(between_events=1))
    idle = s.raw().request("/health", method="GET")
    idle.answer()
    running = s.raw().request(body=STREAM)
    s.until(lambda: s.api.inflight == 1)
    waiting = s.raw().request(body=STREAM)
    s.until(lambda: s.service.runtime.router.waiting == 1)
    drain = in_background(lambda: s.service.stop(10))

    refused = waiting.answer()
    assert refused.error() == (503, "overloaded_error")
    assert refused.headers["retry-after"] == "1"
    assert idle.rest() == (b"", "fin")
    s.until(lambda: refuses_connections(s))
    assert drain.is_alive(), "the stream runs on"
    goes_on.set()

    assert b"message_stop" in running.answer().body
    assert running.rest() == (b"", "fin"), "and nothing else is taken on its connection"
    drain.join(30)
    assert not drain.is_alive()
    assert s.service.wait(0)
    assert sorted(s.outcomes(3)) == ["refused", "served", "served"]


def test_a_drain_ends_after_its_limit(stage: Build) -> None:
    s = stage("a", drainSec=0.3)
    s.api.script.once(Fault.never_answered())
    raw = s.raw().request(body=STREAM)
    s.until(lambda: s.api.inflight == 1)
    began = time.monotonic()
    s.service.stop()
    assert 0.3 <= time.monotonic() - began < 1.5
    assert raw.rest()[0] == b""
    assert s.api.wait_until(lambda api: api.inflight == 0)
    assert s.outcomes(1) == ["client gone"]


def test_a_second_stop_ends_the_first_at_once(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.never_answered())
    s.raw().request(body=STREAM)
    s.until(lambda: s.api.inflight == 1)
    first = in_background(lambda: s.service.stop(60))
    s.until(s.service._stop_lock.locked)
    began = time.monotonic()
    s.service.stop(0)
    first.join(30)
    assert not first.is_alive()
    assert time.monotonic() - began < 1.5


def test_a_second_drain_begins_at_once(stage: Build) -> None:
    s = stage("a", drainAnnounceSec=3600)
    raw = s.raw()
    assert json.loads(raw.request("/teamclaude/drain").answer().body)["announceSec"] == 3600
    assert json.loads(raw.request("/teamclaude/drain").answer().body)["announceSec"] == 0
    assert s.service.wait(20)


def test_a_request_on_an_open_connection_meets_the_drain_readably(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.slow(before_head=0.2))
    raw = s.raw().request(body=STREAM).request(body=STREAM)
    s.until(lambda: s.api.inflight == 1)
    in_background(lambda: s.service.stop(5))
    assert raw.answer().status == 200
    assert raw.rest()[0] == b"", "the pipelined one was not taken on"


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/v1/models", 503)])
def test_a_request_that_was_accepted_before_the_drain_is_answered_however_late_its_thread_begins(
    stage: Build, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    s = stage("a")
    begin = threading.Event()
    begun = SocketHandler.setup

    def late(self: SocketHandler) -> None:
        begin.wait(20)
        begun(self)

    monkeypatch.setattr(SocketHandler, "setup", late)
    raw = s.raw().request(path, method="GET")
    s.until(lambda: len(s.service.runtime.connections) == 1)
    drain = in_background(lambda: s.service.stop(20))
    s.until(lambda: refuses_connections(s))
    s.service.runtime.connections.close_idle()
    begin.set()
    answer = raw.answer()
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert raw.rest() == (b"", "fin")
    drain.join(20)
    assert not drain.is_alive()


def test_stopping_twice_and_without_a_start_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "teamclaude.json"
    service = ProxyServer(ConfigFile(path, lambda line: None))
    service.stop(0)
    service.stop(0)
    assert service.wait(0)


def test_the_state_is_saved_at_the_end_and_restored(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.restart()
    saved = json.loads((s.path.parent / "teamclaude.state.json").read_text())
    assert [b["session"] for b in saved["bindings"]] == ["s1"]
    assert s.status()["sessionBindings"][0]["account"] == home
    assert s.warnings == []


# --- the config file changes --------------------------------------------------------------------


def test_a_changed_config_is_in_force_by_itself(wait_for_polls: Callable[[Any], None], stage: Build) -> None:
    s = stage("a")
    document = s.document()
    document["accounts"].append({"name": "b", "accessToken": "sk-ant-oat01-FAKE-b"})
    document["proxy"]["port"] = 1
    s.write(document)
    s.until(lambda: s.warnings)
    assert s.warnings == ["config read again: added b; in force after a restart only: proxy.port"]
    assert [a.name for a in s.service.snapshot().accounts] == ["a", "b"]


def test_a_bad_config_is_warned_of_once_and_the_old_one_stays(
    wait_for_polls: Callable[[Any], None], stage: Build
) -> None:
    s = stage("a")
    good = s.document()
    s.path.write_text('{"accounts": [{"name": "x", ')
    s.until(lambda: s.warnings)
    wait_for_polls(s)
    assert len(s.warnings) == 1
    assert "the running configuration stays" in s.warnings[0]
    assert str(s.path) in s.warnings[0]
    assert s.ask().account == "a"
    good["accounts"][0]["priority"] = 3
    s.write(good)
    s.until(lambda: s.service.snapshot().accounts[0].priority == 3)
    assert len(s.warnings) == 2, s.warnings


def test_the_same_config_read_again_says_nothing(wait_for_polls: Callable[[Any], None], stage: Build) -> None:
    s = stage("a")
    s.write(s.document())
    wait_for_polls(s)
    assert s.warnings == []


def test_a_reload_by_hand_raises_what_is_wrong(stage: Build) -> None:
    s = stage("a")
    s.path.write_text('{"upstream": "ftp://x"}')
    with pytest.raises(BadRequestError, match="ftp://x"):
        s.service.reload()
    assert s.ask().status == 200


def test_a_defect_in_reading_the_file_does_not_end_the_server(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a")

    def fail(config_file: object) -> None:
        raise OverflowError("int too large to convert to float")

    expected = r"configuration stays: internal error: OverflowError \(teamclaude"
    with monkeypatch.context() as broken:
        broken.setattr(ConfigFile, "load_with_content", fail)
        with pytest.raises(BadRequestError, match=expected):
            s.service.reload()
    assert s.ask().status == 200


def test_a_reload_changes_keys_limits_and_upstream_for_the_next_request(stage: Build) -> None:
    s = stage("a", proxy={"trustLoopback": False})
    document = s.document()
    document["proxy"]["apiKey"] = "tc-another-key"
    document["proxy"]["maxBodyMiB"] = 1
    s.write(document)
    s.service.reload()
    assert s.send("GET", "/teamclaude/status").status == 401
    new = {"x-teamclaude-key": "tc-another-key"}
    assert s.send("GET", "/teamclaude/status", headers=new).status == 200
    assert s.send("POST", "/v1/messages", b"x" * (1 << 20) + b"y", new).status == 413


def test_the_same_head_on_the_same_connection_is_authorized_anew_after_a_reload(stage: Build) -> None:
    s = stage("a", proxy={"trustLoopback": False})
    client, body = s.raw(), json.dumps(message("hello", stream=False)).encode()
    for _ in range(3):
        assert client.request(body=body).answer().status == 200
    document = s.document()
    document["proxy"]["apiKey"] = "tc-another-key"
    s.write(document)
    s.service.reload()
    assert client.request(body=body).answer().status == 401


def test_a_reload_that_changes_the_way_out_closes_the_old_connections(stage: Build) -> None:
    s = stage("a")
    s.ask()
    assert s.api.connections == 1
    document = s.document()
    document["connectTimeoutSec"] = 3
    s.write(document)
    s.service.reload()
    assert s.api.wait_until(lambda api: api.connections == 0)
    assert s.ask().status == 200


# --- at the start -------------------------------------------------------------------------------


def test_warming_up_asks_each_subscription_once(stage: Build) -> None:
    accounts = [
        {"name": "paid", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"},
        {"name": "a", "accessToken": "sk-ant-oat01-FAKE-a"},
        {"name": "off", "accessToken": "sk-ant-oat01-FAKE-c", "disabled": True},
        {"name": "b", "accessToken": "sk-ant-oat01-FAKE-b"},
    ]
    s = stage("a", "b", "c", accounts=accounts, warmOnStartup=True)
    asked = s.seen(2)
    s.until(lambda: all(s.account(name)["quota"]["unified5h"] is not None for name in "ab"))
    assert [(e.account, e.status, json.loads(e.body)["max_tokens"]) for e in asked] == [
        ("a", 200, 1),
        ("b", 200, 1),
    ]
    assert s.account("a")["inflight"] == 0
    assert s.records == [], "no client asked for it"


def test_a_config_directory_others_can_write_to_is_a_warning_at_the_start(stage: Build) -> None:
    s = stage("a")
    assert s.warnings == []
    s.path.parent.chmod(0o777)
    s.restart()
    directory = s.path.parent
    assert s.warnings == [f"other users can replace the files in {directory}; run: chmod go-w {directory}"]


def test_no_traffic_but_the_clients(stage: Build) -> None:
    s = stage("a")
    s.status()
    assert s.api.log == s.api.live == ()


def test_requests_are_logged_without_secrets(stage: Build, tmp_path: Path) -> None:
    s = stage("a", logRequests=True, logDir=str(tmp_path / "log"))
    home = s.ask(headers={"Authorization": "Bearer sk-ant-oat01-FAKE-mine"})
    s.send("POST", "/v1/nothing", {})
    s.send("GET", "/health")
    s.service.stop(0)
    files = sorted((tmp_path / "log").iterdir())
    assert len(files) == 2
    text = "".join(file.read_text() for file in files)
    assert home.headers["x-teamclaude-request"] in text
    assert "message_stop" in text
    assert "=== attempt 1: a: 200 OK" in text
    assert "FAKE" not in text
    assert "tc-test-key" not in text


def test_logging_without_a_directory_is_a_config_error(stage: Build) -> None:
    with pytest.raises(ConfigError, match="logRequests needs logDir"):
        stage("a", logRequests=True)


def test_the_command_line_s_drain_beats_the_configured_one(stage: Build) -> None:
    s = stage("a", drainSec=3600)
    s.service.stop(0)
    s.service = ProxyServer(ConfigFile(s.path, s.warnings.append), drain_sec=0.0)
    s.service.start()
    s.api.script.once(Fault.never_answered())
    s.raw().request(body=STREAM)
    s.until(lambda: s.api.inflight == 1)
    s.service.stop()
    assert s.service.wait(0)


# --- the name it was started with -----------------------------------------------------------------


def test_the_host_of_the_command_line_is_a_name_of_the_proxy_before_and_after_a_reload(
    tmp_path: Path,
) -> None:
    path = tmp_path / "teamclaude.json"
    path.write_text(json.dumps({"proxy": {"host": "configured.lan"}, "accounts": []}))
    path.chmod(0o600)
    runtime = ProxyServer(ConfigFile(path, lambda line: None), host="flag.lan").runtime
    asked = RequestHead("GET", "/", 1, [("Host", "flag.lan:3456")])
    for _ in range(2):
        assert not runtime.access_policy.check_origin(asked).authenticated
        runtime.reload()


def test_work_without_a_thread_is_done_once_there_is_one(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.server.CONFIG_POLL_SEC", 0.01)
    s = stage("a")
    start, done, tries = threading.Thread.start, threading.Event(), [0]

    def none_left(self: Any) -> None:
        if self.name == "connection":
            tries[0] += 1
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        s.service.runtime.threads.put(done.set)
        s.until(lambda: tries[0] > 3)
        assert not done.is_set()
    assert done.wait(30)
    s.service.stop(0)
    assert "connection" not in [thread.name for thread in threading.enumerate()]
