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
from pathlib import Path
from typing import Any, Optional
from urllib.request import Request as Call
from urllib.request import urlopen

from teamclaude.accounts.store import ConfigFile
from teamclaude.demo.quota import FakeAccount
from teamclaude.proxy.service import Service
from tests.faults.evidence import Evidence
from tests.faults.guests import OWN_TOKEN, GuestThread
from tests.faults.plan import SPEED, Event, Member, Schedule
from tests.faults.shortened import shortened
from tests.faults.watched import Babbler, FastClock, WatchedApi

__all__ = ["KEY", "live", "token"]

KEY = "tc-world-FAKE-key-000000000000000000000"
SETTLE_SEC = 2.0  # for what the proxy owes within one second
LIFE_SEC = 12.0  # a guest that takes longer hangs


def token(member: str, version: int = 1) -> str:
    return f"sk-ant-oat01-FAKE-{member}-v{version}"


def live(schedule: Schedule) -> Evidence:
    """Live through a schedule."""
    evidence = Evidence(schedule)
    before = _census()
    with shortened(), tempfile.TemporaryDirectory(prefix="teamclaude-faults-") as home:
        _World(schedule, evidence, Path(home)).live()
        _settle(lambda: not _grown(before), SETTLE_SEC)
    threads, files = _grown(before) or ([], [])
    evidence.leftover_threads, evidence.leftover_files = threads, files
    return evidence


class _World:
    def __init__(self, schedule: Schedule, evidence: Evidence, home: Path) -> None:
        self._schedule, self._evidence, self._home = schedule, evidence, home
        self._clock = FastClock(SPEED, time.time())
        self._versions = {member.name: 1 for member in schedule.members}
        self._present = {member.name: member for member in schedule.members}
        self._path = home / "teamclaude.json"
        self._recording = threading.Lock()
        self._over = threading.Event()
        self._stopped = False
        self._apis = self._make_apis()
        self._babbler = Babbler()
        self._service: Service

    def live(self) -> None:
        with ExitStack() as stack:
            for api in self._apis.values():
                stack.enter_context(api)
            stack.callback(self._babbler.close)
            self._catch_crashes(stack)
            self._write_config()
            self._service = Service(
                ConfigFile(self._path, self._evidence.warnings.append),
                clock=self._clock,
                on_activity=self._record,
                warn=self._evidence.warnings.append,
            )
            self._service.start()
            stack.callback(self._end_service)
            self._play()
            self._look()
        self._gather()

    # --- before -----------------------------------------------------------------------------------

    def _make_apis(self) -> dict[str, WatchedApi]:
        homes: dict[str, list[FakeAccount]] = {"main": [], "own": []}
        for member in self._schedule.members:
            account = FakeAccount(member.name, token(member.name), member.kind)
            homes[self._home_of(member.name)].append(account)
        apis = {"main": WatchedApi("main", homes["main"], self._clock)}
        if homes["own"]:
            apis["own"] = WatchedApi("own", homes["own"], self._clock, first_number=1_000_001)
        for trouble in self._schedule.troubles:
            self._arrange(apis, trouble)
        return apis

    def _home_of(self, name: Optional[str]) -> str:
        """The API that knows the account."""
        return (
            "own" if any(m.name == name and m.upstream == "own" for m in self._schedule.members) else "main"
        )

    def _arrange(self, apis: dict[str, WatchedApi], trouble: Any) -> None:
        script = apis[self._home_of(trouble.account)].script
        rule = {"account": trouble.account, "path": trouble.path, "nth": trouble.nth}
        if trouble.fault.on_accept:
            script.times(trouble.count or 1, trouble.fault)
        elif trouble.count is None:
            script.always(trouble.fault, **rule)
        else:
            script.times(trouble.count, trouble.fault, **rule)

    def _catch_crashes(self, stack: ExitStack) -> None:
        """An exception that ends a thread is a violation, not a line on stderr."""
        before = threading.excepthook

        def note(args: Any) -> None:
            self._evidence.crashes.append(f"{args.thread.name}: {args.exc_type.__name__}: {args.exc_value}")

        threading.excepthook = note
        stack.callback(setattr, threading, "excepthook", before)

    def _write_config(self) -> None:
        config = dict(self._schedule.config)
        proxy = {"host": "127.0.0.1", "port": 0, "apiKey": KEY, "maxBodyMiB": 1, **config.pop("proxy", {})}
        if config.get("logRequests"):
            # The clock is set about: by it every file may be too old to keep.
            config.update(logDir=str(self._home / "log"), logRetentionHours=0)
        document = {
            "proxy": proxy,
            "upstream": self._apis["main"].url,
            "oauth": {"tokenUrl": f"{self._apis['main'].url}/v1/oauth/token"},
            **config,
            "accounts": [self._account_json(member) for member in self._present.values()],
        }
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file)
        os.replace(fresh, self._path)

    def _account_json(self, member: Member) -> dict[str, Any]:
        secret = token(member.name, self._versions[member.name])
        self._evidence.secrets[secret] = member.name
        row: dict[str, Any] = {
            "name": member.name,
            "type": member.kind,
            "priority": member.priority,
            "disabled": member.disabled,
        }
        if member.kind == "apikey":
            row.update(apiKey=secret, lastResort=member.last_resort)
        else:
            row.update(accessToken=secret, expiresAt=4_102_444_800_000)
        if member.upstream:
            row["upstream"] = self._upstream(member.upstream)
        return row

    def _upstream(self, where: str) -> str:
        if where == "own":
            return self._apis["own"].url
        if where == "babble":
            return f"https://127.0.0.1:{self._babbler.port}"
        return "http://nobody.invalid" if where == "nowhere" else f"http://127.0.0.1:{_free_port()}"

    # --- during -----------------------------------------------------------------------------------

    def _play(self) -> None:
        keys = {"": KEY}
        keys.update({c["name"]: c["key"] for c in self._schedule.config.get("proxy", {}).get("clients", ())})
        start = self._evidence.began = time.monotonic() + 0.002
        guests = [
            GuestThread(number, guest, self._service.port, keys, start)
            for number, guest in enumerate(self._schedule.guests)
        ]
        happening = threading.Thread(target=self._happen, args=(start,), name="events", daemon=True)
        for thread in (*guests, happening):
            thread.start()
        deadline = time.monotonic() + LIFE_SEC
        while any(guest.is_alive() for guest in guests) and time.monotonic() < deadline:
            self._watch_line()
            time.sleep(0.003)
        self._over.set()
        happening.join(LIFE_SEC)
        for guest in guests:
            guest.join(max(0.0, deadline - time.monotonic()))
            self._evidence.seen += guest.seen
            if guest.is_alive():
                self._evidence.crashes.append(f"{guest.name} never came to an end")

    def _happen(self, start: float) -> None:
        for event in self._schedule.events:
            # Not later than the last guest, except a stop: there would be nothing to see.
            if self._over.wait(max(0.0, start + event.at - time.monotonic())) and event.what != "stop":
                continue
            self._do(event)
            self._evidence.happened.append((time.monotonic(), event.what, event.args))

    def _do(self, event: Event) -> None:
        what, args = event.what, event.args
        if what == "jump":
            self._clock.jump(*args)
        elif what == "fill":
            name, axis, share, reset_in = args
            api = self._apis[self._home_of(name)]
            api.endpoints.change(name, lambda a, now: a.fill(axis, share, now, reset_in=reset_in))
        elif what in ("refuse", "listen", "hang_up"):
            getattr(self._apis["main"], what)()
        elif what == "stop":
            self._stopped = True
            self._service.stop(*args)
        else:
            self._operate(what, args)

    def _operate(self, what: str, args: tuple[Any, ...]) -> None:
        if what == "switch":
            self._call("/teamclaude/switch", {"account": args[0]})
        elif what in ("disable", "enable"):
            self._call(f"/teamclaude/accounts/{args[0]}/{what}", {})
        else:
            self._change_file(what, args)
            if what != "watched":
                self._call("/teamclaude/accounts/reload", {})

    def _change_file(self, what: str, args: tuple[Any, ...]) -> None:
        name = args[0] if args else ""
        if what == "remove":
            self._present.pop(name, None)
        elif what == "add":
            self._present[name] = next(m for m in self._schedule.members if m.name == name)
        elif what == "renew":
            self._versions[name] += 1
            api = self._apis[self._home_of(name)]
            api.endpoints.change(name, lambda a, now: a.issue(token(name, self._versions[name])))
        self._write_config()

    def _call(self, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        """One of the proxy's own endpoints; None when it is not there any more or refuses."""
        data = None if body is None else json.dumps(body).encode()
        call = Call(f"http://127.0.0.1:{self._service.port}{path}", data, {"x-teamclaude-key": KEY})
        with suppress(OSError), closing(urlopen(call, timeout=5)) as answer:
            text = answer.read().decode()
            self._evidence.texts[f"{path} {len(self._evidence.texts)}"] = text
            return json.loads(text)
        return None

    def _record(self, record: dict[str, Any]) -> None:
        with self._recording:
            self._evidence.records.append(record)

    def _watch_line(self) -> None:
        waiting = self._service.runtime.router.waiting
        self._evidence.most_waiting = max(self._evidence.most_waiting, waiting)

    # --- after ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """The proxy's own account of itself, once nothing happens any more."""
        self._evidence.quiet = _settle(self._is_quiet, SETTLE_SEC)
        status = None if self._stopped else self._call("/teamclaude/status")
        deck = None if self._stopped else self._call("/teamclaude/deck")
        self._evidence.status = status or self._service.snapshot()
        self._evidence.deck = deck or self._service.deck()

    def _is_quiet(self) -> bool:
        if any(api.inflight for api in self._apis.values()):
            return False
        deck = self._service.deck()
        return not (
            deck["inflight"]
            or deck["system"]["waiting"]
            or deck["system"]["connections"]
            or any(account["inflight"] for account in deck["accounts"])
        )

    def _end_service(self) -> None:
        self._service.stop(0.05)

    def _gather(self) -> None:
        evidence = self._evidence
        for api in self._apis.values():
            evidence.heard += api.heard
            evidence.overlaps += api.overlaps
        evidence.clock_marks = self._clock.marks
        evidence.secrets[KEY] = "the proxy"
        evidence.secrets[OWN_TOKEN] = "the client"
        evidence.texts["records"] = json.dumps(evidence.records)
        evidence.texts["warnings"] = "\n".join(evidence.warnings)
        evidence.texts["deck"] = json.dumps(evidence.deck)
        state = self._path.with_name("teamclaude.state.json")
        evidence.state = state.read_text() if state.exists() else ""
        evidence.texts["state file"] = evidence.state
        evidence.logging = bool(self._schedule.config.get("logRequests"))
        for path in sorted((self._home / "log").glob("*.log")) if evidence.logging else ():
            evidence.logged += 1
            evidence.texts[f"log {path.name}"] = path.read_text("utf-8", "replace")


def _settle(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for what is due; False when it did not come."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


Census = tuple[set[threading.Thread], dict[int, str]]


def _census() -> Census:
    """The threads, and the open descriptors where the system lists them."""
    files: dict[int, str] = {}
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                files[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return set(threading.enumerate()), files


def _grown(before: Census) -> Optional[tuple[list[str], list[str]]]:
    """What is there beyond `before`; None for nothing."""
    threads, files = _census()
    more_threads = [thread.name for thread in threads - before[0]]
    known = set(before[1].items())
    more_files = [what for what in files.items() if what not in known]
    if not more_threads and not more_files:
        return None
    return more_threads, [f"{number}: {what}" for number, what in more_files]
