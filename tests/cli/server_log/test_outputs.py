"""Which line goes where, as text and as JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.cli.deck_page import LocalDeck
from teamclaude.cli.server_log.lines import Told, json_line
from teamclaude.cli.server_log.outputs import ServerLog
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.messages.body_scan import BodyFacts
from teamclaude.proxy.records.exchange import Exchange, Outcome
from teamclaude.proxy.records.journal import activity_of
from teamclaude.proxy.records.notices import BENCH, SERVER, Notice
from teamclaude.typed_json import to_json

pytestmark = pytest.mark.usefixtures("utc")

NOW = 1_795_428_000.25  # 2026-11-23 10:00:00 UTC
BENCHED = Notice(BENCH, "alice 60 s", "429", "alice")
HOSTILE = 'eve\n{"type":"request"}\x1b[31m\u202e'


class Deck:
    """A Deck that may be on the screen."""

    on_switch: Callable[[], None]

    def __init__(self, is_shown: bool) -> None:
        self.is_shown = is_shown
        self.warnings: list[str] = []

    def show_warning(self, line: str) -> bool:
        if self.is_shown:
            self.warnings.append(line)
        return self.is_shown


class Log:
    """A server's log with what has come out of it."""

    def __init__(self, shown: bool = False, deck: Optional[LocalDeck] = None, **options: Any) -> None:
        self.deck, self.out_stream, self.err_stream = Deck(shown), io.StringIO(), io.StringIO()
        self.log = ServerLog(
            deck or self.deck,  # type: ignore[arg-type]
            clock=lambda: NOW,
            out=self.out_stream,
            err=self.err_stream,
            **options,
        )

    def fill(self) -> Exchange:
        exchange = request()
        self.log.banner("TeamClaude 1.0\nconfig: x")
        self.log.request(exchange)
        self.log.notice(BENCHED, NOW)
        self.log.notice(Notice(SERVER, "1.0", "stopped"), NOW)
        self.log.warn("something is odd")
        self.log.say("teamclaude: stopping")
        self.log.close()
        return exchange

    def fill_lines(self) -> None:
        """Log a request and a notice."""
        self.log.request(request())
        self.log.notice(BENCHED, NOW)

    @property
    def out(self) -> list[str]:
        return self.out_stream.getvalue().splitlines()

    @property
    def err(self) -> list[str]:
        return self.err_stream.getvalue().splitlines()


def request(model: str = "claude-opus-4-8") -> Exchange:
    head = RequestHead("POST", "/v1/messages", 1, [])
    exchange = Exchange(head, classify_path("POST", "/v1/messages"), NOW, "tc-1")
    exchange.facts = BodyFacts(model=model)
    exchange.end(Outcome.REFUSED, "no account")
    return exchange


def test_without_a_file_stdout_has_what_happened_and_stderr_what_to_know() -> None:
    log = Log()
    log.fill()
    assert log.out[:2] == ["TeamClaude 1.0", "config: x"]
    assert re.fullmatch(r"10:00:00 POST /v1/messages claude-opus-4-8 .*\(refused\).*", log.out[2])
    assert log.out[3:] == ["10:00:00 BENCH alice 60 s: 429"]
    assert log.err == ["teamclaude: something is odd", "teamclaude: stopping"]


def test_the_deck_has_the_terminal_and_the_file_has_all(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    log = Log(shown=True, file=str(path))
    log.fill()
    lines = path.read_text().splitlines()
    assert lines[0].startswith("2026-11-23 10:00:00 POST /v1/messages")
    assert lines[1:] == [
        "2026-11-23 10:00:00 BENCH alice 60 s: 429",
        "2026-11-23 10:00:00 SERVER 1.0: stopped",
        "2026-11-23 10:00:00 WARNING something is odd",
        "2026-11-23 10:00:00 MESSAGE stopping",
    ]
    assert log.deck.warnings == ["something is odd"]
    assert (log.out, log.err) == (["TeamClaude 1.0", "config: x"], ["teamclaude: stopping"])


def test_forced_colours_are_for_streams_and_not_for_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    for file in (None, str(tmp_path / "server.log")):
        log = Log(file=file)
        log.fill()
        assert ("\x1b[" in log.out_stream.getvalue()) is (file is None)
    assert "\x1b" not in (tmp_path / "server.log").read_text()


def test_a_file_leaves_stdout_the_banner_and_stderr_the_warnings(tmp_path: Path) -> None:
    log = Log(file=str(tmp_path / "server.log"), format="json")
    log.fill()
    assert log.out == ["TeamClaude 1.0", "config: x"]
    assert log.err == ["teamclaude: something is odd", "teamclaude: stopping"]
    kinds = [json.loads(line)["type"] for line in (tmp_path / "server.log").read_text().splitlines()]
    assert kinds == ["request", "notice", "notice", "warning", "message"]


def test_json_has_one_object_a_line_with_the_record_of_the_activity_list() -> None:
    log = Log(format="json")
    exchange = log.fill()
    time = {"time": "2026-11-23T10:00:00.250Z"}
    requested, benched, stopped = [json.loads(line) for line in log.out]
    assert requested == {"type": "request", **time, **json.loads(json.dumps(to_json(activity_of(exchange))))}
    assert benched == {
        **{"type": "notice", **time, "kind": "BENCH"},
        **{"subject": "alice 60 s", "text": "429", "account": "alice"},
    }
    assert (stopped["kind"], stopped["account"]) == ("SERVER", None)
    assert [json.loads(line) for line in log.err] == [
        {"type": "warning", **time, "text": "something is odd"},
        {"type": "message", **time, "text": "stopping"},
    ]


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (NOW + 0.0009, "2026-11-23T10:00:00.250Z"),
        (NOW + 0.7499999, "2026-11-23T10:00:01.000Z"),
        (NOW + 1.0, "2026-11-23T10:00:01.250Z"),
        (0.0, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_times_have_milliseconds_in_utc(at: float, shown: str) -> None:
    assert json.loads(json_line(Told(BENCHED, at)))["time"] == shown


@pytest.mark.parametrize("format", ["text", "json"])
def test_hostile_texts_stay_in_their_line(tmp_path: Path, format: str) -> None:
    log = Log(file=str(tmp_path / "log"), format=format)
    log.log.request(request(HOSTILE))
    log.log.notice(Notice(BENCH, HOSTILE, HOSTILE, HOSTILE), NOW)
    log.log.warn(HOSTILE)
    log.log.close()
    lines = (tmp_path / "log").read_text("utf-8").split("\n")
    assert len(lines) == 4
    assert not any(char in line for line in lines for char in "\x1b\u202e\r")


class Loop:
    """A Deck that logs a request while it is on the screen, and is left."""

    log: Log

    def __init__(self, *args: object, **more: object) -> None:
        pass

    def run(self) -> None:
        self.log.fill_lines()


@pytest.mark.parametrize("with_file", [False, True])
def test_the_deck_takes_the_lines_while_it_is_shown(
    with_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "server.log"
    deck = LocalDeck()
    log = Loop.log = Log(deck=deck, file=str(path) if with_file else None)
    monkeypatch.setattr("teamclaude.deck.loop.DeckLoop", Loop)
    log.fill_lines()
    nothing: Any = None
    deck.show(nothing, nothing, nothing, lambda: False)
    log.fill_lines()
    log.log.mute()
    log.fill_lines()
    log.log.close()
    assert len(log.out) == (0 if with_file else 4), "before the Deck and after it"
    assert not with_file or len(path.read_text().splitlines()) == 8
