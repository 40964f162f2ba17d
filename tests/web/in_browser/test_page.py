"""The page in a real browser: what it answers at once, how it stays true, and that texts stay texts."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from teamclaude.web.document import page_document
from tests.web.in_browser.browser import Browser
from tests.web.in_browser.example_page import example_state
from tests.web.in_browser.stub_server import StubServer

Stub = Callable[..., StubServer]
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "\u202egnp.exe\u2066 \u0007bell",
    "x" * 3000,
    "👩‍👩‍👧‍👦" * 40,
    "'\"`${document.title='owned'}",
)


def test_the_document_is_small() -> None:
    size = len(page_document().body)
    print(f"\nthe page: {size / 1024:.0f} KB")
    assert size <= 150 * 1024


def test_the_first_paint_is_reported(server: StubServer, browser: Browser) -> None:
    browser.run("location.reload()")
    browser.until(lambda: browser.run("return performance.getEntriesByName('first-contentful-paint').length"))
    painted = browser.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"\nfirst contentful paint: {painted:.0f} ms")
    assert painted > 0


def test_the_first_screen_answers(server: StubServer, browser: Browser) -> None:
    browser.size(1280, 720)
    seen = browser.run(
        "return [...document.querySelectorAll('#now *')].filter((one) => one.children.length === 0 &&"
        " one.getBoundingClientRect().bottom <= innerHeight).map((one) => one.textContent).join('\\n')"
    )
    for answer in (
        "Tight", "1 request held", "37 %", "93 %", "full ", "2 of 5 live", "permission prompt",
        "in review",
        "every account is benched or full", "carol@example.com is back in", "serves ENG-2", "login needed",
    ):  # fmt: skip
        assert answer in seen


def test_a_change_of_a_row_is_shown(server: StubServer, browser: Browser) -> None:
    account = copy.deepcopy(server.state["accounts"]["key0"])
    account["quota"]["axes"]["5h"]["utilization"] = 0.61
    server.put("accounts", "key0", account)
    browser.until_text("#accounts", "61 %", sec=2)
    server.put("needsYou", next(iter(server.state["needsYou"])), None)
    browser.until(lambda: len(browser.texts("#needs > li")) == 1, sec=2)
    browser.until(lambda: browser.run("return document.title") == "(1) TeamClaude")


def test_what_a_client_asks_stands_above_issues_that_have_waited_longer(stub: Stub, browser: Browser) -> None:
    rows = {
        reason: {
            "session": reason,
            "agent": "",
            "label": reason,
            "project": "",
            "reason": reason,
            "since": since,
        }
        for since, reason in enumerate(
            ("issue pinned twice", "in review", "login needed", "blocked", "input needed")
        )
    }
    asked = {**rows, "later": {**rows["input needed"], "label": "permission prompt", "since": 99}}
    browser.open(stub({**example_state(1_800_000_000_000), "needsYou": asked}).url)
    browser.until(lambda: len(browser.texts("#needs strong")) == 6, "the list")
    assert browser.texts("#needs strong") == [
        "input needed", "permission prompt", "login needed", "blocked", "in review", "issue pinned twice",
    ]  # fmt: skip


def test_charts_of_windows_have_the_width_of_their_places(server: StubServer, browser: Browser) -> None:
    browser.until(lambda: browser.count("#quota-charts svg") > 1, "the charts")
    places = "[...document.querySelectorAll('#quota-charts .chart')]"
    widths = "one => [one.clientWidth, one.firstChild.viewBox.baseVal.width]"
    found = browser.run(f"return {places}.map({widths})")
    assert all(abs(place - drawn) < 2 for place, drawn in found)


def test_many_held_requests_leave_the_rest_on_the_screen(stub: Stub, browser: Browser) -> None:
    state = example_state(1_800_000_000_000)
    key, row = next((key, row) for key, row in state["inflight"].items() if row["waiting"])
    for number in range(8):
        waiting = {**row["waiting"], "at": row["waiting"]["at"] + number}
        state["inflight"][f"{key}-{number}"] = {**row, "waiting": waiting}
    browser.open(stub(state).url)
    browser.until(lambda: len(browser.texts("#held > li")) == 6, "the longest")
    assert browser.text("#held-more") == "… 3 more, in the table of agents"
    assert "9 requests held" in browser.text("#verdict")


def test_what_is_unknown_is_a_dash(stub: Stub, browser: Browser) -> None:
    empty = {"about": {"": {}}, "accounts": {"a": {"name": "a"}}, "nodes": {"s": {"session": "s"}},
             "needsYou": {"s": {"session": "s"}}, "inflight": {"r1": {"session": "s"}},
             "activity": {"r2": {"session": "s", "outcome": "served", "status": 200}}}  # fmt: skip
    browser.open(stub(empty).url)
    browser.until_text("#agents-rows", "—")
    assert "0" not in "".join(browser.texts("#agents-rows .num, #accounts .share, #activity-rows .num"))
    assert browser.text("#accounts .share") == "—"
    assert browser.text("#verdict").endswith("Not known yet")


def test_an_empty_page_says_what_to_do(stub: Stub, browser: Browser) -> None:
    browser.open(stub({"about": {"": {"verdict": "red"}}}).url)
    browser.until_text("#why", "There is no account. Add one: teamclaude login")
    assert "Start one: teamclaude run" in browser.text("#agents-none")
    assert browser.text("#needs-none") == "Nobody."


def test_a_quiet_page_tells_when_an_agent_asked_last(stub: Stub, browser: Browser) -> None:
    state = example_state(1_800_000_000_000)
    state["inflight"], state["needsYou"] = {}, {}
    state["about"][""].update(verdict="green", held=0)
    refused = {"id": "r", "at": state["about"][""]["at"], "path": "/x", "session": "", "outcome": "refused"}
    state["activity"] = {"r": refused}
    server = stub(state)
    browser.open(server.url)
    browser.until_text("#why", "No agent has asked for anything yet.")
    server.put("activity", "q", {**refused, "id": "q", "session": "s"})
    browser.until_text("#why", "No agent has asked for anything since ")


def test_a_red_page_tells_that_a_paid_key_serves(server: StubServer, browser: Browser) -> None:
    assert server.state["accounts"]["key4"]["lastResort"]
    server.put("about", "", {**server.state["about"][""], "verdict": "red"})
    browser.until_text("#why", "Only a paid key serves. The first account is back at ")
    server.put("accounts", "key4", {**server.state["accounts"]["key4"], "usable": False})
    browser.until_text("#why", "No account can serve. The first account is back at ")


def test_an_api_that_cannot_be_reached_is_why(server: StubServer, browser: Browser) -> None:
    about, accounts = server.state["about"][""], server.state["accounts"]
    usable = [row["name"] for row in accounts.values() if row["usable"]]
    outage = {
        "accounts": usable,
        "since": about["at"],
        "lastAt": about["at"],
        "failed": 12,
        "reason": "refused",
    }
    server.put("about", "", {**about, "verdict": "red", "outages": [outage]})
    browser.until_text("#why", ": refused. 12 requests failed, the last at ")
    server.put("about", "", {**about, "outages": [{**outage, "accounts": usable[1:]}]})
    browser.until(lambda: "refused" not in browser.text("#why"), "others serve")


def test_a_phone_shows_the_facts_whole(server: StubServer, browser: Browser) -> None:
    browser.size(360, 800)
    browser.until_text("#facts", "2 of 5 live")
    cut = browser.run(
        "return [...document.querySelectorAll('#facts dd, #facts dt')]"
        ".filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    )
    assert cut == []


def test_unknown_sections_and_fields_do_not_matter(server: StubServer, browser: Browser) -> None:
    server.send(
        {
            "weather": {"x": {"y": 1}},
            "about": {"": {**server.state["about"][""], "later": [1], "verdict": "red"}},
        }
    )
    browser.until_text("#verdict", "No account would serve now")


@pytest.mark.parametrize("words", HOSTILE, ids=lambda words: ascii(words[:8]))
def test_hostile_texts_are_shown_as_texts(words: str, stub: Stub, browser: Browser) -> None:
    browser.size(360, 800)
    state = example_state(1_800_000_000_000)
    for rows in state.values():
        for key, row in list(rows.items()):
            texts = (
                "name",
                "label",
                "title",
                "project",
                "branch",
                "model",
                "reason",
                "path",
                "waitingFor",
                "statusReason",
                "version",
            )
            row.update({name: words for name in texts if isinstance(row.get(name), str)})
            row.update({"accounts": [words, words]} if "accounts" in row else {})
            rows[f"{key}{words}"] = row
    server = stub(state)
    server.answers["/teamclaude/history/quota"] = (
        200,
        {"series": [{"account": words, "axis": words, "points": [[1, 0.5, None]]}]},
    )
    server.answers["/teamclaude/usage"] = (200, {"rows": [{"account": words, "begin": 1, "inputTokens": 5}]})
    browser.open(server.url)
    browser.until(lambda: browser.texts("#usage-chart svg"), "the page")
    browser.run("document.querySelectorAll('button.open').forEach((one) => one.click())")
    browser.until_text("#activity-rows .decision", "because")
    assert browser.run("return document.title") != "owned"
    assert browser.count("img, script[src], main script") == 0
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    shown = browser.run("return document.body.textContent")
    assert not set("\u202e\u2066\u0007") & set(shown)
    if words.startswith("<img"):
        assert words in shown


def test_the_page_says_how_old_it_is_when_the_server_is_gone(stub: Stub, browser: Browser) -> None:
    server = stub()
    browser.open(server.url)
    browser.until_text("#link", "live")
    port = server.port
    server.close()
    browser.expected = ["ERR_", "Failed to load resource"]
    browser.until_text("#link", "not connected, last update")
    assert browser.text("#accounts"), "what was known stays"
    state = example_state(server.now)
    state["about"][""]["version"] = "9.9.9"
    del state["accounts"]["key3"]
    stub(state, port=port)
    browser.until_text("#version", "9.9.9", sec=20)
    browser.until_text("#link", "live")
    assert len(browser.texts("#accounts > li")) == 4  # the new whole replaces the old one


def test_an_event_that_cannot_be_read_is_answered_with_a_new_connection(
    server: StubServer, browser: Browser
) -> None:
    server.state["about"][""]["version"] = "7.7.7"
    server.send_raw(b"event: delta\ndata: {broken\n\n")
    browser.until_text("#version", "7.7.7")


def test_a_page_that_is_refused_says_why(stub: Stub, browser: Browser) -> None:
    server = stub()
    full = {"error": {"message": "the page is open 16 times already: close one of them"}}
    server.answers["/teamclaude/page/events"] = (503, full)
    browser.expected = ["503"]
    browser.size(360, 700)
    browser.open(server.url)
    browser.until_text("#link", "open 16 times already")
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    del server.answers["/teamclaude/page/events"]
    browser.until_text("#link", "live")


def test_without_a_session_the_page_asks_for_a_key(stub: Stub, browser: Browser) -> None:
    server = stub()
    server.signed_in = False
    browser.expected = ["401", "403"]
    browser.open(server.url)
    browser.until_text("#login", "teamclaude web")
    assert browser.text("#page") == ""
    browser.run("document.getElementById('login-key').focus()")
    browser.keys("wrong\n")
    browser.until_text("#login-error", "this is no key of this proxy")
    browser.run("document.getElementById('login-key').select()")
    browser.keys("right\n")
    browser.until_text("#verdict", "Tight")
    assert browser.text("#login") == ""
    assert not [path for path in server.asked if "right" in path]
    browser.click("#sign-out")
    browser.until_text("#login", "teamclaude web")
    assert browser.text("#page") == ""


def test_the_code_of_the_command_signs_in_and_leaves_the_address(stub: Stub, browser: Browser) -> None:
    server = stub()
    server.signed_in = False
    browser.open(f"{server.url}#code=once")
    browser.until_text("#verdict", "Tight")
    assert browser.run("return location.href") == server.url
    assert not [path for path in server.asked if "once" in path]


def test_a_code_that_is_pasted_over_the_open_page_signs_in_and_leaves_the_address(
    stub: Stub, browser: Browser
) -> None:
    server = stub()
    server.signed_in = False
    browser.expected = ["401"]
    browser.open(server.url)
    browser.until_text("#login", "teamclaude web")
    browser.run("location.hash = 'code=once'")
    browser.until_text("#verdict", "Tight")
    assert browser.run("return location.href") == server.url


HIDE = "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"


def test_a_page_that_nobody_looks_at_gives_its_connection_to_one_that_is_opened(
    server: StubServer, browser: Browser
) -> None:
    """A browser has six connections for a server: a seventh page would load for ever."""
    first = browser.driver.current_window_handle
    opened = []
    try:
        for _ in range(7):
            browser.run(HIDE)
            browser.driver.switch_to.new_window("tab")
            opened.append(browser.driver.current_window_handle)
            browser.open(server.url)
            browser.until_text("#verdict", "Tight")
        browser.driver.switch_to.window(first)
        browser.until_text("#link", "paused")
        assert browser.driver.title == "TeamClaude"
        browser.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        browser.until_text("#link", "live")
        assert browser.driver.title == "(2) TeamClaude"
    finally:
        for window in opened:
            browser.driver.switch_to.window(window)
            browser.driver.close()
        browser.driver.switch_to.window(first)


def test_a_hidden_page_does_not_work(server: StubServer, browser: Browser) -> None:
    browser.run(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "window.changes = 0; new MutationObserver((all) => { window.changes += all.length; })"
        ".observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true});"
    )
    browser.run_async("setTimeout(done, 2200)")
    assert browser.run("return window.changes") == 0
    browser.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    browser.until(lambda: browser.run("return window.changes"))


def test_the_theme_follows_the_system_until_it_is_chosen(server: StubServer, browser: Browser) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(ground)
    browser.media(prefers_color_scheme="dark")
    dark = browser.run(ground)
    assert light != dark
    browser.click("#theme")
    assert browser.run(ground) == light
    browser.run("location.reload()")
    browser.until_text("#link", "live")
    assert browser.run(ground) == light
    browser.run("localStorage.clear()")
