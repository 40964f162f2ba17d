"""An event posted to a URL: what arrives, and servers that hang, redirect, fail or are not to be trusted."""

from __future__ import annotations

import json
import ssl
from typing import Optional

import pytest

from teamclaude.alerts.post_url import PAUSES_SEC, post_url
from teamclaude.dial.connector import Connector
from tests.alerts.receivers import OK, receiver, status
from tests.cli.support import free_port
from tests.proxy.conftest import Pem

PAYLOAD = json.dumps({"text": "alice is benched"}).encode()


class Post:
    """One event on its way; the pauses between attempts take no time."""

    def __init__(self, ca_file: Optional[str] = None, ends_after: int = 99, **env: str) -> None:
        self.pauses: list[float] = []
        self._ends_after = ends_after
        self._connector = Connector(5.0, ca_file, None, env)

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return len(self.pauses) >= self._ends_after

    def to(self, url: str, attempt_sec: float = 10.0, limit_sec: float = 60.0) -> str:
        return post_url(url, PAYLOAD, self._connector, self.pause, limit_sec, attempt_sec)


def test_the_event_arrives_as_json() -> None:
    with receiver() as server:
        assert Post().to(server.url("/services/T0/B0?x=1")) == ""
        (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /services/T0/B0?x=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Content-Type: application/json" in lines
    assert not any(line.startswith("Authorization") for line in lines)
    assert body == PAYLOAD


def test_a_login_in_the_url_is_sent_as_basic_and_a_missing_path_is_the_root() -> None:
    with receiver() as server:
        url = server.url("").replace("127", "me:p%40ss@127")
        assert Post().to(url) == ""
        (request,) = server.requests
    assert request.startswith(b"POST / HTTP/1.1\r\n")
    assert b"Authorization: Basic bWU6cEBzcw==\r\n" in request


def test_a_server_that_fails_is_asked_again_and_then_given_up() -> None:
    with receiver(status(500), status(503), OK) as server:
        post = Post()
        assert post.to(server.url()) == ""
        assert post.pauses == [*PAUSES_SEC[:2]]
    with receiver(status(500)) as server:
        post = Post()
        assert post.to(server.url("/secret-path")) == "127.0.0.1: it answered 500"
        assert len(server.requests) == 1 + len(PAUSES_SEC)


@pytest.mark.parametrize("code", [400, 401, 404, 410])
def test_a_refusal_is_final(code: int) -> None:
    with receiver(status(code)) as server:
        post = Post()
        assert post.to(server.url()) == f"127.0.0.1: it answered {code}"
        assert post.pauses == []


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(code: int) -> None:
    with receiver() as other, receiver(status(code, f"Location: {other.url(host='localhost')}")) as server:
        problem = Post().to(server.url())
        assert (
            problem == f"127.0.0.1: it redirects to localhost ({code}), which is not followed; set that URL"
        )
        # Another part of the suite may ask a port that a server of its own had.
        assert [sent for sent in other.requests if b" /teamclaude/" not in sent] == []
        assert len(server.requests) == 1


def test_a_hostile_redirect_shows_nothing() -> None:
    with receiver(status(302, "Location: http://\x1b[31mevil\u00ff/")) as server:
        problem = Post().to(server.url())
    assert problem == "127.0.0.1: it redirects (302), which is not followed; set that URL"


def test_a_server_that_says_nothing_costs_its_time_and_no_more() -> None:
    with receiver(None, OK) as server:
        assert Post().to(server.url(), attempt_sec=0.3) == "", "the second attempt"
    with receiver(None) as server:
        post = Post(ends_after=1)
        assert post.to(server.url(), attempt_sec=0.3) == "127.0.0.1: no answer within 0.3 s"


def test_a_server_that_answers_without_end_is_cut() -> None:
    endless = b"HTTP/1.1 200 OK\r\nX-Header: " + b"x" * 10_000
    with receiver(endless, slowly=True) as server:
        problem = Post(ends_after=1).to(server.url(), attempt_sec=0.5)
    assert problem == "127.0.0.1: no answer within 0.5 s"


def test_the_body_of_an_answer_is_not_waited_for() -> None:
    with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx") as server:
        assert Post().to(server.url()) == ""


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"", b"HTTP/1.1 " + b"9" * 100_000])
def test_what_is_no_answer_is_one_line(answer: bytes) -> None:
    with receiver(answer) as server:
        problem = Post(ends_after=1).to(server.url())
    assert problem.startswith("127.0.0.1: no answer: ")
    assert problem.isprintable()


def test_the_limit_covers_all_attempts() -> None:
    with receiver(status(500)) as server:
        post = Post()
        assert post.to(server.url(), limit_sec=0.5) == "127.0.0.1: it answered 500"
        assert post.pauses == [], "the first pause would be longer"


def test_nobody_listens() -> None:
    post = Post()
    assert post.to(f"http://127.0.0.1:{free_port()}/").startswith("127.0.0.1: no connection to 127.0.0.1:")
    assert post.pauses == [*PAUSES_SEC]


def test_https_is_verified(server_tls: ssl.SSLContext, pem: Pem) -> None:
    with receiver(tls=server_tls) as server:
        assert Post(str(pem.cert)).to(server.url(host="localhost")) == ""
        problem = Post(ends_after=1).to(server.url(host="localhost"))
        assert problem.startswith("localhost: the certificate of localhost is not trusted: ")
        assert len(server.requests) == 1


def test_a_proxy_of_the_environment_is_used() -> None:
    with receiver(status(403)) as proxy:
        problem = Post(http_proxy=f"http://127.0.0.1:{proxy.port}").to("http://ntfy.example/pool")
    assert problem.startswith("ntfy.example: the proxy 127.0.0.1:")
    assert "http_proxy" in problem
