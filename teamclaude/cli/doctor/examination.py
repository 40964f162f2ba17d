"""The examination as a whole: which groups there are, in which order, and how long they may take.

Rules:
1. Each kind of fact has a thread of its own; one that fails or takes too long is a finding, and the others
   go on.
2. Nothing is written, and nothing is sent anywhere but to this machine, unless it was asked for.
3. What needs another group's facts waits for them: the config first, then the server.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ... import __version__
from ...threads import start_with_retry
from ...values import NamedTuple
from ..setup.report import shown_path
from .finding import Group, Kind, Level
from .subject import Subject

if TYPE_CHECKING:
    from ...snapshot import Snapshot

__all__ = ["examine"]

LIMIT_S = 3.0  # for what is asked at once
ONLINE_S = 8.0  # the same with a question to the API or to a server elsewhere
SLOW = Kind("doctor.slow", Level.WARNING, "What was to be examined there hangs.")
FAILED = Kind("doctor.failed", Level.WARNING, "A defect of this command, or something unforeseen here.")
RESERVED_DESCRIPTORS = 96  # of a server, beside two for each connection


Job = Callable[[], Any]


class _Missing(NamedTuple):
    """What stands for facts that could not be had."""

    why: str
    is_late: bool


def examine(subject: Subject) -> list[Group]:
    """Return the groups, in the order in which a person reads them."""
    return _remote(subject) if subject.remote is not None else _local(subject)


# --- the groups ------------------------------------------------------------------------------------------


def _local(subject: Subject) -> list[Group]:
    first = _at_once(
        {
            "python": _job("python_facts.python_facts"),
            "program": _job("python_facts.program_facts"),
            "config": _job("config_facts.config_facts", subject.path),
        }
    )
    config = getattr(first["config"], "config", None)
    subject = subject._replace(config=config)
    facts = {**first, **_at_once(_jobs(subject), ONLINE_S if subject.online else None)}
    status = getattr(facts.get("server"), "status", None)
    if config is not None:
        facts.update(_at_once({"logins": _job("login_facts.login_facts", subject, config, status)}))
    shown = _shown(subject.path, subject)
    groups = [
        *_of_program(facts, subject),
        _group("config", facts["config"], "config_checks.check_config", shown, subject.is_local),
    ]
    if config is not None:
        wanted = 2 * config.proxy.max_connections + RESERVED_DESCRIPTORS
        groups.append(
            _group("server", facts["server"], "server_checks.check_server", facts["program"], wanted)
        )
    if facts["service"] is not None:
        groups.append(_group("service", facts["service"], "service_checks.check_service"))
    groups.append(_client(facts, subject))
    if config is not None:
        urls = [subject.url, *(each.url for each in getattr(facts["server"], "named", ()))]
        certificates = facts["certificates"]
        groups += [
            _group("network", facts["network"], "network_checks.check_network"),
            _group("certificates", certificates, "certificate_checks.check_certificates", urls, subject.now),
            _group("logins", facts["logins"], "login_checks.check_logins"),
        ]
    return [*groups, *_of_machine(facts, subject, status)]


def _jobs(subject: Subject) -> dict[str, Job]:
    """Return what is asked once the config is known."""
    config = subject.config
    jobs = {
        "claude": _job("client_facts.client_facts", subject, config),
        "records": _job("record_facts.record_facts", subject, config),
        "machine": _job("machine_facts.machine_facts", subject, config),
        "service": _job("service_facts.service_facts", subject, config),
    }
    if config is not None:
        jobs["server"] = _job("server_facts.server_facts", subject, config)
        jobs["network"] = _job("network_facts.network_facts", subject, config)
        jobs["certificates"] = _job("certificate_facts.certificate_facts", subject, config)
        if subject.online:
            jobs["clock"] = _job("clock_facts.clock_facts", subject, config)
    return jobs


def _of_machine(facts: Mapping[str, Any], subject: Subject, status: Optional[Snapshot]) -> list[Group]:
    config = subject.config
    wanted = 2 * config.proxy.max_connections + RESERVED_DESCRIPTORS if config else 0
    used = max((row.last_used or 0.0 for row in status.session_bindings), default=0.0) if status else 0.0
    limit = config.history_max_mb if config else 0.0
    clock = facts.get("clock")
    if isinstance(clock, _Missing):
        clock = None
    return [
        _group("records", facts["records"], "record_checks.check_records", limit, used, subject.now),
        _group("machine", facts["machine"], "machine_checks.check_machine", clock, wanted),
    ]


def _remote(subject: Subject) -> list[Group]:
    facts = _at_once(
        {
            "python": _job("python_facts.python_facts"),
            "program": _job("python_facts.program_facts"),
            "server": _job("remote_facts.remote_facts", subject.remote),
            "claude": _job("client_facts.client_facts", subject, None),
        },
        ONLINE_S,
    )
    server = _group("server", facts["server"], "remote_checks.check_remote", __version__)
    return [*_of_program(facts, subject), server, _client(facts, subject)]


def _of_program(facts: Mapping[str, Any], subject: Subject) -> list[Group]:
    place = _shown(getattr(facts["program"], "place", ""), subject)
    return [
        _group("python", facts["python"], "python_checks.check_python"),
        _group("program", facts["program"], "python_checks.check_program", place),
    ]


def _client(facts: Mapping[str, Any], subject: Subject) -> Group:
    program = getattr(facts["claude"], "program", None)
    path = _shown(program.path, subject) if program else ""
    return _group("claude", facts["claude"], "client_checks.check_client", path)


def _shown(path: object, subject: Subject) -> str:
    return shown_path(Path(str(path)), subject.env)


# --- running them ----------------------------------------------------------------------------------------


def _job(place: str, *args: Any) -> Job:
    """Return a call of `facts.MODULE.FUNCTION`; it is imported there: a module may lack one that it needs."""
    return lambda: _named(f".facts.{place}")(*args)


def _named(place: str) -> Callable[..., Any]:
    module, _, name = place.rpartition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(module, __package__), name)
    return found


def _group(name: str, facts: Any, check: str, *args: Any) -> Group:
    """Return the group that a function of `checks` makes of facts, or one that says why there is none."""
    if not isinstance(facts, _Missing):
        try:
            group: Group = _named(f".checks.{check}")(facts, *args)
            return group
        except Exception as error:
            facts = _Missing(_words(error), False)
    if facts.is_late:
        return Group(
            name, "", [SLOW.found(f"{name}: no answer in time", "look for a disk or server that hangs")]
        )
    return Group(name, "", [FAILED.found(f"{name}: {facts.why}", "TEAMCLAUDE_DEBUG=1 shows where")])


def _at_once(jobs: Mapping[str, Job], limit_s: Optional[float] = None) -> dict[str, Any]:
    """Return what each job returns, `_Missing` for one that failed or is not done after `limit_s`."""
    results: dict[str, Any] = {}
    threads = {name: _start(name, job, results) for name, job in jobs.items()}
    deadline = time.monotonic() + (limit_s or LIMIT_S)
    for name, thread in threads.items():
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
        results.setdefault(name, _Missing("not done in time", True))
    return {name: results[name] for name in jobs}


def _start(name: str, job: Job, results: dict[str, Any]) -> Optional[threading.Thread]:
    def run() -> None:
        try:
            found = job()
        except BaseException as error:  # a traceback of the thread would be printed
            if os.environ.get("TEAMCLAUDE_DEBUG"):
                import traceback

                traceback.print_exc()
            found = _Missing(_words(error), False)
        results.setdefault(name, found)

    # A daemon: a hung file system must not keep the command from ending.
    thread = threading.Thread(target=run, name=f"doctor-{name}", daemon=True)
    if start_with_retry(thread):
        return thread
    run()
    return None


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
