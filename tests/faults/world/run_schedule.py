"""Run one schedule: the real server over real sockets in front of the fake API, with short times.

    evidence = run_schedule(make(7))

Threads and descriptors are counted before and after; what is left then was leaked by the proxy.
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
from teamclaude.proxy.records.exchange import Exchange
from teamclaude.proxy.records.journal import activity_of
from teamclaude.proxy.server import ProxyServer
from teamclaude.typed_json import to_json
from tests.faults.rules.evidence import Evidence
from tests.faults.schedules.plan import SPEED, Event, Schedule
from tests.faults.world.client_tls import ClientTls
from tests.faults.world.clients import ClientThread
from tests.faults.world.environment import KEY, Environment
from tests.faults.world.request_bytes import OWN_TOKEN
from tests.faults.world.short_times import shortened
from tests.faults.world.watched_api import FastClock
from tests.ports import claim_descriptors

__all__ = ["run_schedule"]

SETTLE_SEC = 2.0  # the proxy must come to rest within one second
NAP_SEC = 0.003
LIFE_SEC = 12.0  # a client that takes longer counts as hanging


def run_schedule(
    schedule: Schedule, patience: float = SETTLE_SEC, tls: Optional[ClientTls] = None
) -> Evidence:
    """Run a schedule; what has not come to rest after `patience` seconds counts as stuck.

    With `tls` its clients, and the operator, speak TLS to the proxy.
    """
    evidence = Evidence(schedule)
    _open_peer_socket()
    before = _open_resources()
    with shortened(), tempfile.TemporaryDirectory(prefix="teamclaude-faults-") as home:
        _Run(schedule, evidence, Path(home), patience, tls).run()
        _wait_for(lambda: not _beyond(before), patience)
    threads, files = _beyond(before) or ([], [])
    evidence.leftover_threads, evidence.leftover_files = threads, files
    return evidence


class _Run:
    def __init__(
        self,
        schedule: Schedule,
        evidence: Evidence,
        home: Path,
        patience: float,
        tls: Optional[ClientTls],
    ) -> None:
        self._tls = tls
        self._schedule, self._evidence, self._patience = schedule, evidence, patience
        self._clock = FastClock(SPEED, time.time())
        self._environment = Environment(schedule, home, self._clock, tls)
        self._recording = threading.Lock()
        self._over = threading.Event()
        self._stopped = False
        self._service: ProxyServer

    def run(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._environment)
            self._catch_crashes(stack)
            # In half of them the event loop serves the first request of every connection too.
            stack.enter_context(
                mock.patch.object(ConnectionHandler, "use_loop_next", self._schedule.seed % 2 == 0)
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
        """Record an exception that ends a thread as a violation."""
        before = threading.excepthook

        def note(args: Any) -> None:
            self._evidence.crashes.append(f"{args.thread.name}: {args.exc_type.__name__}: {args.exc_value}")

        threading.excepthook = note
        stack.callback(setattr, threading, "excepthook", before)

    # --- run --------------------------------------------------------------------------------------

    def _play(self) -> None:
        keys = {"": KEY}
        keys.update({c["name"]: c["key"] for c in self._schedule.config.get("proxy", {}).get("clients", ())})
        start = self._evidence.began = time.monotonic() + 0.002
        clients = [
            ClientThread(number, client, self._service.port, keys, start, self._tls)
            for number, client in enumerate(self._schedule.clients)
        ]
        happening = threading.Thread(target=self._run_events, args=(start,), name="events", daemon=True)
        for thread in (*clients, happening):
            thread.start()
        woke = time.monotonic()
        deadline = woke + LIFE_SEC
        while any(client.is_alive() for client in clients) and woke < deadline:
            self._watch_line()
            time.sleep(NAP_SEC)
            slept, woke = woke, time.monotonic()
            self._evidence.lag = max(self._evidence.lag, woke - slept - NAP_SEC)
        self._over.set()
        happening.join(LIFE_SEC)
        for client in clients:
            client.join(max(0.0, deadline - time.monotonic()))
            self._evidence.seen += client.seen
            if client.is_alive():
                self._evidence.crashes.append(f"{client.name} never came to an end")

    def _run_events(self, start: float) -> None:
        for event in self._schedule.events:
            # After the last client only a stop is carried out: other events would have no effect.
            if self._over.wait(max(0.0, start + event.at - time.monotonic())) and event.what != "stop":
                continue
            began = time.monotonic()
            self._apply(event)
            # A stop takes as long as it drains: its time is when it began.
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
        elif what in ("stop_listening", "listen", "close_connections"):
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
        """Call an endpoint of the proxy; return None when it has stopped or refuses."""
        data = None if body is None else json.dumps(body).encode()
        origin = f"http://127.0.0.1:{self._service.port}"
        if self._tls is not None:
            origin = f"https://localhost:{self._service.port}"
        call = Call(origin + path, data, {"x-teamclaude-key": KEY})
        context = None if self._tls is None else self._tls.context
        with suppress(OSError), closing(urlopen(call, timeout=5, context=context)) as answer:
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

    # --- evidence ---------------------------------------------------------------------------------

    def _wait_until_quiet(self) -> None:
        """Take the proxy's own status once nothing happens any more."""
        self._evidence.quiet = _wait_for(self._is_quiet, self._patience)
        if not self._stopped:
            self._call("/teamclaude/explain/last")

    def _is_quiet(self) -> bool:
        # This status is the one the rules check: a connection may still be on its way to its thread.
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
    """Wait for a condition; return False after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


@cache
def _open_peer_socket() -> None:
    """Open, once, the netlink socket by which the proxy asks for peers: it stays for the whole process."""
    listener = socket.create_server(("127.0.0.1", 0))
    here = socket.create_connection(listener.getsockname())
    with closing(listener), closing(here):
        peer_uid(here.getsockname(), here.getpeername())


Resources = tuple[set[threading.Thread], dict[int, str]]


def _open_resources() -> Resources:
    """Return the threads, and the open descriptors where the system lists them."""
    files: dict[int, str] = {}
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                files[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return set(threading.enumerate()), files


def _beyond(before: Resources) -> Optional[tuple[list[str], list[str]]]:
    """Return the threads and descriptors that are new since `before`; None: none."""
    threads, files = _open_resources()
    more_threads = [thread.name for thread in threads - before[0]]
    known, claims = set(before[1].items()), claim_descriptors()
    more_files = [what for what in files.items() if what not in known and what[0] not in claims]
    if not more_threads and not more_files:
        return None
    return more_threads, [f"{number}: {what}" for number, what in more_files]
