"""The place a browser comes back to."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from teamclaude.accounts.config.config import OAuthConfig
from teamclaude.accounts.oauth.login_flow import LoginFlow
from teamclaude.accounts.oauth.loopback_server import LoopbackServer


class Page(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


class Place:
    """A loopback that serves one login; what it said; visits to it."""

    def __init__(self, loopback: LoopbackServer) -> None:
        self.loopback = loopback
        self.warnings: list[str] = []
        self.attempt = LoginFlow(OAuthConfig(), loopback.redirect_uri, self.warnings.append)
        loopback.serve(self.attempt)

    @property
    def good(self) -> str:
        return f"/callback?code=c0de&state={self.attempt.secrets.state}"

    def visit(self, target: str, method: str = "GET") -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", self.loopback.port, timeout=5)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, headers, answer.read().decode())
        finally:
            connection.close()

    def visitor(self, target: str) -> tuple[threading.Thread, list[Page]]:
        """A visit in a thread of its own: the page comes when the login is over."""
        pages: list[Page] = []
        thread = threading.Thread(target=lambda: pages.append(self.visit(target)))
        thread.start()
        return thread, pages


@pytest.fixture
def place() -> Iterator[Place]:
    with LoopbackServer() as loopback:
        yield Place(loopback)


def test_it_listens_on_this_machine_alone(place: Place) -> None:
    assert place.loopback._server.server_address[0] == "127.0.0.1"
    assert place.loopback.redirect_uri == f"http://localhost:{place.loopback.port}/callback"


def test_a_second_one_takes_another_port(place: Place) -> None:
    with LoopbackServer() as other:
        assert other.port != place.loopback.port


@pytest.mark.parametrize(("worked", "status", "words"), [(True, 200, "logged in"), (False, 400, "failed")])
def test_the_page_waits_for_the_outcome_and_tells_it(
    place: Place, worked: bool, status: int, words: str
) -> None:
    thread, pages = place.visitor(place.good)
    assert place.attempt.wait_for_code(5.0) == "c0de"
    assert pages == []
    place.loopback.report_result(worked)
    thread.join(5)
    assert pages[0].status == status
    assert words in pages[0].text


def test_the_page_has_no_secret_and_nothing_from_elsewhere(place: Place) -> None:
    place.loopback.report_result(True)
    page = place.visit(place.good)
    told = page.text + str(page.headers)
    assert "c0de" not in told
    assert place.attempt.secrets.state not in told
    assert not any(word in page.text for word in ("http", "src=", "href=", "<script", "url("))
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_a_second_visit_comes_too_late(place: Place) -> None:
    place.loopback.report_result(True)
    assert place.visit(place.good).status == 200
    late = place.visit(place.good.replace("c0de", "another"))
    assert late.status == 410
    assert "used before" in late.text
    assert place.attempt.wait_for_code(5.0) == "c0de"
    with pytest.raises(Exception, match="nobody logged in"):  # the second brought nothing
        place.attempt.wait_for_code(0.01)


@pytest.mark.parametrize(
    "target",
    [
        "/callback?code=evil&state=guessed",
        "/callback?code=evil",
        "/callback?error=access_denied",
        "/callback",
    ],
)
def test_a_stranger_changes_nothing(place: Place, target: str) -> None:
    assert place.visit(target).status == 400
    place.loopback.report_result(True)
    assert place.visit(place.good).status == 200
    assert place.attempt.wait_for_code(5.0) == "c0de"
    assert len(place.warnings) == 1
    assert "evil" not in place.warnings[0]


@pytest.mark.parametrize("target", ["/", "/favicon.ico", "/callback/", "/callbackx?code=1"])
def test_other_paths_are_not_found(place: Place, target: str) -> None:
    assert place.visit(target).status == 404


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
def test_only_get_logs_in(place: Place, method: str) -> None:
    page = place.visit(place.good, method)
    assert page.status == 405
    assert page.headers["allow"] == "GET"
    place.loopback.report_result(True)
    assert place.visit(place.good).status == 200


def test_nothing_of_a_visit_is_logged(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    place.loopback.report_result(True)
    place.visit(place.good)
    place.visit("/nothing")
    with socket.create_connection(("127.0.0.1", place.loopback.port)) as rude:
        rude.sendall(b"\x16\x03\x01 not http\r\n\r\n")
        rude.recv(4096)
    assert capfd.readouterr() == ("", "")


def test_closing_gives_a_waiting_visitor_the_bad_news(place: Place) -> None:
    thread, pages = place.visitor(place.good)
    place.attempt.wait_for_code(5.0)
    place.loopback.close()
    thread.join(5)
    assert pages[0].status == 400
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", place.loopback.port), timeout=1)


def test_a_connection_that_says_nothing_does_not_hold_it_up() -> None:
    with LoopbackServer() as loopback:
        Place(loopback)
        idle = socket.create_connection(("127.0.0.1", loopback.port))
    idle.close()


def test_one_that_never_served_can_be_closed() -> None:
    with LoopbackServer() as loopback:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", loopback.port), timeout=1)
