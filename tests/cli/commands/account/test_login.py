"""`teamclaude login` in this process: a fake authorization server, and a client in place of the browser."""

from __future__ import annotations

import json
import re
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

import pytest

from teamclaude.accounts.oauth import login_flow
from teamclaude.cli.browser import has_browser
from teamclaude.cli.commands.account import login
from teamclaude.fakeapi.fault import Fault
from tests.cli.support import Ended, Stub, accounts_in, failed
from tests.fakeapi.authserver import MANUAL_REDIRECT, PROFILE_PATH, TOKEN_PATH, AuthServer
from tests.fakeapi.token_issuer import FakeUser

ANN_AT_BOLT = FakeUser("ann2", "ann@example.com", "p-1", "o-2", "Bolt", "claude_pro", "default_claude_ai")


class Browser:
    """Stands in for a person with a browser: opens the address, allows, and comes back."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.pages: list[tuple[int, str]] = []
        self.again = False  # come back twice
        self.does: Optional[Callable[[str], None]] = None
        self._threads: list[threading.Thread] = []

    def open(self, url: str, failed: Callable[[], None]) -> None:
        self.urls.append(url)
        self._threads.append(threading.Thread(target=self.does or self.visit, args=(url,)))
        self._threads[-1].start()

    def visit(self, url: str) -> None:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                self.pages.append((answer.status, answer.read().decode()))
        except urllib.error.HTTPError as error:
            with error:
                self.pages.append((error.code, error.read().decode()))

    def end(self) -> None:
        for thread in self._threads:
            thread.join(30)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    browser = Browser()
    monkeypatch.setattr(login, "open_page", browser.open)
    monkeypatch.setenv("BROWSER", "stood in for")
    yield browser
    browser.end()


def secrets_in(path: Path) -> list[str]:
    return [value for entry in accounts_in(path).values() for key, value in entry.items() if "Token" in key]


def quiet(ended: Ended, auth: AuthServer, path: Path) -> bool:
    """Whether nothing that was printed is a token, a code or a verifier."""
    told = ended.out + ended.err
    held = [str(value) for value in secrets_in(path)] + [call.token for call in auth.calls]
    return "sk-ant" not in told and not any(value in told for value in held)


# --- with a browser -----------------------------------------------------------------------------------


def test_a_browser_logs_in(cli: Any, auth: AuthServer, file: Path, browser: Browser) -> None:
    ended = cli("login")
    browser.end()
    assert ended.status == 0
    assert ended.err.splitlines()[-1] == "ann@example.com (Max 20x) is added"
    assert ended.out.strip() == browser.urls[0]
    ((status, page),) = browser.pages
    assert status == 200
    assert "You are logged in" in page
    entry = accounts_in(file)["ann@example.com"]
    assert auth.accepts(entry["accessToken"])
    assert auth.can_refresh(entry["refreshToken"])
    assert entry["expiresAt"] > 1.6e12
    assert entry["refreshTokenExpiresAt"] > entry["expiresAt"]
    assert (entry["accountUuid"], entry["orgUuid"], entry["orgName"]) == ("p-1", "o-1", "Acme")
    assert (entry["subscriptionType"], entry["rateLimitTier"]) == ("max", "default_claude_max_20x")
    assert (entry["type"], entry["source"]) == ("oauth", "login")
    assert auth.granted == 1
    assert quiet(ended, auth, file)


def test_the_address_asks_for_what_the_real_client_does(cli: Any, file: Path, browser: Browser) -> None:
    cli("login")
    query = parse_qs(urlsplit(browser.urls[0]).query)
    assert re.fullmatch(r"http://localhost:\d+/callback", query["redirect_uri"][0])
    assert query["code_challenge_method"] == ["S256"]
    assert "user:inference" in query["scope"][0]


def test_logging_in_again_renews(cli: Any, auth: AuthServer, file: Path, browser: Browser) -> None:
    cli("login", "--name", "work")
    before = accounts_in(file)["work"]
    ended = cli("login")
    assert ended.err.splitlines()[-1] == "work (Max 20x) has its new credentials"
    after = accounts_in(file)
    assert list(after) == ["work"]
    assert after["work"]["refreshToken"] != before["refreshToken"]


def test_two_organisations_are_two_accounts(cli: Any, auth: AuthServer, file: Path, browser: Browser) -> None:
    cli("login")
    auth.user = ANN_AT_BOLT
    ended = cli("login")
    assert ended.err.splitlines()[-1] == "ann@example.com (Bolt) (Pro) is added"
    assert list(accounts_in(file)) == ["ann@example.com", "ann@example.com (Bolt)"]


def test_a_name_of_another_account_is_ignored_with_a_note(
    cli: Any, auth: AuthServer, file: Path, browser: Browser
) -> None:
    cli("login", "--name", "work")
    auth.user = ANN_AT_BOLT
    ended = cli("login", "--name", "work")
    assert ended.status == 0
    assert ended.err.splitlines()[-1] == 'another account is called "work": this one is "work (Bolt)"'


def test_a_running_proxy_takes_it_over(cli: Any, file: Path, browser: Browser, auth: AuthServer) -> None:
    stub = Stub()
    try:
        stub.answers["POST /teamclaude/accounts/reload"] = (200, {"reloaded": True})
        ended = cli("login", "--port", str(stub.port))
        assert ended.err.splitlines()[-1] == "the running proxy uses it from now on"
        assert stub.paths == ["POST /teamclaude/accounts/reload"]
        stub.answers["POST /teamclaude/accounts/reload"] = (400, {"error": {"message": "not reloaded: x"}})
        ended = cli("login", "--port", str(stub.port))
        assert ended.status == 0
        assert "did not take it over: not reloaded: x" in ended.err
    finally:
        stub.stop()


def test_a_second_callback_is_refused(cli: Any, auth: AuthServer, file: Path, browser: Browser) -> None:
    auth.script.once(Fault.slow(before_head=0.2), path=TOKEN_PATH)
    targets: list[str] = []

    def twice(url: str) -> None:
        class Stop(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args: Any) -> None:
                targets.append(args[-1])

        with pytest.raises(urllib.error.HTTPError):
            urllib.request.build_opener(Stop()).open(url, timeout=30)
        first = threading.Thread(target=browser.visit, args=(targets[0],))
        first.start()
        assert auth.wait_until(lambda server: any(asked.path == TOKEN_PATH for asked in server.live))
        browser.visit(targets[0])
        first.join()

    browser.does = twice
    assert cli("login").status == 0
    browser.end()
    assert [status for status, _ in browser.pages] == [410, 200]
    assert "used before" in browser.pages[0][1]


def test_a_refusal_of_the_person(cli: Any, auth: AuthServer, file: Path, browser: Browser) -> None:
    auth.consent = ["deny"]
    line = failed(cli("login"), file)
    browser.end()
    assert 'refused: access_denied ("The user said no")' in line
    assert browser.pages[0][0] == 400
    assert "The login failed" in browser.pages[0][1]


def test_another_state_is_ignored(cli: Any, auth: AuthServer, file: Path, browser: Browser) -> None:
    auth.consent = ["wrong state"]

    def wrong_then_right(url: str) -> None:
        browser.visit(url)
        browser.visit(url)

    browser.does = wrong_then_right
    ended = cli("login")
    browser.end()
    assert ended.status == 0
    assert "a browser came back from some other login; still waiting" in ended.err
    assert [status for status, _ in browser.pages] == [400, 200]
    assert [call.outcome for call in auth.calls] == ["granted"]


def test_a_login_times_out(cli: Any, file: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.does = lambda url: None
    monkeypatch.setattr(login, "LIMIT_S", 0.05)
    assert "nobody logged in within" in failed(cli("login"), file)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.status(429), "takes no requests now (429 rate_limit_error)"),
        (Fault.status(500), "the token endpoint failed (500"),
        (Fault.no_head(), "the answer of the token endpoint was lost"),
        (Fault.html(), "not in JSON"),
    ],
)
def test_no_tokens(cli: Any, auth: AuthServer, file: Path, browser: Browser, fault: Fault, said: str) -> None:
    auth.script.always(fault, path=TOKEN_PATH)
    ended = cli("login")
    browser.end()
    assert said in failed(ended, file)
    assert browser.pages[0][0] == 400
    assert "sk-ant" not in ended.err


def test_a_login_without_a_profile_is_kept(cli: Any, auth: AuthServer, file: Path, browser: Browser) -> None:
    auth.script.always(Fault.status(500), path=PROFILE_PATH)
    ended = cli("login")
    assert ended.status == 0
    assert "the login works, but that is not known: the profile" in ended.err
    assert ended.err.splitlines()[-1] == "ann@example.com is added"
    entry = accounts_in(file)["ann@example.com"]
    assert (entry["accountUuid"], entry["orgUuid"]) == ("p-1", "o-1")
    assert auth.accepts(entry["accessToken"])


def test_ctrl_c_while_the_profile_is_asked_for_does_not_lose_the_login(
    cli: Any, auth: AuthServer, file: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(login_flow, "fetch_profile", interrupted)
    assert cli("login").status == 0
    assert auth.accepts(accounts_in(file)["ann@example.com"]["accessToken"])


def test_without_a_screen_no_browser_is_tried(
    cli: Any, file: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(login, "has_browser", lambda env: has_browser(env, "linux"))
    monkeypatch.setattr(login, "LIMIT_S", 0.05)
    ended = cli("login")
    assert browser.urls == []
    assert ended.err.startswith("Open this address in a browser")
    assert "redirect_uri=http%3A%2F%2Flocalhost" in ended.out


def test_a_fresh_login_counts_whatever_the_old_one_said(cli: Any, file: Path, browser: Browser) -> None:
    cli("login", "--name", "work")
    text = json.loads(file.read_text())
    text["accounts"][0]["expiresAt"] = 4102444800000
    file.write_text(json.dumps(text))
    before = accounts_in(file)["work"]["refreshToken"]
    assert cli("login").err.splitlines()[-1] == "work (Max 20x) has its new credentials"
    assert accounts_in(file)["work"]["refreshToken"] != before


def test_an_unwritable_file_is_found_before_the_browser_opens(cli: Any, file: Path, browser: Browser) -> None:
    # Not a mode: the tests may run as root, who may write everywhere.
    file.with_name(f"{file.name}.lock").mkdir()
    ended = cli("login")
    assert ended.status == 1
    assert browser.urls == []
    assert "its directory must be writable" in ended.err


# --- with the keyboard --------------------------------------------------------------------------------


def manual_code(url: str) -> str:
    """What the page at the end of a manual login shows."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode().strip())


class Typist:
    """Reads the address off the screen and types what `reply` makes of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, keyboard: Callable[..., None]) -> None:
        self.reply: Callable[[str], list[str]] = lambda url: [manual_code(url)]
        self.urls: list[str] = []
        real = login.read_stdin_lines

        def typed_lines(take: Any, end: Any) -> None:
            for line in self.reply(self.urls[-1]):
                keyboard(line)
            real(take, end)

        def invite(attempt: Any, listening: bool) -> None:
            self.urls.append(attempt.url)
            real_invite(attempt, listening)

        real_invite = login._show_instructions
        monkeypatch.setattr(login, "_show_instructions", invite)
        monkeypatch.setattr(login, "read_stdin_lines", typed_lines)


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch, keyboard: Callable[..., None]) -> Typist:
    return Typist(monkeypatch, keyboard)


def test_a_pasted_code(cli: Any, auth: AuthServer, file: Path, typist: Typist) -> None:
    ended = cli("login", "--no-browser")
    assert ended.status == 0
    assert ended.out.strip() == typist.urls[0]
    assert parse_qs(urlsplit(typist.urls[0]).query)["redirect_uri"] == [MANUAL_REDIRECT]
    assert auth.accepts(accounts_in(file)["ann@example.com"]["accessToken"])
    assert quiet(ended, auth, file)


def test_wrong_pastes_before_the_right_one(cli: Any, file: Path, typist: Typist) -> None:
    typist.reply = lambda url: ["hello", "code#of-another", "", f"  {manual_code(url)}  "]
    ended = cli("login", "--no-browser")
    assert ended.status == 0
    assert ended.err.count("that is not a login code") == ended.err.count("that code is of another") == 1


def test_the_end_of_stdin_ends_a_login_without_browser(
    cli: Any, file: Path, keyboard: Callable[..., None]
) -> None:
    keyboard("hello", end=True)
    assert "no login code came in" in failed(cli("login", "--no-browser"), file)


def test_no_stdin_at_all(cli: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "no login code came in" in failed(cli("login", "--no-browser"), file)


def test_with_a_browser_elsewhere_its_last_address_is_pasted(
    cli: Any, auth: AuthServer, file: Path, browser: Browser, typist: Typist
) -> None:
    browser.does = lambda url: None

    def last_address(url: str) -> list[str]:
        class Stop(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args: Any) -> None:
                raise urllib.error.HTTPError(args[-1], 302, "", args[-2], None)

        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.build_opener(Stop()).open(url, timeout=30)
        return [str(caught.value.filename)]

    typist.reply = last_address
    assert cli("login").status == 0
    assert auth.accepts(accounts_in(file)["ann@example.com"]["accessToken"])


def test_the_browser_delivers_while_stdin_is_idle(
    cli: Any, file: Path, browser: Browser, keyboard: Callable[..., None]
) -> None:
    keyboard(end=True)
    assert cli("login").status == 0


def test_a_pasted_refusal(cli: Any, file: Path, typist: Typist) -> None:
    def refusal(url: str) -> list[str]:
        state = parse_qs(urlsplit(url).query)["state"][0]
        return [f"{MANUAL_REDIRECT}?error=access_denied&state={state}"]

    typist.reply = refusal
    assert "refused: access_denied" in failed(cli("login", "--no-browser"), file)


@pytest.mark.parametrize(
    "words", [("--api", "--no-browser"), ("--name", ""), ("--name", "a\nb"), ("--name",), ("x",)]
)
def test_wrong_words(cli: Any, file: Path, words: tuple[str, ...]) -> None:
    ended = cli("login", *words)
    assert ended.status == 2
    assert ended.err.count("\n") == 1
