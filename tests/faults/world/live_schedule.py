"""One schedule, lived: the real server over real sockets before the fake API, with short times.

    evidence = live(make(7))

Threads and descriptors are counted before and after; what is still there then, the proxy has left behind.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import cache
from pathlib import Path
from typing import Any, Optional
from unittest import mock
from urllib.request import Request as Call
from urllib.request import urlopen

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.proxy.connection import ConnectionHandler
from teamclaude.proxy.net.peer_user import peer_uid
from teamclaude.proxy.records.activity import activity_of
from teamclaude.proxy.records.exchange import Exchange
from teamclaude.proxy.server import ProxyServer
from teamclaude.typed_json import to_json
from tests.faults.rules.evidence import Evidence
from tests.faults.schedules.plan import SPEED, Event, Schedule
from tests.faults.world.clients import ClientThread
from tests.faults.world.environment import KEY, Environment
from tests.faults.world.request_bytes import OWN_TOKEN
from tests.faults.world.short_times import shortened
from tests.faults.world.watched_api import FastClock

__all__ = ["live"]

SETTLE_SEC = 2.0  # for what the proxy owes within one second
NAP_SEC = 0.003
LIFE_SEC = 12.0  # a guest that takes longer hangs


def live(schedule: Schedule, patience: float = SETTLE_SEC) -> Evidence:
    """Live through a schedule; `patience`: seconds until what has not come to rest counts as stuck."""
    evidence = Evidence(schedule)
    _open_peer_socket()
    before = _open_resources()
    with shortened(), tempfile.TemporaryDirectory(prefix="teamclaude-faults-") as home:
        _World(schedule, evidence, Path(home), patience).live()
        _wait_for(lambda: not _beyond(before), patience)
    threads, files = _beyond(before) or ([], [])
    evidence.leftover_threads, evidence.leftover_files = threads, files
    return evidence


class _World:
    def __init__(self, schedule: Schedule, evidence: Evidence, home: Path, patience: float) -> None:
        self._schedule, self._evidence, self._patience = schedule, evidence, patience
        self._clock = FastClock(SPEED, time.time())
        self._environment = Environment(schedule, home, self._clock)
        self._recording = threading.Lock()
        self._over = threading.Event()
        self._stopped = False
        self._service: ProxyServer

    def live(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._environment)
            self._catch_crashes(stack)
            # Half of them live with clients whose every first request goes by the ferry, streams as well.
            stack.enter_context(
                mock.patch.object(ConnectionHandler, "_use_loop_next", self._schedule.seed % 2 == 0)
            )
            self._service = ProxyServer(
                ConfigFile(self._environment.path, self._evidence.warnings.append),
                clock=self._clock,
                on_end=self._record,
                warn=self._evidence.warnings.append,
            )
            self._service.start()
            stack.callback(self._end_service)
            self._play()
            self._wait_until_quiet()
        self._gather()

    def _catch_crashes(self, stack: ExitStack) -> None:
        """An exception that ends a thread is a violation, not a line on stderr."""
        before = threading.excepthook

        def note(args: Any) -> None:
            self._evidence.crashes.append(f"{args.thread.name}: {args.exc_type.__name__}: {args.exc_value}")

        threading.excepthook = note
        stack.callback(setattr, threading, "excepthook", before)

    # --- during -----------------------------------------------------------------------------------

    def _play(self) -> None:
        keys = {"": KEY}
        keys.update({c["name"]: c["key"] for c in self._schedule.config.get("proxy", {}).get("clients", ())})
        start = self._evidence.began = time.monotonic() + 0.002
        guests = [
            ClientThread(number, guest, self._service.port, keys, start)
            for number, guest in enumerate(self._schedule.clients)
        ]
        happening = threading.Thread(target=self._run_events, args=(start,), name="events", daemon=True)
        for thread in (*guests, happening):
            thread.start()
        woke = time.monotonic()
        deadline = woke + LIFE_SEC
        while any(guest.is_alive() for guest in guests) and woke < deadline:
            self._watch_line()
            time.sleep(NAP_SEC)
            slept, woke = woke, time.monotonic()
            self._evidence.lag = max(self._evidence.lag, woke - slept - NAP_SEC)
        self._over.set()
        happening.join(LIFE_SEC)
        for guest in guests:
            guest.join(max(0.0, deadline - time.monotonic()))
            self._evidence.seen += guest.seen
            if guest.is_alive():
                self._evidence.crashes.append(f"{guest.name} never came to an end")

    def _run_events(self, start: float) -> None:
        for event in self._schedule.events:
            # Not later than the last guest, except a stop: there would be nothing to see.
            if self._over.wait(max(0.0, start + event.at - time.monotonic())) and event.what != "stop":
                continue
            began = time.monotonic()
            self._apply(event)
            # A stop takes as long as it drains: what matters is when it began.
            done = began if event.what == "stop" else time.monotonic()
            self._evidence.happened.append((done, event.what, event.args))

    def _apply(self, event: Event) -> None:
        what, args = event.what, event.args
        if what == "jump":
            self._clock.jump(*args)
        elif what == "fill":
            name, axis, share, reset_in = args
            endpoints = self._environment.api_of(name).endpoints
            endpoints.change(name, lambda a, now: a.fill(axis, share, now, reset_in=reset_in))
        elif what in ("refuse", "listen", "hang_up"):
            getattr(self._environment.apis["main"], what)()
        elif what == "stop":
            self._stopped = True
            self._service.stop(*args)
        elif what == "switch":
            self._call("/teamclaude/switch", {"account": args[0]})
        elif what in ("disable", "enable"):
            self._call(f"/teamclaude/accounts/{args[0]}/{what}", {})
        else:
            self._environment.change_file(what, *args)
            if what != "watched":
                self._call("/teamclaude/accounts/reload", {})

    def _call(self, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        """One of the proxy's own endpoints; None when it is not there any more or refuses."""
        data = None if body is None else json.dumps(body).encode()
        call = Call(f"http://127.0.0.1:{self._service.port}{path}", data, {"x-teamclaude-key": KEY})
        with suppress(OSError), closing(urlopen(call, timeout=5)) as answer:
            text = answer.read().decode()
            self._evidence.texts[path] = text
            return json.loads(text)
        return None

    def _record(self, exchange: Exchange) -> None:
        record = to_json(activity_of(exchange))
        with self._recording:
            self._evidence.records.append(record)

    def _watch_line(self) -> None:
        waiting = self._service.runtime.router.waiting
        self._evidence.most_waiting = max(self._evidence.most_waiting, waiting)

    # --- after ------------------------------------------------------------------------------------

    def _wait_until_quiet(self) -> None:
        """The proxy's own account of itself, once nothing happens any more."""
        self._evidence.quiet = _wait_for(self._is_quiet, self._patience)
        if not self._stopped:
            self._call("/teamclaude/explain/last")

    def _is_quiet(self) -> bool:
        # What is looked at here is what is judged: a connection may still be on its way to its thread.
        deck = None if self._stopped else self._call("/teamclaude/deck")
        self._evidence.deck = deck = deck or self._service.snapshot().to_json()
        return not (
            any(api.inflight for api in self._environment.apis.values())
            or deck["inflight"]
            or deck["system"]["waiting"]
            or deck["system"]["connections"] > (0 if self._stopped else 1)
            or any(row["inflight"] for row in (*deck["accounts"], *deck["sessionBindings"], *deck["clients"]))
        )

    def _end_service(self) -> None:
        self._service.stop(0.05)

    def _gather(self) -> None:
        evidence = self._evidence
        for api in self._environment.apis.values():
            evidence.heard += api.heard
            evidence.overlaps += api.overlaps
        evidence.clock_marks = self._clock.marks
        evidence.secrets = {**self._environment.secrets, KEY: "the proxy", OWN_TOKEN: "the client"}
        evidence.texts["records"] = json.dumps(evidence.records)
        evidence.texts["warnings"] = "\n".join(evidence.warnings)
        evidence.texts["deck"] = json.dumps(evidence.deck)
        state = self._environment.path.with_name("teamclaude.state.json")
        evidence.state = state.read_text() if state.exists() else ""
        evidence.texts["state file"] = evidence.state
        evidence.logging = bool(self._schedule.config.get("logRequests"))
        for path in sorted(self._environment.log_home.glob("*.log")) if evidence.logging else ():
            evidence.logged += 1
            evidence.texts[f"log {path.name}"] = path.read_text("utf-8", "replace")


def _wait_for(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for what is due; False when it did not come."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


@cache
def _open_peer_socket() -> None:
    """Once: the proxy asks the kernel about peers by one socket for the whole process, and keeps it."""
    listener = socket.create_server(("127.0.0.1", 0))
    here = socket.create_connection(listener.getsockname())
    with closing(listener), closing(here):
        peer_uid(here.getsockname(), here.getpeername())


Resources = tuple[set[threading.Thread], dict[int, str]]


def _open_resources() -> Resources:
    """The threads, and the open descriptors where the system lists them."""
    files: dict[int, str] = {}
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                files[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return set(threading.enumerate()), files


def _beyond(before: Resources) -> Optional[tuple[list[str], list[str]]]:
    """What is there beyond `before`; None for nothing."""
    threads, files = _open_resources()
    more_threads = [thread.name for thread in threads - before[0]]
    known = set(before[1].items())
    more_files = [what for what in files.items() if what not in known]
    if not more_threads and not more_files:
        return None
    return more_threads, [f"{number}: {what}" for number, what in more_files]
