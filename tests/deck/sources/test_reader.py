"""The background reader: what it reads, when it reads again, and that no error stops it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.conversations import sessions_of
from teamclaude.deck.sources import reader as reading
from teamclaude.deck.sources.machine import MachineLoadReader
from teamclaude.deck.sources.reader import SourceReader
from teamclaude.deck.sources.sources import (
    AgentTranscript,
    ClientProcess,
    IssuePin,
    MachineLoad,
    RegistryRow,
    Transcript,
)
from tests.deck.claude_home import ClaudeHome, session_id
from tests.deck.snapshot_json import binding, deck, request

NOW = 1_795_428_000.0
A, B, C = (session_id(number) for number in (1, 2, 3))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> ClaudeHome:
    return ClaudeHome(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(home: ClaudeHome, clock: Clock) -> SourceReader:
    return SourceReader(home.path, clock, MachineLoadReader(str(home.path / "proc")))


# --- what is read ---------------------------------------------------------------------------------


def test_everything_known_of_a_session(home: ClaudeHome, reader: SourceReader) -> None:
    home.register(A, emoji="🦜", intent="lead", started=NOW - 900)
    home.pin(A, "ENG-1", title="Carts")
    home.tool(A, NOW - 3)
    home.client(7, A, name="shop", status="busy")
    home.transcript(A, NOW - 5, title="Fix carts", prompt="go", cwd="/work/shop", branch="fix")
    home.agent(A, "a1", NOW - 4, cwd="/work/shop", parentAgentId="a0", finished=True)
    sources = reader.refresh()
    assert sources.registry == {A: RegistryRow("🦜", "lead", False, "", NOW - 900)}
    assert sources.pins == {A: IssuePin("ENG-1", "Carts", "", "uuid-ENG-1", "")}
    assert sources.tools == {A: NOW - 3}
    assert sources.clients == {A: ClientProcess("shop", "busy")}
    agent = AgentTranscript("Explore", "look around", "a0", NOW - 4, NOW - 4, calling=True, ended=True)
    assert sources.transcripts == {
        A: Transcript(NOW - 5, NOW - 5, False, "Fix carts", "go", "/work/shop", "fix", {"a1": agent})
    }
    assert (reader.issue_of(A), reader.issue_of(B)) == ("ENG-1", None)


def test_an_empty_home_has_no_sources(reader: SourceReader) -> None:
    sources = reader.refresh()
    assert not any((sources.registry, sources.pins, sources.tools, sources.clients, sources.transcripts))


def test_old_transcripts_are_not_opened_unless_wanted(
    home: ClaudeHome, reader: SourceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.transcript(A, NOW - 60)
    home.transcript(B, NOW - 4000)
    home.transcript(C, NOW - 4000)
    reader.set_wanted([C])
    opened, really = [], os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: opened.append(Path(path).stem) or really(path, *rest))
    assert reader.refresh().transcripts.keys() == {A, C}
    assert B not in opened


def test_a_quiet_registered_session_is_there_while_its_tool_executes(
    home: ClaudeHome, reader: SourceReader
) -> None:
    for session in (A, B):
        home.register(session)
        home.transcript(session, NOW - 4000)
    home.tool(A, NOW - 5)
    home.tool(B, NOW - 500)
    sources = reader.refresh()
    assert (sources.tools, set(sources.registry)) == ({A: NOW - 5}, {A})


def test_a_client_that_waits_is_read_however_long(home: ClaudeHome, reader: SourceReader) -> None:
    home.transcript(A, NOW - 90_000, title="Fix carts")
    home.client(os.getpid(), A, status="waiting", waitingFor="permission prompt")
    sources = reader.refresh()
    assert sources.clients[A].waiting_for == "permission prompt"
    assert sources.transcripts[A].title == "Fix carts"


def test_the_pins_of_the_last_days_are_read_without_their_transcripts(
    home: ClaudeHome, reader: SourceReader
) -> None:
    for session, hours in ((A, 2), (B, 24 * 8)):
        home.register(session)
        home.pin(session, "ENG-1", status="In Review")
        home.transcript(session, NOW - 3600 * hours)
    sources = reader.refresh()
    assert (set(sources.pins), set(sources.transcripts), set(sources.registry)) == ({A}, set(), set())


def test_at_most_the_wanted_and_the_latest_sessions_are_read(
    home: ClaudeHome, reader: SourceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_SESSIONS", 3)
    for number in range(6):
        home.transcript(session_id(number), NOW - number)
    reader.set_wanted([session_id(5)])
    assert set(reader.refresh().transcripts) == {session_id(n) for n in (0, 1, 5)}


def test_wanted_are_the_sessions_the_proxy_serves_or_served_lately() -> None:
    snapshot = deck(binding(A, idle=1800), binding(B, idle=1801), inflight=[request(C), request("")])
    assert sessions_of(snapshot) == {A, C}


# --- when it is read again ------------------------------------------------------------------------


def test_nothing_new_is_the_same_object(home: ClaudeHome, reader: SourceReader, clock: Clock) -> None:
    home.register(A)
    path = home.transcript(A, NOW)
    first = reader.refresh()
    clock.now += 60
    assert reader.refresh() is first
    home.append(path, home.user(NOW + 60, "on"), at=NOW + 60)
    second = reader.refresh()
    assert second is not first
    assert second.transcripts[A].last_turn == NOW + 60


def test_a_new_session_is_found_soon_and_at_once_when_wanted(
    home: ClaudeHome, reader: SourceReader, clock: Clock
) -> None:
    reader.refresh()
    home.transcript(A, NOW)
    assert A not in reader.refresh().transcripts
    clock.now += reading.SCAN_SEC
    assert A in reader.refresh().transcripts
    home.transcript(B, NOW, cwd="/elsewhere")
    reader.set_wanted([B])
    assert B in reader.refresh().transcripts


def test_a_session_that_continues_after_a_pause_is_found_by_the_next_full_scan(
    home: ClaudeHome, reader: SourceReader, clock: Clock
) -> None:
    path = home.transcript(A, NOW - 4000)
    reader.refresh()
    home.append(path, home.user(NOW, "again"), at=NOW)
    clock.now += reading.FULL_SCAN_SEC - 1
    assert reader.refresh().transcripts == {}
    clock.now += 1
    assert reader.refresh().transcripts[A].last_turn == NOW


def test_a_session_without_changes_for_long_is_dropped(
    home: ClaudeHome, reader: SourceReader, clock: Clock
) -> None:
    home.transcript(A, NOW)
    assert A in reader.refresh().transcripts
    clock.now += 1801
    assert reader.refresh().transcripts == {}


def test_a_transcript_that_is_deleted_is_gone(home: ClaudeHome, reader: SourceReader) -> None:
    path = home.transcript(A, NOW)
    reader.refresh()
    path.unlink()
    assert reader.refresh().transcripts == {}


def test_a_clock_that_is_set_back_stops_nothing(home: ClaudeHome, reader: SourceReader, clock: Clock) -> None:
    reader.refresh()
    clock.now -= 86400
    home.transcript(A, clock.now)
    assert A in reader.refresh().transcripts


def test_sub_agents_start_change_and_end(home: ClaudeHome, reader: SourceReader, clock: Clock) -> None:
    home.transcript(A, NOW)
    assert reader.refresh().transcripts[A].agents == {}
    path = home.agent(A, "a1", NOW)
    os.utime(path.parent, (NOW, NOW))
    assert reader.refresh().transcripts[A].agents["a1"].calling
    home.append(path, home.assistant(NOW + 5, "found it"), at=NOW + 5)
    agent = reader.refresh().transcripts[A].agents["a1"]
    assert (agent.last_turn, agent.ended) == (NOW + 5, True)
    # Long after its end it continues: the next full scan finds it.
    clock.now += 600
    home.append(path, home.user(NOW + 600, "go on"), at=NOW + 600)
    assert reader.refresh().transcripts[A].agents["a1"].ended is False


def test_a_finished_sub_agent_is_not_read_between_full_scans(
    home: ClaudeHome, reader: SourceReader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.transcript(A, NOW)
    home.agent(A, "done", NOW - 121, ended=True)
    home.agent(A, "busy", NOW - 121)
    reader.refresh()
    read, stat = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, *rest, **named: read.append(Path(path).name) or stat(path))
    clock.now += 1
    reader.refresh()
    assert "agent-busy.jsonl" in read
    assert "agent-done.jsonl" not in read
    clock.now += reading.FULL_SCAN_SEC
    reader.refresh()
    assert "agent-done.jsonl" in read


def test_a_finished_sub_agent_is_read_from_its_meta_by_the_next_full_scan(
    home: ClaudeHome, reader: SourceReader, clock: Clock
) -> None:
    home.transcript(A, NOW)
    path = home.agent(A, "a1", NOW)
    assert not reader.refresh().transcripts[A].agents["a1"].ended
    path.with_suffix(".meta.json").write_text('{"agentType": "Plan", "finished": true}')
    clock.now += reading.FULL_SCAN_SEC
    agent = reader.refresh().transcripts[A].agents["a1"]
    assert (agent.kind, agent.ended) == ("Plan", True)
    path.unlink()
    assert reader.refresh().transcripts[A].agents == {}


def test_a_followed_session_stays_while_it_changes_whatever_the_last_full_scan_saw(
    home: ClaudeHome, reader: SourceReader, clock: Clock
) -> None:
    path = home.transcript(A, NOW)
    reader.refresh()
    reader._full_scan_timer.period = 1e9
    clock.now += 1700
    home.append(path, home.user(NOW + 1700, "on"), at=NOW + 1700)
    folder = path.parent.stat()
    os.utime(path.parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    reader.refresh()
    clock.now += 1700
    assert A in reader.refresh().transcripts
    clock.now += 101
    assert A not in reader.refresh().transcripts


def test_a_few_whole_files_are_read_in_each_pass(
    home: ClaudeHome, reader: SourceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_WHOLE_BYTES", 100_000)
    for number in range(3):
        filler = {"type": "attachment", "text": "x" * 80_000}
        entries = [{"type": "ai-title", "aiTitle": "T"}, filler, home.user(NOW, "go")]
        home.transcript(session_id(number), NOW, entries=entries)
    titled, pauses = [], []
    for _ in range(3):
        titled.append(sum(one.title == "T" for one in reader.refresh().transcripts.values()))
        pauses.append(reader.pause_sec)
    assert titled == [2, 3, 3]
    assert pauses == [reading.MIN_PAUSE_SEC, reading.BUSY_PAUSE_SEC, reading.BUSY_PAUSE_SEC]


def test_without_changes_passes_are_rarer(home: ClaudeHome, reader: SourceReader, clock: Clock) -> None:
    path = home.transcript(A, NOW)
    reader.refresh()
    assert reader.pause_sec == reading.BUSY_PAUSE_SEC
    clock.now += reading.IDLE_AFTER_SEC
    # The machine's load changes all the time, which does not count as a change.
    home.write("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 50 kB\n")
    assert reader.refresh().machine.ram == 0.5
    assert reader.pause_sec == reading.IDLE_PAUSE_SEC
    home.append(path, home.user(clock.now, "on"), at=clock.now)
    reader.refresh()
    assert reader.pause_sec == reading.BUSY_PAUSE_SEC


# --- the thread -----------------------------------------------------------------------------------


def test_the_thread_reads_until_it_is_closed(home: ClaudeHome, reader: SourceReader) -> None:
    home.transcript(A, NOW)
    seen = threading.Event()
    refresh = reader.refresh

    def failing_once() -> None:
        if not seen.is_set():
            seen.set()
            raise RuntimeError("whatever")
        refresh()
        done.set()

    done = threading.Event()
    reader.refresh = failing_once  # type: ignore[assignment,method-assign]
    reader.start()
    reader.set_wanted([A])
    assert done.wait(30)
    assert A in reader.sources.transcripts
    reader.close()
    assert not any(thread.name == "deck-sources" for thread in threading.enumerate())


def test_what_was_read_makes_a_useful_deck_without_registry_or_pins(
    home: ClaudeHome, reader: SourceReader
) -> None:
    home.transcript(A, NOW - 5, title="Fix the cart", prompt="now the tests", cwd="/work/shop", branch="fix")
    home.agent(A, "a1", NOW - 3, description="find the cart", cwd="/work/shop")
    snapshot = deck(binding(A, tokens=10), binding(A, "a1", tokens=5))
    model = deck_model(snapshot, reader.refresh())
    one, agent = model.nodes[A], model.nodes[f"{A}/a1"]
    assert (one.label, one.about, one.project, one.branch) == ("Fix the cart", "now the tests", "shop", "fix")
    assert (agent.label, agent.about, agent.tool_running) == ("find the cart", "Explore", True)
    assert model.trees[0].usage.tokens == 15


@pytest.mark.parametrize("what", ["file", "unreadable"])
def test_folders_that_are_none_or_closed_are_empty(tmp_path: Path, clock: Clock, what: str) -> None:
    home = ClaudeHome(tmp_path / "claude")
    if what == "file":
        for name in ("projects", "state", "sessions"):
            home.write(name, "x")
    else:
        home.transcript(A, NOW)
        (home.path / "projects").chmod(0)
    sources = SourceReader(home.path, clock).refresh()
    if what == "unreadable":
        (home.path / "projects").chmod(0o700)
    assert sources.registry == {}
    assert os.geteuid() == 0 or sources.transcripts == {}


# --- the load of the machine ----------------------------------------------------------------------


MEMORY = "MemTotal:       16000 kB\nMemFree:  100 kB\nMemAvailable:    4000 kB\nBuffers: 1 kB\n"


def write(proc: Path, stat: str, memory: str = MEMORY) -> None:
    (proc / "meminfo").write_text(memory)
    (proc / "stat").write_text(f"{stat}\ncpu0 1 2 3 4\nintr 5\n")


def test_memory_is_what_is_not_available(tmp_path: Path) -> None:
    write(tmp_path, "cpu  100 0 100 700 100 0 0 0 0 0")
    assert MachineLoadReader(str(tmp_path)).read() == MachineLoad(ram=0.75, cpu=None)


def test_processors_are_busy_with_what_is_neither_idle_nor_waiting(tmp_path: Path) -> None:
    gauges = MachineLoadReader(str(tmp_path))
    write(tmp_path, "cpu  100 0 100 700 100 0 0 0 0 0")
    gauges.read()
    write(tmp_path, "cpu  140 5 140 850 150 10 5 0 0 0")
    assert gauges.read().cpu == 0.328125  # 100 of 300, in steps of 1/64
    assert gauges.read().cpu is None  # no time has passed
    write(tmp_path, "cpu  100 0 100 700 100 0 0 0 0 0")
    assert gauges.read().cpu is None  # started anew


@pytest.mark.parametrize(
    "text", ["", "MemTotal: 5 kB\n", "MemTotal: x\nMemAvailable: y\n", "MemTotal: 0\nMemAvailable: 0\n"]
)
def test_memory_that_cannot_be_read_is_unknown(tmp_path: Path, text: str) -> None:
    write(tmp_path, "cpu", text)
    assert MachineLoadReader(str(tmp_path)).read() == MachineLoad(None, None)


def test_another_system_has_no_load(tmp_path: Path) -> None:
    assert MachineLoadReader(str(tmp_path / "none")).read() == MachineLoad(None, None)
