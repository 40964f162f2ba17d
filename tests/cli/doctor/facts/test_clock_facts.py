"""The API's clock, asked by one request without a credential."""

from __future__ import annotations

import email.utils
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.cli.doctor.facts.clock_facts import ClockFacts, clock_facts
from teamclaude.cli.doctor.subject import Subject
from tests.cli.support import ALICE, KEY, free_port


def ask(port: int) -> ClockFacts:
    raw = {"proxy": {"apiKey": KEY}, "accounts": [ALICE], "upstream": f"http://127.0.0.1:{port}/v"}
    config = parse_config(raw, "")
    return clock_facts(Subject({}, Path("/"), time.time(), Path("/c.json"), config, online=True), config)


def answering(date: str | None) -> tuple[ClockFacts, list[Any]]:
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append((self.path, dict(self.headers)))
            self.send_response_only(404)
            if date is not None:
                self.send_header("Date", date)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        found = ask(server.server_address[1])
        thread.join()
    return found, asked


def test_the_difference() -> None:
    found, asked = answering(email.utils.formatdate(time.time() - 3600, usegmt=True))
    assert found.offset_sec == pytest.approx(3600, abs=60)
    ((path, headers),) = asked
    assert path == "/v/"
    assert not {"authorization", "x-api-key", "x-teamclaude-key", "cookie"} & {
        name.lower() for name in headers
    }


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Xyz 2026 99:99:99 GMT", "9" * 5000])
def test_a_date_that_is_none(date: str | None) -> None:
    found, _ = answering(date)
    assert found == ClockFacts()


def test_no_answer_is_a_line() -> None:
    found = ask(free_port())
    assert found.offset_sec is None
    assert found.problem.startswith("no connection to 127.0.0.1:")


def test_an_answer_that_breaks_off_is_a_line() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        found = ask(listener.getsockname()[1])
        thread.join()
    assert found.problem.startswith("no answer from 127.0.0.1:")
    assert not found.problem.endswith(": ")
