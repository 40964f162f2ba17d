"""What a hostile or broken server answers: whatever it is, a command ends in one line, and obeys nothing."""

from __future__ import annotations

import copy
import json
import random
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.proxy.server import ProxyServer
from tests.cli.remote.conftest import KEYS
from tests.cli.support import Ended, Stub

COMMANDS = {
    "/teamclaude/status": ["status --json", "switch", "switch al"],
    "/teamclaude/deck": ["status"],
    "/capacity": ["capacity", "capacity --json"],
    "/capacity?for=2h": ["capacity --for 2h"],
    "/teamclaude/capacity": ["enable al"],
    "/teamclaude/usage?by=account&limit=10000": ["usage --by account", "usage --by account --json"],
    "/teamclaude/usage?by=day&limit=10000": ["usage", "usage --chart"],
    "/teamclaude/record": ["record status"],
}
EVIL: tuple[Any, ...] = (
    *("\x1b[2J\x07", "a\nb", "\u202e", "x" * 5000, "", "\ud800"),
    *(None, True, -1, 0, 1e308, float("inf"), float("nan"), 10**30, [], {}, [[]], {"a": 1}),
)
OBEYED = "\x1b\x07\u202e"  # by a terminal
MANY = 25  # changed answers for each path


@pytest.fixture
def answers(server: ProxyServer) -> dict[str, Any]:
    """What a real server says to each question."""
    found = {}
    for path in COMMANDS:
        request = urllib.request.Request(
            server.urls[0] + path, headers={"x-teamclaude-key": KEYS["operator"]}
        )
        with urllib.request.urlopen(request) as answer:
            found[path] = json.loads(answer.read())
    return found


@pytest.fixture
def both() -> Iterator[tuple[Stub, Stub]]:
    stubs = Stub(), Stub()
    yield stubs
    for each in stubs:
        each.stop()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a JSON value: its owner and its key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield value, key
        yield from places(part)


def changed(answer: Any, dice: random.Random) -> Any:
    """Return the answer with one to five values that nobody expects there."""
    answer = copy.deepcopy(answer)
    for _ in range(dice.choice([1, 1, 2, 5])):
        found = list(places(answer))
        if not found or dice.random() < 0.03:
            return copy.deepcopy(dice.choice(EVIL))
        owner, key = dice.choice(found)
        if isinstance(owner, dict) and dice.random() < 0.15:
            owner["\x1b[2J"] = owner.pop(key)
        else:
            owner[key] = copy.deepcopy(dice.choice(EVIL))
    return answer


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_survives_it(
    path: str, answers: dict[str, Any], both: tuple[Stub, Stub], cli: Callable[..., Ended]
) -> None:
    dice = random.Random(path)
    for _ in range(MANY):
        answer = changed(answers[path], dice)
        for stub in both:
            stub.answers[f"GET {path}"] = 200, json.dumps(answer).encode("utf-8", "surrogatepass")
            stub.answers["POST /teamclaude/switch"] = stub.answers["POST /teamclaude/accounts/al/enable"] = (
                200,
                {},
            )
        words = dice.choice(COMMANDS[path]).split()
        pool = words[0] in ("status", "capacity") and dice.random() < 0.4
        urls = [word for stub in both[: 2 if pool else 1] for word in ("--url", f"127.0.0.1:{stub.port}")]
        ended = cli(*words, *urls)
        said = f"{words} {answer!r:.2000}"
        assert "internal error" not in ended.err, said
        assert not any(char in ended.out + ended.err for char in OBEYED), said
        assert ended.err.count("\n") <= (4 if pool else 1), said
