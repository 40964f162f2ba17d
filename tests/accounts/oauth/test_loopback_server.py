"""The login_server a browser comes back to."""

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


class LoginServer:
    """A loopback server for one login; what it said; requests to it."""

    def __init__(self, loopback: LoopbackServer) -> None:
        self.loopback = loopback
        self.warnings: list[str] = []
        self.attempt = LoginFlow(OAuthConfig(), loopback.redirect_uri, self.warnings.append)
        loopback.serve(self.attempt)

    @property
    def good(self) -> str:
        return f"/callback?code=c0de&state={self.attempt.secrets.state}"

    def get(self, target: str, method: str = "GET") -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", self.loopback.port, timeout=30)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, headers, answer.read().decode())
        finally:
            connection.close()

    def get_in_thread(self, target: str) -> tuple[threading.Thread, list[Page]]:
        """A request in a thread: the page comes when the login is over."""
        pages: list[Page] = []
        thread = threading.Thread(target=lambda: pages.append(self.get(target)))
        thread.start()
        return thread, pages


@pytest.fixture
def login_server() -> Iterator[LoginServer]:
    with LoopbackServer() as loopback:
        yield LoginServer(loopback)


def test_it_listens_on_loopback_only(login_server: LoginServer) -> None:
    assert login_server.loopback._server.server_address[0] == "127.0.0.1"
    assert login_server.loopback.redirect_uri == f"http://localhost:{login_server.loopback.port}/callback"


def test_a_second_one_takes_another_port(login_server: LoginServer) -> None:
    with LoopbackServer() as other:
        assert other.port != login_server.loopback.port


@pytest.mark.parametrize(("worked", "status", "words"), [(True, 200, "logged in"), (False, 400, "failed")])
def test_the_page_waits_for_the_outcome_and_tells_it(
    login_server: LoginServer, worked: bool, status: int, words: str
) -> None:
    thread, pages = login_server.get_in_thread(login_server.good)
    assert login_server.attempt.wait_for_code(5.0) == "c0de"
    assert pages == []
    login_server.loopback.report_result(worked)
    thread.join(30)
    assert pages[0].status == status
    assert words in pages[0].text


def test_the_page_has_no_secret_and_nothing_from_elsewhere(login_server: LoginServer) -> None:
    login_server.loopback.report_result(True)
    page = login_server.get(login_server.good)
    told = page.text + str(page.headers)
    assert "c0de" not in told
    assert login_server.attempt.secrets.state not in told
    assert not any(word in page.text for word in ("http", "src=", "href=", "<script", "url("))
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_a_second_callback_is_refused(login_server: LoginServer) -> None:
    login_server.loopback.report_result(True)
    assert login_server.get(login_server.good).status == 200
    late = login_server.get(login_server.good.replace("c0de", "another"))
    assert late.status == 410
    assert "used before" in late.text
    assert login_server.attempt.wait_for_code(5.0) == "c0de"
    with pytest.raises(Exception, match="nobody logged in"):  # the second brought nothing
        login_server.attempt.wait_for_code(0.01)


@pytest.mark.parametrize(
    "target",
    [
        "/callback?code=evil&state=guessed",
        "/callback?code=evil",
        "/callback?error=access_denied",
        "/callback",
    ],
)
def test_a_request_with_another_state_changes_nothing(login_server: LoginServer, target: str) -> None:
    assert login_server.get(target).status == 400
    login_server.loopback.report_result(True)
    assert login_server.get(login_server.good).status == 200
    assert login_server.attempt.wait_for_code(5.0) == "c0de"
    assert len(login_server.warnings) == 1
    assert "evil" not in login_server.warnings[0]


@pytest.mark.parametrize("target", ["/", "/favicon.ico", "/callback/", "/callbackx?code=1"])
def test_other_paths_are_not_found(login_server: LoginServer, target: str) -> None:
    assert login_server.get(target).status == 404


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
def test_only_get_logs_in(login_server: LoginServer, method: str) -> None:
    page = login_server.get(login_server.good, method)
    assert page.status == 405
    assert page.headers["allow"] == "GET"
    login_server.loopback.report_result(True)
    assert login_server.get(login_server.good).status == 200


def test_requests_are_not_logged(login_server: LoginServer, capfd: pytest.CaptureFixture[str]) -> None:
    login_server.loopback.report_result(True)
    login_server.get(login_server.good)
    login_server.get("/nothing")
    with socket.create_connection(("127.0.0.1", login_server.loopback.port)) as rude:
        rude.sendall(b"\x16\x03\x01 not http\r\n\r\n")
        rude.recv(4096)
    assert capfd.readouterr() == ("", "")


def test_closing_answers_a_waiting_browser(login_server: LoginServer) -> None:
    thread, pages = login_server.get_in_thread(login_server.good)
    login_server.attempt.wait_for_code(5.0)
    login_server.loopback.close()
    thread.join(30)
    assert pages[0].status == 400
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", login_server.loopback.port), timeout=1)


def test_an_idle_connection_does_not_block_closing() -> None:
    with LoopbackServer() as loopback:
        LoginServer(loopback)
        idle = socket.create_connection(("127.0.0.1", loopback.port))
    idle.close()


def test_one_that_never_served_can_be_closed() -> None:
    with LoopbackServer() as loopback:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", loopback.port), timeout=1)
