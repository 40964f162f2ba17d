"""Working with the page: rows that stay, filters, decisions, history, keys, and what operators can do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.in_browser.browser import Browser
from tests.web.in_browser.example_page import example_state
from tests.web.in_browser.stub_server import StubServer

ROWS = "#agents-rows > tr:not(.detail) .label"


def sessions(server: StubServer) -> list[str]:
    return [key for key, row in server.state["nodes"].items() if not row["agent"]]


def test_the_tree_has_the_heaviest_branch_first_and_children_below(
    server: StubServer, browser: Browser
) -> None:
    shown = browser.texts(ROWS)
    assert shown[:3] == ["Checkout v2: plan the move", "ENG-2", "ENG-3"]
    depths = browser.attributes("#agents-rows > tr", "style")
    assert depths[:3] == ["--depth: 0;", "--depth: 1;", "--depth: 2;"]
    assert "+2 idle" in browser.text("#agents-rows .more")
    browser.click("#agents-fold")
    browser.until(lambda: len(browser.texts(ROWS)) == 30)


def test_a_circle_of_parents_is_shown_once(stub: Callable[..., StubServer], browser: Browser) -> None:
    state = example_state(1_800_000_000_000)
    first, second = list(state["nodes"])[:2]
    state["nodes"] = {
        first: {**state["nodes"][first], "parent": second},
        second: {**state["nodes"][second], "parent": first},
    }
    browser.open(stub(state).url)
    browser.until(lambda: len(browser.texts(ROWS)) == 2)


def test_a_row_in_use_stays_in_its_place_with_its_focus(server: StubServer, browser: Browser) -> None:
    before = browser.texts(ROWS)
    place = (
        "return [...document.querySelectorAll('#agents-rows button.open')].indexOf(document.activeElement)"
    )
    browser.run("document.querySelectorAll('#agents-rows button.open')[4].focus()")
    rising = sessions(server)[-1]
    server.put("nodes", rising, {**server.state["nodes"][rising], "burn": 9_000_000, "tokens": 9_000_000})
    browser.until_text("#agents-rows", "9.00M")
    assert browser.texts(ROWS) == before
    assert browser.run(place) == 4
    browser.run("document.activeElement.blur()")
    server.put("nodes", rising, {**server.state["nodes"][rising], "burn": 9_100_000})
    browser.until(lambda: browser.texts(ROWS)[0] == "ENG-18")


def test_the_focus_stays_on_a_row_that_moves(server: StubServer, browser: Browser) -> None:
    browser.run("document.querySelector('#accounts li:nth-child(2) button').focus()")
    server.put("accounts", "key0", {**server.state["accounts"]["key0"], "order": 9})
    server.put("accounts", "key1", {**server.state["accounts"]["key1"], "statusReason": "looked at"})
    browser.until(
        lambda: browser.run("return document.querySelector('#accounts li:nth-child(2) .chip').title")
    )
    assert (
        browser.run("return document.activeElement.getAttribute('aria-label')")
        == "Pin all work to bob@example.com"
    )


def test_new_requests_wait_while_the_table_is_in_use(server: StubServer, browser: Browser) -> None:
    first = "#activity-rows > tr:first-child .c-time"
    before = browser.text(first)
    browser.run("document.querySelector('#activity-rows button.open').focus()")
    new = {**next(iter(server.state["activity"].values())), "id": "tc-new", "at": server.now + 5000}
    server.put("activity", "tc-new", new)
    browser.until_text("#activity-sum", "1 new")
    assert browser.text(first) == before
    browser.run("document.activeElement.blur()")
    server.put("activity", "tc-new", {**new, "status": 201})
    browser.until_text("#activity-rows > tr:first-child", "201")


def test_a_request_that_ends_keeps_its_row(server: StubServer, browser: Browser) -> None:
    id = next(iter(server.state["inflight"]))
    done = {
        **server.state["inflight"][id],
        "outcome": "served",
        "status": 200,
        "durationSec": 7.0,
        "waiting": None,
    }
    browser.run("window.row = document.querySelector('#activity-rows').rowsByKey.get(arguments[0])", id)
    server.send({"inflight": {id: None}, "activity": {id: done}})
    browser.until(lambda: "7.0 s" in browser.run("return window.row.innerText"))
    assert browser.run("return window.row.isConnected")


def test_a_request_opens_to_the_decision_behind_it(server: StubServer, browser: Browser) -> None:
    browser.run("document.querySelector('#activity-rows button.open').click()")
    browser.until_text("#activity-rows .decision", "alice@example.com because kept: its prompt cache is warm")
    assert "not bob@example.com: 5h window: 93 % used" in browser.text("#activity-rows .excluded")
    assert [path for path in server.asked if path.startswith("/teamclaude/explain/tc-")]


def test_filters_by_account_model_project_text_and_time(server: StubServer, browser: Browser) -> None:
    def all_say(selector: str, part: str) -> bool:
        found = browser.texts(selector)
        return bool(found) and all(part in one for one in found)

    browser.choose("f-account", "bob@example.com")
    browser.until(lambda: all_say("#agents-rows td.c-account", "bob@example.com"))
    browser.until(lambda: all_say("#activity-rows td.c-account", "bob@example.com"))
    browser.until(lambda: any("account=bob" in path for path in server.asked if "/usage?" in path))
    browser.choose("f-account", "")
    browser.choose("f-project", "billing")
    browser.until(lambda: all_say("#agents-rows td.c-project", "billing"))
    browser.choose("f-project", "")
    browser.choose("f-model", "claude-haiku-4-5")
    browser.until(lambda: all_say("#activity-rows td.c-model", "haiku"))
    browser.choose("f-model", "")
    browser.choose("f-text", "eng-17")
    browser.until(lambda: browser.texts(ROWS) == ["ENG-17"])
    browser.choose("f-text", "nothing like it")
    browser.until_text("#agents-none", "No agent fits the filter.")
    browser.click("#filters button[type=reset]")
    browser.until(lambda: len(browser.texts(ROWS)) > 20)


def test_the_history_has_charts_tables_and_files(server: StubServer, browser: Browser) -> None:
    assert browser.count("#usage-chart rect") > 20
    assert browser.count("#quota-charts path") == 6
    assert "by account, each hour" in browser.text("#usage-caption")
    browser.run("document.querySelectorAll('#history details').forEach((one) => { one.open = true; })")
    assert "alice@example.com" in browser.text("#usage-table thead")
    assert "alice@example.com 5h" in browser.text("#quota-table tbody")
    csv = str(browser.attributes("#h-csv", "href")[0])
    assert csv.startswith("/teamclaude/usage?by=hour%2Caccount&since=")
    assert csv.endswith("&format=csv")
    for id, value in (("h-measure", "cost"), ("h-by", "model"), ("h-step", "day")):
        browser.choose(id, value)
    browser.until_text("#usage-caption", "Cost at list prices by model, each day")
    browser.until(lambda: any("by=day%2Cmodel" in path for path in server.asked))
    browser.until_text("#usage-table", "$")


def test_a_history_that_is_off_is_said_and_the_rest_works(
    stub: Callable[..., StubServer], browser: Browser
) -> None:
    server = stub()
    off = (404, {"error": {"message": "The history is off (history in the config file)."}})
    server.answers.update({"/teamclaude/usage": off, "/teamclaude/history/quota": off})
    browser.expected = ["404"]
    browser.open(server.url)
    browser.until_text("#history-error", "The history is off")
    assert "Tight" in browser.text("#verdict")


ACTIONS: tuple[tuple[str, str, str, str, object], ...] = (
    ("Pin all work to alice@example.com", "Pin everything to alice", "4 warm conversations move, 310k tokens",
     "$1.94", ("/teamclaude/switch", {"account": "alice@example.com"})),
    ("Disable bob@example.com", "Disable bob", "4 warm conversations must move", "",
     ("/teamclaude/accounts/bob%40example.com/disable", {})),
    ("Read the config file again", "Read the config file", "nothing: no conversation moves", "",
     ("/teamclaude/accounts/reload", {})),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "heading", "price", "cost", "post"), ACTIONS, ids=("pin", "disable", "reload")
)
def test_each_control_says_its_price_and_asks(
    name: str, heading: str, price: str, cost: str, post: object, server: StubServer, browser: Browser
) -> None:
    browser.press(name)
    browser.until_text("#ask-price", price)
    assert heading in browser.text("#ask-title")
    assert cost in browser.text("#ask-price")
    browser.keys(Keys.ESCAPE)
    browser.until(lambda: not browser.text("#ask"))
    assert server.posts == []
    browser.press(name)
    browser.until_text("#ask-price", price)
    browser.click("#ask-yes")
    browser.until(lambda: server.posts)
    assert server.posts == [post]
    browser.until_text("#result", "✓")


def test_who_disables_the_last_account_is_told(server: StubServer, browser: Browser) -> None:
    names = list(server.state["accounts"])
    first = "Disable alice@example.com"
    browser.press(first)
    assert "new work will wait" not in browser.text("#ask-text")
    browser.keys(Keys.ESCAPE)
    for name in names[1:]:
        row = {**server.state["accounts"][name], "status": "disabled", "usable": False}
        server.put("accounts", name, row)
    browser.until_text("#accounts > li:last-child", "disabled")
    browser.press(first)
    browser.until_text("#ask-text", "No other account can serve now: new work will wait.")
    browser.keys(Keys.ESCAPE)
    server.put("accounts", names[0], {**server.state["accounts"][names[0]], "status": "disabled"})
    browser.until_text("#why", "Every account is disabled: enable one.")


def test_a_session_is_pinned_to_a_chosen_account(server: StubServer, browser: Browser) -> None:
    browser.run("document.querySelector('#agents-rows button.open').click()")
    browser.press("Pin this session to an account")
    browser.choose("ask-account", "carol@example.com")
    browser.until_text("#ask-price", "$1.94")
    browser.click("#ask-yes")
    browser.until(lambda: server.posts)
    assert server.posts == [
        ("/teamclaude/switch", {"account": "carol@example.com", "session": sessions(server)[0]})
    ]
    assert any("account=carol%40example.com&session=" in path for path in server.asked)


def test_a_refused_order_is_one_line(server: StubServer, browser: Browser) -> None:
    server.answers["/teamclaude/accounts/reload"] = (
        400,
        {"error": {"message": "proxy.port is not a number"}},
    )
    browser.expected = ["400"]
    browser.press("Read the config file again")
    browser.until_text("#ask-price", "nothing")
    browser.click("#ask-yes")
    browser.until_text("#result", "✖ proxy.port is not a number")


def test_a_pin_is_shown_and_can_be_taken_back(server: StubServer, browser: Browser) -> None:
    server.put(
        "about", "", {**server.state["about"][""], "pins": [{"session": None, "account": "bob@example.com"}]}
    )
    browser.until_text("#pool-controls", "Unpin")
    assert "pinned" in browser.text("#accounts > li:nth-child(2)")
    browser.click("#pool-controls button")
    browser.click("#ask-yes")
    browser.until(lambda: server.posts == [("/teamclaude/switch", {"account": None})])


def test_an_observer_has_no_controls(server: StubServer, browser: Browser) -> None:
    server.put("about", "", {**server.state["about"][""], "role": "observer"})
    browser.until_text("#role", "to look at only")
    browser.run("document.querySelector('#agents-rows button.open').click()")
    assert browser.texts("#accounts button, #pool-controls button, .detail .own button") == []


def test_the_keys_of_the_help_do_what_it_says(server: StubServer, browser: Browser) -> None:
    focus = "return document.activeElement.id || document.activeElement.closest('[id]').id"
    browser.keys("2")
    assert browser.run(focus) == "agents"
    browser.keys("/")
    assert browser.run(focus) == "f-text"
    browser.keys("eng-17")
    browser.until(lambda: browser.texts(ROWS) == ["ENG-17"])
    browser.keys(Keys.ESCAPE)
    browser.until(lambda: len(browser.texts(ROWS)) > 20)
    browser.run("document.activeElement.blur()")
    browser.keys("n")
    assert browser.run(focus) == "needs"
    browser.keys(Keys.ENTER)
    assert browser.run("return document.activeElement.textContent.includes('ENG-5')")
    assert "Prompt cache" in browser.text("#agents-rows .detail")
    browser.keys(Keys.ARROW_DOWN)
    assert "ENG-5" not in browser.run("return document.activeElement.textContent")
    browser.keys("?")
    assert "the next agent that needs you" in browser.text("#keys")
    browser.click("#keys-on")
    browser.keys(Keys.ESCAPE)
    browser.run("document.activeElement.blur()")
    browser.keys("/")
    assert browser.run("return document.activeElement.tagName") == "BODY"
    browser.run("localStorage.clear()")
