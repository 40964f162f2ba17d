"""Some cases of each target in every run, different ones each day; `make fuzz` runs more."""

from __future__ import annotations

from datetime import date

import pytest

from tests.fuzz.fuzz_random import FuzzRandom
from tests.fuzz.run import TARGETS, failure

CASES = 100
START = int(date.today().strftime("%Y%m%d")) * 100_000


@pytest.mark.parametrize("name", TARGETS)
def test_no_case_fails(name: str) -> None:
    for case in range(START, START + CASES):
        words = failure(name, case)
        assert words is None, words


def test_a_failing_case_is_shown_with_the_command_that_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(rng: FuzzRandom) -> None:
        assert rng.random() > 1

    monkeypatch.setattr("tests.fuzz.run.TARGETS", {"fails": fails})
    words = failure("fails", 7)
    assert words is not None
    assert words.startswith("again: python -m tests.fuzz.run --target fails --case 7\n")


@pytest.mark.parametrize(
    ("target", "where", "bug"),
    [
        ("request_heads", "teamclaude.proxy.http.head._CONTROL", "$nothing^"),
        ("request_heads", "teamclaude.proxy.http.header_rewrite._NOT_FORWARDED", frozenset()),
        (
            "chunked_bodies",
            "teamclaude.proxy.http.framing._SIZE_LINE",
            rb"([0-9A-Fa-f]{0,15})(?:;[^\n]*)?\r?\n",
        ),
        ("request_paths", "teamclaude.proxy.http.path_kinds._SAFE_PATH", r"/.*"),
        ("retry_afters", "teamclaude.routing.quota.rate_limit_headers.MAX_WAIT_SEC", float("inf")),
        (
            "hosts",
            "teamclaude.proxy.messages.web_origin._AUTHORITY",
            r"(?:\[([^\]]*)\]|([0-9A-Za-z._-]+))(?::([0-9]*))?.*",
        ),
        ("connect_targets", "teamclaude.proxy.connect.target._NUMERIC", r"$nothing^"),
        ("connect_targets", "tests.fuzz.connects.AccessPolicy.authorize_connect", lambda *of: None),
        ("error_bodies", "teamclaude.proxy.messages.response_facts.redact_text", str),
        (
            "accept_encodings",
            "tests.fuzz.fields.upstream_request_headers",
            lambda *of: [("accept-encoding", "br")],
        ),
    ],
)
def test_the_targets_see_bugs(target: str, where: str, bug: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    from teamclaude.proxy.http import header_rewrite
    from teamclaude.proxy.messages import web_origin

    cached = (header_rewrite._lower_if_forwarded, web_origin._parse_authority)
    for each in cached:
        each.cache_clear()
    monkeypatch.setattr(where, re.compile(bug) if isinstance(bug, (str, bytes)) else bug)
    try:
        assert any(failure(target, case) for case in range(2000)), f"{target} does not see it"
    finally:
        for each in cached:
            each.cache_clear()
