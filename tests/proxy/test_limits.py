"""Limits of requests: what is checked before a body is read, memory of all bodies, uploads."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.errors import ConfigError
from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
BOB = "tc-FAKEbobFAKEbobFAKEbob"
ONE_AT_A_TIME = {"clients": [{"name": "bob", "key": BOB, "maxInflight": 1}]}
MIB = 1 << 20


def turn(size: int, stream: bool = False) -> bytes:
    body = {"model": "claude-opus-4-8", "max_tokens": 9, "stream": stream}
    return json.dumps({**body, "messages": [{"role": "user", "content": "x" * size}]}).encode()


def bobs(s: Any, length: int, *fields: str) -> Any:
    """The head of a request by the client that may have one under way."""
    lines = ["POST /v1/messages HTTP/1.1", "Host: localhost", f"x-teamclaude-key: {BOB}", *fields]
    return s.raw().send("\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode())


# --- a client's own limit -----------------------------------------------------------------------


def test_a_client_at_its_limit_is_refused_before_its_body_is_read(stage: Build) -> None:
    s = stage("a", proxy=ONE_AT_A_TIME)
    bobs(s, 60_000_000).send(b"{")  # under way: it has a body to come
    s.until(lambda: s.status()["clients"])
    waiting = bobs(s, 60_000_000, "Expect: 100-continue")
    sending = bobs(s, 60_000_000)
    for raw in (waiting, sending):
        answer = raw.answer()  # and no 100
        assert answer.error() == (429, "rate_limit_error")
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("2", "close")
    assert s.service.runtime.body_limiter.used <= 2 * MIB


def test_a_client_whose_body_broke_off_has_its_place_again(stage: Build) -> None:
    s = stage("a", proxy=ONE_AT_A_TIME)
    bobs(s, 100_000).send(b"{").reset()
    s.until(lambda: [each["inflight"] for each in s.status()["clients"]] == [0])
    assert bobs(s, len(turn(9))).send(turn(9)).answer().status == 200


# --- all bodies together ------------------------------------------------------------------------


def test_a_body_counts_until_the_first_byte_of_its_answer(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.slow(before_head=0.3, between_events=0.2))
    raw = s.raw().request(body=turn(3 * MIB, stream=True))
    s.until(lambda: s.service.runtime.body_limiter.used)
    assert s.service.runtime.body_limiter.used >= 3 * MIB
    assert raw._until(b"message_start")
    assert s.service.runtime.body_limiter.used == 0
    (running,) = s.service.runtime.journal._running.values()
    assert running.body == b""


def test_a_held_body_counts_and_others_wait_for_room_until_they_are_refused(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.bodies.body_limit.WAIT_SEC", 0.3)
    s = stage("a", proxy={"maxBodyMiB": 4, "maxBodiesMiB": 4}, maxInflightPerAccount=1)
    s.api.script.once(Fault.never_answered())
    first = s.raw().request(body=turn(9))
    s.until(lambda: s.api.inflight == 1)
    held = s.raw().request(body=turn(3 * MIB))
    s.until(lambda: s.service.runtime.router.waiting == 1)
    refused = s.raw().request(body=turn(2 * MIB)).answer()
    assert refused.error() == (503, "overloaded_error")
    assert (refused.headers["retry-after"], "maxBodiesMiB" in refused.body.decode()) == ("5", True)
    small = s.raw().request("/v1/messages/count_tokens", body=turn(9))
    assert small.answer().status == 200, "what is small waits for nobody"
    for raw in (held, first):
        raw.close()
    s.until(lambda: s.service.runtime.body_limiter.used == 0)
    assert s.raw().request(body=turn(2 * MIB)).answer().status == 200


def test_what_is_announced_and_not_sent_takes_no_room(stage: Build) -> None:
    s = stage("a", proxy={"maxBodyMiB": 4, "maxBodiesMiB": 4})
    announced = [s.raw().request(headers=[("Content-Length", str(4 * MIB))]) for _ in range(20)]
    s.until(lambda: len(s.service.snapshot().inflight) == 20)
    assert s.service.runtime.body_limiter.used == 0
    assert s.raw().request(body=turn(3 * MIB)).answer().status == 200
    assert announced[0].send(turn(MIB).ljust(4 * MIB)).answer().status == 200


def test_all_in_a_crowd_of_large_bodies_get_an_answer(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.bodies.body_limit.STALL_SEC", 0.05)
    s = stage("a", proxy={"maxBodyMiB": 8, "maxBodiesMiB": 8})
    found: list[int] = []

    def upload() -> None:
        found.append(s.raw().request(body=turn(5 * MIB)).answer().status)

    threads = [threading.Thread(target=upload) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    # 400 is the API's own word: the prompt is too long.
    assert len(found) == 8
    assert set(found) <= {400, 503}
    assert found.count(400) >= 2
    s.until(lambda: s.service.runtime.body_limiter.used == 0)


@pytest.mark.parametrize("framing", [("Content-Length", "500000"), ("Transfer-Encoding", "chunked")])
def test_a_body_that_trickles_ends(
    stage: Build, monkeypatch: pytest.MonkeyPatch, framing: tuple[str, str]
) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.bodies.body_reader.MIN_BYTES_PER_SEC", 1 << 30)
    s = stage("a", bodyReadIdleSec=0.3)
    raw = s.raw().request(headers=[framing])
    over = threading.Event()

    def trickle() -> None:
        piece = b"x" if framing[0] == "Content-Length" else b"1\r\nx\r\n"
        while not over.wait(0.05):
            raw.send(piece)

    thread = threading.Thread(target=trickle)
    thread.start()
    answer = raw.answer()
    over.set()
    thread.join()
    assert answer.error() == (408, "invalid_request_error")
    assert b"bytes per second" in answer.body


def test_the_memory_for_all_must_hold_the_largest_one() -> None:
    with pytest.raises(ConfigError, match=r"maxBodiesMiB \(32\) is less than maxBodyMiB \(64\)"):
        parse_config({"proxy": {"maxBodiesMiB": 32}}, "x")


def test_a_body_for_our_own_endpoints_is_small_even_where_no_key_is_needed(stage: Build) -> None:
    s = stage("a")
    keyless = b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n"
    assert s.raw().send(keyless).answer().status == 413
    assert s.raw().request("/teamclaude/switch", b"x" * 65537).answer().status == 413
    assert s.raw().request("/teamclaude/switch", b"x" * 65536).answer().status == 400


# --- uploads ------------------------------------------------------------------------------------


@pytest.fixture
def spooling(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what went to disk; from 100 kB on it does."""
    monkeypatch.setattr("teamclaude.proxy.net.bodies.body_reader.SPOOL_THRESHOLD", 100_000)
    sizes: list[int] = []
    from teamclaude.proxy.net.bodies.spool import SpoolFile

    content = SpoolFile.content

    def seen(self: Any) -> memoryview:
        sizes.append(self.size)
        return content(self)

    monkeypatch.setattr(SpoolFile, "content", seen)
    return sizes


def arrived(s: Any) -> str:
    return hashlib.sha256(s.seen()[0].body).hexdigest()


@pytest.mark.parametrize("path", ["/v1/files", "/v1/messages/batches", "/v1/files?beta=true"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_goes_over_the_disk_and_arrives_as_it_was_sent(
    stage: Build, spooling: list[int], path: str, chunked: bool
) -> None:
    s = stage("a", proxy={"maxBodyMiB": 1, "maxBodiesMiB": 1})
    body = os.urandom(3 * MIB)
    if chunked:
        raw = s.raw().request(path, headers=[("Transfer-Encoding", "chunked")])
        for at in range(0, len(body), 50_000):
            piece = body[at : at + 50_000]
            raw.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        raw.send(b"0\r\n\r\n")
    else:
        raw = s.raw().request(path, body=body)
    raw.answer()
    assert s.seen()[0].size == len(body)
    assert arrived(s) == hashlib.sha256(body[: len(s.seen()[0].body)]).hexdigest()
    assert spooling == [len(body)]
    assert s.service.runtime.body_limiter.used == 0
    assert raw.request("/capacity", method="GET").answer().status == 200


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/files/file_1"])
def test_only_uploads_may_be_that_large(stage: Build, spooling: list[int], path: str) -> None:
    s = stage("a", proxy={"maxBodyMiB": 1})
    raw = s.raw().request(path, headers=[("Content-Length", str(500 * MIB)), ("Expect", "100-continue")])
    answer = raw.answer()
    assert answer.error() == (413, "request_too_large")
    assert spooling == []
    assert s.api.log == ()


@pytest.mark.parametrize(("path", "most"), [("/v1/files", 500), ("/v1/messages/batches", 256)])
def test_an_upload_may_be_as_large_as_the_api_takes_it(stage: Build, path: str, most: int) -> None:
    s = stage("a")
    for length, status in ((most * MIB, 100), (most * MIB + 1, 413)):
        headers = [("Content-Length", str(length)), ("Expect", "100-continue")]
        assert s.raw().request(path, headers=headers).answer().status == status


def test_a_small_upload_stays_in_memory(stage: Build, spooling: list[int]) -> None:
    s = stage("a")
    s.raw().request("/v1/files", body=b"x" * 99_000).answer()
    assert spooling == []


def test_without_room_on_the_disk_an_upload_is_refused_in_words(
    stage: Build, spooling: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a")
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    headers = [("Content-Length", "5000000"), ("Expect", "100-continue")]
    answer = s.raw().request("/v1/files", headers=headers).answer()
    assert answer.error() == (507, "api_error")
    assert b"the disk is full" in answer.body
    assert b"teamclaude.spool" in answer.body
    assert s.warnings == []
    assert s.api.log == ()
    assert s.ask().status == 200


def test_an_upload_that_breaks_off_leaves_nothing(stage: Build, spooling: list[int]) -> None:
    s = stage("a")
    raw = s.raw().request("/v1/files", headers=[("Content-Length", "5000000")]).send(b"x" * 300_000)
    spool = Path(s.path).parent / "teamclaude.spool"
    s.until(spool.exists)
    raw.reset()
    assert s.outcomes(1) == ["client gone"]
    assert os.listdir(spool) == [] or os.name != "posix"
