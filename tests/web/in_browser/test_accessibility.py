"""The page for everybody: names, headings, contrast, focus, both themes, three widths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.in_browser.browser import Browser
from tests.web.in_browser.stub_server import StubServer

CHECKS = Path(__file__).with_name("checks.js").read_text("utf-8")
OPEN_ALL = (
    "document.querySelector('#agents-rows button.open').click();"
    "document.querySelector('#activity-rows button.open').click();"
    "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wrong(theme: str, width: int, server: StubServer, browser: Browser) -> None:
    browser.media(prefers_color_scheme=theme, prefers_reduced_motion="reduce")
    browser.size(width, 900)
    browser.run(OPEN_ALL)
    browser.until_text("#activity-rows .decision", "because")
    assert browser.run(CHECKS) == []
    browser.run("document.getElementById('help').click()")
    assert browser.run(CHECKS) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wrong_with_the_login(
    theme: str, stub: Callable[..., StubServer], browser: Browser
) -> None:
    browser.media(prefers_color_scheme=theme)
    browser.size(360, 700)
    server = stub()
    server.signed_in = False
    browser.expected = ["401"]
    browser.open(server.url)
    browser.until_text("#login", "teamclaude web")
    assert browser.run(CHECKS) == []


BREAK = (
    ("help.removeAttribute('aria-label'); help.textContent = ''", "no name"),
    ("why.parentElement.prepend(document.createElement('h6'))", "a heading of level 6"),
    ("why.style.color = '#999'", "contrast 2."),
    ("document.querySelector('th').removeAttribute('scope')", "without scope"),
    ("why.style.width = '2000px'", "wide"),
    ("why.setAttribute('aria-labelledby', 'nowhere')", "names nothing"),
    ("help.style.padding = 0; help.style.width = '10px'", "a target of 10"),
)


@pytest.mark.parametrize(("script", "found"), BREAK, ids=[found for _, found in BREAK])
def test_the_checks_see_what_is_wrong(script: str, found: str, server: StubServer, browser: Browser) -> None:
    browser.run(f"const [help, why] = ['help', 'why'].map((id) => document.getElementById(id)); {script}")
    assert [problem for problem in browser.run(CHECKS) if found in problem]


def test_every_control_is_reached_by_tab_in_the_order_it_is_seen(
    server: StubServer, browser: Browser
) -> None:
    browser.run("document.body.focus(); window.scrollTo(0, 0)")
    wanted = browser.run(
        "return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]"
        ".filter((one) => one.checkVisibility() && !one.closest('dialog')).length"
    )
    reached, rings = [], []
    for _ in range(wanted):
        browser.keys(Keys.TAB)
        place, ring = browser.run(
            "const one = document.activeElement; const box = one.getBoundingClientRect();"
            "const { outlineStyle, outlineWidth } = getComputedStyle(one);"
            "const area = one.closest('section, header, footer, form')?.id;"
            "return [[area, box.top + scrollY, box.left, one.outerHTML.slice(0, 90)],"
            " outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2]"
        )
        reached.append(place)
        rings += [] if ring else [place]
    assert len({html + str(top) + str(left) for _, top, left, html in reached}) == wanted
    assert rings == []
    tops = [top for area, top, *_ in reached if area in ("filters", "agents", "activity", "history")]
    assert [round(b - a) for a, b in zip(tops, tops[1:]) if b < a - 40] == []


def test_the_skip_link_leads_over_the_head(server: StubServer, browser: Browser) -> None:
    browser.run("document.body.focus()")
    browser.keys(Keys.TAB)
    assert browser.run("return document.activeElement.getBoundingClientRect().top >= 0")
    browser.keys(Keys.ENTER)
    browser.keys(Keys.TAB)
    assert browser.run("return document.querySelector('#now').contains(document.activeElement)")


def test_a_dialog_keeps_the_focus_and_gives_it_back(server: StubServer, browser: Browser) -> None:
    browser.run("document.querySelector('#pool-controls button').focus()")
    browser.keys(Keys.ENTER)
    browser.until_text("#ask", "Price")
    for _ in range(5):
        browser.keys(Keys.TAB)
        assert browser.run("return document.activeElement.matches('body, #ask *')")
    browser.keys(Keys.ESCAPE)
    assert browser.run("return document.querySelector('#pool-controls').contains(document.activeElement)")


def test_only_what_matters_is_told_to_screen_readers(server: StubServer, browser: Browser) -> None:
    live = browser.attributes("[aria-live], [role=status], [role=alert]", "id")
    assert {"verdict", "link", "result"} <= set(live)
    assert not {"accounts", "agents-rows", "activity-rows", "facts"} & set(live)
    # A countdown in a live region would be read out every second.
    assert browser.count("[role=status] [data-mode], [role=status][data-mode]") == 0
    said = [str(words) for words in browser.attributes("#accounts [role=meter]", "aria-valuetext")]
    assert said[0].startswith("37 % used, resets ")
    assert "not known yet" in said


def test_motion_is_off_for_those_who_do_not_want_it(server: StubServer, browser: Browser) -> None:
    behavior = "return getComputedStyle(document.documentElement).scrollBehavior"
    assert browser.run(behavior) == "auto"
    browser.media(prefers_reduced_motion="no-preference")
    assert browser.run(behavior) == "smooth"


CUT = """
const cut = [...document.querySelectorAll('.facts dd, .reset, .outlook, .share')]
  .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent);
const right = (one) => one.getBoundingClientRect().right;
const over = [...document.querySelectorAll('.axis > *')]
  .filter((one) => right(one) > right(one.closest('.axes')) + 1).map((one) => `over: ${one.textContent}`);
return [...cut, ...over];
"""


@pytest.mark.parametrize("width", [360, 480, 620, 700, 768, 900, 960, 1100, 1280, 1600])
def test_the_accounts_are_read_at_any_width(width: int, server: StubServer, browser: Browser) -> None:
    later = server.now + (23 * 60 + 59) * 60_000
    account = next(iter(server.state["accounts"].values()))
    account["quota"]["axes"]["7d"]["resetsAt"] = later
    server.put("accounts", str(account["name"]), account)
    browser.until_text("#accounts", "resets in 23h 5")
    browser.size(width, 900)
    assert browser.run(CUT) == []
