"""The line as a table: facts, width and template in, text out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from teamclaude.cli.status_line.facts import Facts, Input, Window
from teamclaude.cli.status_line.line import FIELDS, State, line_of, unknown_field

NOW = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0
PRESENT = State()
SAID = Input("s-1", "Opus 5.5", 1.234)
FACTS = Facts(
    at=NOW,
    account="alice",
    account_status="active",
    windows={"5h": Window(0.42, NOW + 2.5 * HOUR), "7d": Window(0.61, NOW + 2.8 * DAY)},
    verdict="green",
    headroom=4,
    live=2,
    total=3,
)
FULL = "alice · 5h 42% -8 ↻2h30m · 7d 61% +1 ↻2d19h · pool 2/3 room 4 · $1.23"


def line(facts: Facts = FACTS, said: Input = SAID, state: State = PRESENT, **more: Any) -> str:
    return line_of(said, facts, state, NOW, **more)


def test_all_of_it() -> None:
    assert line() == FULL


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"held_sec": 130.0}, "held 2m · alice"),
        (
            {
                "held_sec": 5.0,
                "held_reason": "no account usable",
                "held_account": "bob",
                "held_until": NOW + 720,
            },
            "held 5s: no account usable, bob in 12m · alice",
        ),
        ({"held_sec": 5.0, "held_until": NOW + 720}, "held 5s, 12m to go · alice"),
        ({"held_sec": 5.0, "held_until": NOW - 5}, "held 5s, 0s to go · alice"),
        ({"refused_by": "alice", "failover_to": "bob"}, "alice refused, asking bob · alice"),
        ({"refused_by": "alice"}, "alice refused, trying again · alice"),
        ({"draining": True}, "the proxy is stopping · alice"),
        ({"account_status": "benched", "bench_sec": 240.0}, "alice (benched 4m) · 5h"),
        ({"account_status": "auth_failed"}, "alice (login needed) · 5h"),
        ({"account_status": "disabled"}, "alice (disabled) · 5h"),
        ({"pinned": True}, "alice (pinned) · 5h"),
        ({"account": ""}, "5h 42%"),
        ({"windows": {}}, "alice · pool 2/3"),
        ({"windows": {"5h": Window(0.42, NOW - 1), "7d": Window(None, NOW + 9)}}, "alice · pool 2/3"),
        ({"windows": {"5h": Window(1.13, None)}}, "alice · 5h 113% · pool"),
        ({"windows": {"7d": Window(0.9, NOW + DAY)}}, "alice · 7d 90% +4 ↻1d · pool"),
    ],
)
def test_what_stands_first(changes: dict[str, Any], begins: str) -> None:
    assert line(FACTS._replace(**changes)).startswith(begins)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"verdict": "red", "room_in_sec": 720.0}, " · pool full, room in 12m · "),
        ({"verdict": "red", "room_in_sec": 0.0}, " · pool full · "),
        ({"headroom": None, "live": None}, " · pool 0/3 room 0 · "),
    ],
)
def test_the_pool(changes: dict[str, Any], part: str) -> None:
    assert part in line(FACTS._replace(**changes))


def test_a_direct_client_and_a_silent_proxy() -> None:
    assert line(Facts(), state=State(is_direct=True)) == "direct, not through teamclaude · $1.23"
    # What was going on when the proxy answered last is not going on any more.
    stale = FACTS._replace(held_sec=5.0, refused_by="alice")
    assert line(stale, state=State(age_sec=190.0)) == f"no answer for 3m · {FULL}"


def test_nothing_known_is_nothing_said() -> None:
    assert line(Facts(), Input()) == ""


@pytest.mark.parametrize(
    ("said", "facts", "cost"),
    [
        (1.234, 9.0, "$1.23"),
        (0, 0.5, "$0.50"),
        (None, 0.5, "$0.50"),
        (None, None, None),
        (0.0, None, None),
        (123.4, None, "$123"),
    ],
)
def test_the_cost_is_the_clients_else_the_proxys(said: Any, facts: Any, cost: Any) -> None:
    shown = line(FACTS._replace(cost=facts), Input("s", cost=said))
    assert shown.rpartition(" · ")[2] == (cost or "pool 2/3 room 4")


@pytest.mark.parametrize(
    ("warm", "ends_in", "tokens", "warning"),
    [
        (True, 3000.0, 120_000, ""),
        (True, 290.0, 120_000, "cache 4m left"),
        (True, -1.0, 120_000, "cache cold 120k"),
        (False, None, 120_000, "cache cold 120k"),
        (False, None, 5_000, ""),
        (None, None, 120_000, ""),
        (True, None, 120_000, ""),
    ],
)
def test_the_warning_of_a_cold_cache(warm: Any, ends_in: Any, tokens: int, warning: str) -> None:
    ends_at = None if ends_in is None else NOW + ends_in
    said = SAID._replace(cache_warm=warm, cache_ends_at=ends_at, recache_tokens=tokens)
    assert line(said=said) == FULL + (f" · {warning}" if warning else "")


def test_the_least_important_goes_first() -> None:
    said = SAID._replace(cache_warm=False, recache_tokens=99_000)
    shown = {width: line(FACTS._replace(held_sec=65.0), said, width=width) for width in range(1, 110)}
    assert len(set(shown.values())) > 10
    forms = list(dict.fromkeys(shown[width] for width in sorted(shown, reverse=True)))
    for longer, shorter in zip(forms, forms[1:]):
        assert len(shorter) < len(longer), shorter
    for width, text in shown.items():
        assert len(text) <= width
    # In this order the last mention of each goes.
    words = ["+1", "-8", "pool", "↻2d19h", "$", "7d", "↻2h30m", "room", "5h", "alice"]
    lasts = [max(n for n, form in enumerate(forms) if word in form) for word in words]
    assert lasts == sorted(lasts)
    assert shown[8] == "held 1m…"


def test_wide_names_count_their_cells() -> None:
    facts = FACTS._replace(account="日本語の口座", windows={}, total=None)
    assert line(facts, Input(), width=12) == "日本語の口座"
    assert line(facts, Input(), width=11) == "日本語の口…"


def test_names_can_do_nothing_to_the_terminal() -> None:
    bad = "\x1b[2J\x07a\n\u202eb"
    facts = FACTS._replace(account=bad, held_sec=3.0, held_reason=bad, held_account=bad, held_until=NOW + 60)
    shown = line(facts, colors=256) + line(facts, colors=0, template="{account} {held} {model} \x1b[2J\n")
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown).isprintable()
    assert "2J" not in line(facts)
    failing = line(FACTS._replace(refused_by=bad, failover_to=bad))
    assert failing.isprintable()


def test_a_name_is_not_the_whole_line() -> None:
    shown = line(FACTS._replace(account="a" * 200))
    assert shown.startswith("a" * 31 + "… · 5h")


@pytest.mark.parametrize(("used", "code"), [(0.3, "32"), (0.75, "33"), (0.9, "31")])
def test_colours_say_how_full_it_is(used: float, code: str) -> None:
    facts = FACTS._replace(windows={"5h": Window(used, NOW + HOUR)})
    assert f"\x1b[{code}m{used:.0%}\x1b[0m" in line(facts, colors=16)
    assert "\x1b" not in line(facts, colors=0)


def test_far_ahead_of_the_pace_has_a_colour() -> None:
    near, far = (FACTS._replace(windows={"5h": Window(u, NOW + 2.5 * HOUR)}) for u in (0.6, 0.61))
    assert "\x1b[2m +10\x1b[0m" in line(near, colors=16)
    assert "\x1b[33m +11\x1b[0m" in line(far, colors=16)


# --- templates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{account} {5h} {5h_pace} {5h_reset} | {7d} {7d_pace} {7d_reset}",
            "alice 42% -8 2h30m | 61% +1 2d19h",
        ),
        ("{live}/{total} {headroom} {verdict} {cost} {model}", "2/3 4 green $1.23 Opus 5.5"),
        ("{{{account}}} {", "{alice} {"),
        ("{status}{held}{alert}{cache}", ""),
        ("{context}", "-"),
        ("no field", "no field"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert line(template=template) == text


def test_unknown_values_are_dashes() -> None:
    template = "{account} {5h} {5h_pace} {7d_reset} {headroom} {cost} {model} {verdict}"
    assert line(Facts(), Input(), template=template) == "- - - - - - - -"


def test_a_template_is_cut_to_the_width() -> None:
    assert line(template="{account} and more", width=9) == "alice an…"[:8] + "…"


def test_every_field_can_be_shown() -> None:
    template = " ".join(f"{{{name}}}" for name in FIELDS)
    assert unknown_field(template) == ""
    assert line(template=template).startswith("alice")


def test_an_unknown_field_is_one_line() -> None:
    said = unknown_field("{account} {nope} {x}")
    assert said.startswith('no field "{nope}"; there are: account, ')
    assert said.isprintable()
    assert unknown_field("{}").startswith('no field "{}"')
    assert unknown_field("{\n}").isprintable()
