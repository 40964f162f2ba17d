"""The demo: the fake API, the real proxy in this process, fake sessions, and a line for every event.

Nothing of the user's is read or written: the config file is in a temporary directory that is removed
at the end, and every address is on loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO
from urllib.parse import urlsplit

from ..accounts.config.config_file import ConfigFile
from ..fakeapi.api import FakeApi
from ..fakeapi.api_endpoints import ApiPace
from ..fakeapi.api_script import FaultProfile
from ..fakeapi.clock import DemoClock
from ..fakeapi.fake_account import FakeAccount
from ..proxy.records.exchange import Exchange
from ..proxy.records.journal import activity_of
from ..proxy.records.notices import BENCH, HELD, Notice
from ..proxy.server import ProxyServer
from ..snapshot import Activity
from ..values import dataclass, field
from .claude_files import ClaudeFiles
from .event_log import EventLog, WindowState
from .plan import plan_sessions
from .report import DemoResult, report_lines
from .scenario import UsageEvent, assign_roles, make_accounts, reset_at, status_changes, usage_events
from .sessions import FakeSession, SessionCounts

__all__ = ["DEFAULT_SECONDS", "DemoOptions", "run_demo"]

DEFAULT_SECONDS = 20.0

ShowDeck = Callable[[ProxyServer, threading.Event], None]


class FrameSampler(Protocol):
    """Sample the running proxy and give the lines to print at the end."""

    def sample(self, server: ProxyServer) -> None:
        """Look at the proxy; called every 0.1 s."""

    def lines(self) -> Iterable[str]:
        """Return the lines to print before the table."""


_KEY = "tc-demo-key"
_TICK_SEC = 0.1
_PROGRESS_SEC = 4.0
_DRAIN_SEC = 2.0
# First token after 1.5 s, then 80 tokens a second: answers take about as long as in the traces (see plan).
_PACE = ApiPace(first_token=1.5, per_input_token=2e-5, per_output_token=0.0125)
# Few faults until the full window has reset, so that its failover stands out; the usual ones afterwards.
_FEW_FAULTS = FaultProfile(slow_start=0.03, slow_sec=20.0)
_USUAL_FAULTS = FaultProfile(bare_429=0.01, overloaded=0.015, slow_start=0.03, slow_sec=20.0)
_MAX_GAP_SEC, _SPREAD_SEC, _FAN_OUT = 100.0, 60.0, 0.06


@dataclass(frozen=True)
class DemoOptions:
    """`speed` is demo seconds per real second; `seconds` (real) None: until interrupted."""

    sessions: int = 10
    accounts: int = 3
    speed: float = 60.0
    seconds: float | None = None
    seed: int = 1
    length_sec: float | None = None
    """Demo seconds over which usage events and status changes are spread; None: the whole run."""


def run_demo(
    options: DemoOptions,
    out: TextIO,
    *,
    render_request: Callable[[Activity], str],
    sampler: FrameSampler | None = None,
    deck: ShowDeck | None = None,
) -> int:
    """Run the demo and print its table; return 1 if a client saw an error that an account could have avoided.

    `render_request` makes the line of a finished request; the lines of `sampler` are printed before the
    table.  The files of the sessions are in `claude`, beside the config file.  `deck(server, finished)`
    shows the running proxy and returns when `finished` is set or earlier; with it nothing else is printed
    before the table.  Ctrl-C or SIGTERM ends the run; the table is printed all the same.
    """
    demo = _Demo(options, out, render_request, deck, sampler)
    with suppress(BrokenPipeError):
        result = demo.run()
        lines = report_lines(result)
        if sampler is not None:
            lines = ["", *sampler.lines(), *lines]
        demo.write(lines)
        return 1 if result.avoidable else 0
    return 0


@dataclass
class _Demo:
    options: DemoOptions
    out: TextIO
    render_request: Callable[[Activity], str]
    deck: ShowDeck | None
    sampler: FrameSampler | None
    stop: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    sessions: list[FakeSession] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = self.options
        self.clock = DemoClock(options.speed)
        length = options.length_sec or options.speed * (options.seconds or DEFAULT_SECONDS)
        self.accounts = make_accounts(options.accounts, options.sessions, self.clock.start, length)
        self.usage_events = usage_events(length, options.accounts)
        self.status_changes = status_changes(length, options.sessions)
        self.event_log = EventLog(self.render_request)
        self.api = FakeApi(self.accounts, seed=options.seed, clock=self.clock, pace=_PACE, keep_bodies=False)
        self.api.script.profile = _FEW_FAULTS
        self.faults_from = reset_at(length)
        self.began = time.monotonic()

    def run(self) -> DemoResult:
        options = self.options
        with ExitStack() as stack:
            stack.enter_context(self.api)
            directory = tempfile.mkdtemp(prefix="teamclaude-demo-")
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            self.plans = plan_sessions(
                options.sessions,
                options.seed,
                spread_sec=_SPREAD_SEC,
                max_gap_sec=_MAX_GAP_SEC,
                fan_out=_FAN_OUT,
            )
            self.claude_files = ClaudeFiles(
                Path(directory) / "claude",
                [plan.id for plan in self.plans],
                assign_roles(options.sessions),
                self.clock,
            )
            self.claude_files.write_initial()
            self.server = self._make_server(Path(directory))
            self.server.start()
            stack.callback(self.server.stop, 0)
            self._print_setup()
            stack.callback(self.stop.set)
            self._start_sessions()
            with _interrupt_on_signals(), suppress(KeyboardInterrupt):
                self._run_until_finished()
            return self._end()

    def write(self, lines: Iterable[str]) -> None:
        for text in lines:
            self.out.write(text + "\n")
        self.out.flush()

    # --- setup ---------------------------------------------------------------------------

    def _make_server(self, directory: Path) -> ProxyServer:
        path = directory / "teamclaude.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(_config(self.api.url, self.accounts), file)
        return ProxyServer(
            ConfigFile(path, self.event_log.add_line),
            port=0,
            clock=self.clock,
            on_end=self._on_request_end,
            warn=self.event_log.add_line,
            on_notice=self._on_notice,
        )

    def _on_request_end(self, exchange: Exchange) -> None:
        activity = activity_of(exchange)
        self.event_log.add_request(activity)
        self.claude_files.note_request(activity.session, activity.agent)

    def _on_notice(self, notice: Notice, now: float) -> None:
        if notice.kind in (HELD, BENCH):  # windows are reported by observe_windows, without delay
            self.event_log.add_notice(notice, now)

    def _print_setup(self) -> None:
        options = self.options
        names = ", ".join(account.name for account in self.accounts)
        self.event_log.add_line(
            f"fake sessions ({options.sessions}) → the proxy on {self.server.urls[0]} → a fake API"
        )
        self.event_log.add_line(f"accounts: {names} · one second here is {options.speed:.0f} seconds to them")
        port = urlsplit(self.server.urls[0]).port
        self.event_log.add_line(
            f"its page: teamclaude web --port {port} · its metrics: {self.server.urls[0]}/metrics"
        )
        self.event_log.add_line("")

    def _start_sessions(self) -> None:
        for plan in self.plans:
            session = FakeSession(
                self.server.urls[0],
                plan,
                self.clock,
                key=_KEY,
                stop=self.stop,
                any_account_usable=self._any_account_usable,
            )
            self.sessions.append(session.start())

    def _any_account_usable(self, model: str) -> bool:
        full = (
            self.server.snapshot().switch_threshold
        )  # the running policy's, which may differ from the config's
        return bool(self.api.endpoints.usable(model, 1.0 if full is None else full))

    # --- run -----------------------------------------------------------------------------

    def _run_until_finished(self) -> None:
        """Run the events in this thread, or behind the Deck, which needs the main thread."""
        if self.deck is not None:
            threading.Thread(target=self._run_events, daemon=True).start()
            self.deck(self.server, self.finished)
        else:
            self._run_events()

    def _run_events(self) -> None:
        """Apply events when they are due and report windows and progress, until the time is over."""
        usage, changes, next_progress = list(self.usage_events), list(self.status_changes), _PROGRESS_SEC
        while not self.stop.wait(_TICK_SEC):
            while usage and self.clock.elapsed() >= usage[0].at:
                self._apply_usage_event(usage.pop(0))
            while changes and self.clock.elapsed() >= changes[0].at:
                self.claude_files.change_status(changes.pop(0))
            self.claude_files.write_turns()
            if self.sampler is not None:
                self.sampler.sample(self.server)
            if self.clock.elapsed() >= self.faults_from:
                self.api.script.profile = _USUAL_FAULTS
            self.event_log.observe_windows(self._windows(), self.clock())
            real = time.monotonic() - self.began
            if real >= next_progress:
                next_progress += _PROGRESS_SEC
                self.event_log.add_progress(self.clock())
            self._print_events()
            if self.options.seconds is not None and real >= self.options.seconds:
                self.finished.set()
                return

    def _apply_usage_event(self, event: UsageEvent) -> None:
        self.api.endpoints.change(
            event.account, lambda account, now: account.fill(event.axis, event.utilization, now)
        )
        self.event_log.add_line(f"{event.account} {event.message}", self.clock())

    def _windows(self) -> list[WindowState]:
        out: list[WindowState] = []
        for name in self.api.accounts:
            self.api.endpoints.change(
                name,
                lambda account, now: out.extend(
                    WindowState.of(account.name, window) for window in account.current_windows(now)
                ),
            )
        return out

    def _print_events(self) -> None:
        lines = self.event_log.take_lines()
        if self.deck is None:
            self.write(lines)

    # --- end -----------------------------------------------------------------------------

    def _end(self) -> DemoResult:
        """Let the sessions finish their requests (at most 2 s); the proxy then ends the held ones."""
        real, demo = time.monotonic() - self.began, self.clock.elapsed()
        self.stop.set()
        deadline = time.monotonic() + _DRAIN_SEC
        for session in self.sessions:
            session.join(max(0.0, deadline - time.monotonic()))
        snapshot = self.server.snapshot()
        self.server.stop(_DRAIN_SEC)
        counts = SessionCounts()
        for session in self.sessions:
            session.join(_DRAIN_SEC)
            counts.add(session.counts)
        self._print_events()
        totals = self.event_log.totals
        return DemoResult(self.options.sessions, self.options.seed, real, demo, counts, totals, snapshot)


@contextmanager
def _interrupt_on_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt; only the main thread can set handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _config(url: str, accounts: Iterable[FakeAccount]) -> dict[str, Any]:
    rows = [{"name": a.name, "type": "oauth", "accessToken": a.token} for a in accounts]
    return {"proxy": {"host": "127.0.0.1", "port": 0, "apiKey": _KEY}, "upstream": url, "accounts": rows}
