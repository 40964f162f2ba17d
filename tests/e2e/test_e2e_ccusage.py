"""`teamclaude usage --import` and ccusage (npm) count transcripts alike, but for what is listed here.

ccusage runs with a HOME of the test's own and `--offline`: it has its prices in it and asks nobody.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e import packages
from tests.e2e.client_environment import ROOT, ClientEnvironment
from tests.e2e.test_e2e_client import said, tool
from tests.history.transcripts.support import SESSION, answer, tokens, user, write

pytestmark = pytest.mark.e2e

CCUSAGE = "ccusage@20.0.24"
CONFIG = {"proxy": {"port": 1, "apiKey": "tc-FAKE"}, "accounts": []}


class Counted(NamedTuple):
    """What one model used on one day."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: float


Table = dict[tuple[str, str], Counted]


@pytest.fixture(scope="session")
def ccusage() -> Path:
    """The program, from the npm registry; without it the test is skipped."""
    try:
        return packages.node_modules(CCUSAGE) / ".bin" / "ccusage"
    except packages.NotInstalledError as refusal:
        pytest.skip(f"ccusage could not be installed: {refusal}")


class Counters:
    """Both programs, on the transcripts in one HOME."""

    def __init__(self, home: Path, ccusage: Path) -> None:
        self.home, self._ccusage = home, ccusage
        self.projects = home / ".claude" / "projects"
        self._configs = 0

    def theirs(self, zone: str = "UTC") -> Table:
        """Return what ccusage counts."""
        words = ["claude", "daily", "--json", "--offline", "--breakdown"]
        found = json.loads(self._run([str(self._ccusage), *words], TZ=zone))
        return {
            (day["date"], each["modelName"]): Counted(
                each["inputTokens"],
                each["outputTokens"],
                each["cacheReadTokens"],
                each["cacheCreationTokens"],
                each["cost"],
            )
            for day in found["daily"]
            for each in day["modelBreakdowns"]
        }

    def ours(self, zone: str = "UTC") -> Table:
        """Return what is counted after an import into a new history."""
        self._configs += 1
        config = self.home / f"config-{self._configs}.json"
        config.write_text(json.dumps(CONFIG))
        config.chmod(0o600)
        env = {"TZ": zone, "TEAMCLAUDE_CONFIG": str(config)}
        self._run([sys.executable, "-m", "teamclaude", "usage", "--import"], **env)
        words = ["usage", "--by", "day,model", "--since", "all", "--json"]
        found = json.loads(self._run([sys.executable, "-m", "teamclaude", *words], **env))
        return {
            (row["day"], row["model"]): Counted(
                row["inputTokens"],
                row["outputTokens"],
                row["cacheReadTokens"],
                row["cacheWriteTokens"],
                row["cost"] or 0.0,
            )
            for row in found["rows"]
        }

    def _run(self, command: Sequence[str], **more: str) -> str:
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done
        return done.stdout


@pytest.fixture
def counters(private_home: Path, ccusage: Path) -> Counters:
    return Counters(private_home, ccusage)


def without_cost(table: Table) -> dict[tuple[str, str], tuple[int, ...]]:
    return {key: counted[:4] for key, counted in table.items()}


def transcript(counters: Counters, *entries: Any, name: str = f"-home-ann-work-site/{SESSION}.jsonl") -> Path:
    return write(counters.projects / name, *entries)


# --- the real client ----------------------------------------------------------------------------------------


def test_the_real_clients_transcripts(environment: ClientEnvironment, counters: Counters) -> None:
    environment.api.script.reply_with(
        [tool("Bash", command="echo 1", description="one")],
        "First.",
        "Second.",
        "Forked.",
        "Alone.",
    )
    first = environment.claude("one", "--allowedTools", "Bash")
    session = first.answer["session_id"]
    said(first)
    said(environment.claude("two", "--resume", session))
    said(environment.claude("three", "--resume", session, "--fork-session"))
    said(environment.claude("four"))
    ours = without_cost(counters.ours())
    assert ours == without_cost(counters.theirs())
    assert sum(map(sum, ours.values())) > 0
    # And as much as the proxy itself saw of these turns.
    usage = [account.usage.usage for account in environment.service.snapshot().accounts]
    fields = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    seen = [[getattr(each, field) for field in fields] for each in usage]
    proxy = [sum(count or 0 for count in kind) for kind in zip(*seen)]
    assert [sum(kind) for kind in zip(*ours.values())] == proxy


# --- everything that a client writes ------------------------------------------------------------------------


def everyday(counters: Counters) -> None:
    """Write a session with blocks, counts that grow, a sub-agent, and a fork that copies answers."""
    big = tokens(100, 200, 30_000, 4_000, 500)
    transcript(
        counters,
        user(),
        *[answer("1", big)] * 3,
        answer("2", tokens(7, 1)),
        answer("2", tokens(7, 150)),
        answer("3", tokens(11, 13), at="2026-11-02T03:30:00.000Z"),
        answer("4", tokens(17, 19), message={"model": "claude-haiku-4-5-20251001"}),
        answer("5", tokens(0, 0), message={"model": "<synthetic>"}, isApiErrorMessage=True),
        "not JSON at all",
        b"\xff\xfe",
    )
    fork = "-home-ann-work-site/fork.jsonl"
    transcript(counters, answer("1", big), answer("6", tokens(23, 29)), name=fork)
    agent = f"-home-ann-work-site/{SESSION}/subagents/agent-a1.jsonl"
    transcript(counters, answer("7", tokens(31, 37), agentId="a1", isSidechain=True), name=agent)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_tokens_by_day_and_model_in_any_time_zone(counters: Counters, zone: str) -> None:
    everyday(counters)
    ours = without_cost(counters.ours(zone))
    theirs = without_cost(counters.theirs(zone))
    assert {key: value for key, value in theirs.items() if any(value)} == ours
    assert len({day for day, _ in ours}) == (1 if zone == "America/New_York" else 2)


PRICED = ("claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-fable-5")


@pytest.mark.parametrize("model", PRICED)
def test_cost_of_models_that_both_know(counters: Counters, model: str) -> None:
    transcript(
        counters, answer("1", tokens(10_000, 20_000, 150_000, 30_000, 4_000), message={"model": model})
    )
    (ours,), (theirs,) = counters.ours().values(), counters.theirs().values()
    assert ours.cost == pytest.approx(theirs.cost, rel=1e-9)
    assert ours.cost > 0


# --- what is counted differently ---------------------------------------------------------------------------


def without(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in names}


class Difference(NamedTuple):
    """A transcript, and the answers of 30 tokens that each counts in it."""

    entries: Sequence[Any]
    ours: int
    theirs: int


DIFFERENCES = {
    # An error that has tokens (the client's own have none): nothing was used for it.
    "api error": Difference([answer("1", isApiErrorMessage=True)], 0, 1),
    # Without message.id the request id tells copies apart; ccusage does not compare these.
    "without message.id": Difference(
        [{**answer("1"), "message": without(answer("1")["message"], "id")}] * 2, 1, 2
    ),
    # An id that is null; ccusage drops the entry.
    "null for an id": Difference([answer("1", requestId=None)], 1, 0),
    # Two requests; ccusage takes the sub-agent's for a copy because of its message.id.
    "the same message.id in a sub-agent": Difference(
        [answer("1"), answer("1", requestId="req_2", isSidechain=True)], 2, 1
    ),
    # Not an assistant's entry.
    "another type": Difference([{**answer("1"), "type": "user"}], 0, 1),
    # Spaces in the JSON, which no client writes; ccusage does not see the entry.
    "spaces": Difference([json.dumps(answer("1"), separators=(", ", ": "))], 1, 0),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_is_counted_differently(counters: Counters, name: str) -> None:
    entries, ours, theirs = DIFFERENCES[name]
    transcript(counters, *entries)
    assert sum(sum(each[:4]) for each in counters.ours().values()) == 30 * ours
    assert sum(sum(each[:4]) for each in counters.theirs().values()) == 30 * theirs


@pytest.mark.parametrize(
    ("model", "ours", "theirs"),
    [
        # Not in the LiteLLM table that comes with this version.
        ("claude-opus-5-5", 4.0, 0.0),
        # The table has a price of its own; ours is of the nearest version, marked as an estimate.
        ("claude-sonnet-5", 3.0, 2.0),
        # LiteLLM has a second price above 200 000 tokens, the client's table has none.
        ("claude-sonnet-4-5-20250929", 3.0, 5.4),
        ("claude-opus-4-1-20250805", 5.0, 15.0),
    ],
)
def test_prices_that_differ(counters: Counters, model: str, ours: float, theirs: float) -> None:
    transcript(counters, answer("1", tokens(1_000_000, 0), message={"model": model}))
    assert [each.cost for each in counters.ours().values()] == [pytest.approx(ours)]
    assert [each.cost for each in counters.theirs().values()] == [pytest.approx(theirs)]
