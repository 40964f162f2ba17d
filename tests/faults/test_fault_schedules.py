"""Fault schedules in every run of the suite: the first ones and all that ever failed; `.ci/run` runs more."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.rules.awaited import AWAITED
from tests.faults.rules.invariants import violations
from tests.faults.schedules.keep_alive_mix import SIZES
from tests.faults.schedules.kinds import KINDS
from tests.faults.schedules.make_schedule import LATER, make
from tests.faults.schedules.plan import Schedule
from tests.faults.schedules.themes import THEMES
from tests.faults.world.client_tls import ClientTls, make_client_tls
from tests.faults.world.run_schedule import run_schedule

FIRST = 24
BY_TLS = 10


def seeds() -> list[int]:
    lines = Path(__file__).with_name("seeds.txt").read_text("utf-8").splitlines()
    failed = [int(line.split()[0]) for line in lines if line and not line.startswith("#")]
    return [*range(FIRST), *failed]


@pytest.mark.parametrize("seed", seeds())
def test_no_invariant_is_violated(seed: int) -> None:
    found = violations(run_schedule(make(seed)))
    if found:
        # A machine that pauses can look like a bug of the proxy: run it once more.
        found = violations(run_schedule(make(seed)))
    assert not found, f"again: python -m tests.faults.run --seed {seed}\n" + "\n".join(found)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ClientTls:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    return make_client_tls(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + BY_TLS))
def test_no_invariant_is_violated_where_clients_speak_tls(seed: int, tls: ClientTls) -> None:
    found = violations(run_schedule(make(seed), tls=tls))
    if found:
        found = violations(run_schedule(make(seed), tls=tls))
    assert not found, f"again: python -m tests.faults.run --seed {seed} --tls\n" + "\n".join(found)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - AWAITED))
def test_a_kind_of_trouble_has_its_right_outcome(kind: str) -> None:
    found = violations(run_schedule(make(1, kind)))
    if found:
        found = violations(run_schedule(make(1, kind)))
    assert not found, f'again: python -m tests.faults.run --seed 1 --kind "{kind}"\n' + "\n".join(found)


def test_what_is_awaited_are_kinds() -> None:
    assert set(KINDS) >= AWAITED


def test_the_same_seed_is_the_same_schedule() -> None:
    assert list(make(7).lines()) == list(make(7).lines())
    assert list(make(7).lines()) != list(make(8).lines())


def test_the_schedules_contain_every_kind_of_trouble() -> None:
    many = [make(seed) for seed in range(1000)]
    themes = {schedule.theme.partition(":")[0] for schedule in many}
    assert themes == {name for name, _, _ in (*THEMES, *LATER)}
    drawn = {schedule.theme.partition(": ")[2] for schedule in many} - {""}
    assert drawn == set(KINDS) - AWAITED
    seen = Counter(kind for schedule in many for kind in troubles_of(schedule))
    assert set(TROUBLES) - set(seen) == set()


def troubles_of(schedule: Schedule) -> set[str]:
    """Return the troubles of a schedule, in the words of TROUBLES."""
    found = {event.what for event in schedule.events} | {account.upstream for account in schedule.accounts}
    found |= {f"refresh {account.refresh}" for account in schedule.accounts if account.refresh}
    for trouble in schedule.troubles:
        fault = trouble.fault
        found |= {str(fault.code), f"quota {fault.quota_axis}", f"raw {fault.raw is not None}"}
        found |= {f"gzip {fault.gzip}", f"1xx {bool(fault.interim)}", f"trickle {bool(fault.write_size)}"}
        found |= {f"headers {len(fault.headers) > 10}", f"late error {bool(fault.error_after)}"}
        found |= {"error first"} if fault.error_after == 0 else set()
        if fault.cut is not None:
            found |= {f"cut {fault.cut.at} {fault.cut.how}"}
            found |= {f"{fault.cut.at} {fault.cut.n}"} if fault.cut.at in ("event", "inside") else set()
        found |= {"on accept"} if fault.on_accept else set()
    for client in schedule.clients:
        found |= {"agent"} if client.agent else set()
        found |= {"retries"} if client.tries > 1 else set()
        found |= {"pipelined"} if client.pipelined else set()
        for request in client.requests:
            found |= {
                request.kind,
                request.reads,
                request.version,
                request.malformed,
                f"stream {request.stream}",
                f"split {request.split}",
                f"{request.sized} {request.size}",
            }
            found |= {f"chunked {request.chunked}", f"leaves {request.leave and request.leave.when}"}
    return found


TROUBLES = [
    *(
        "jump",
        "reload",
        "watched",
        "remove",
        "add",
        "disable",
        "renew",
        "switch",
        "stop",
        "close_connections",
        "stop_listening",
    ),
    *("closed", "not http", "nowhere", "own"),
    *(f"refresh {how}" for how in ("works", "slow", "refused", "busy", "lost")),
    *("400", "401", "403", "404", "413", "429", "500", "502", "503", "504", "529", "307"),
    *("quota 5h", "quota 7d", "quota 7d_oi", "raw True", "gzip True", "1xx True", "trickle True"),
    *("headers True", "late error True", "error first", "on accept"),
    *(
        f"cut {at} {how}"
        for at in ("start", "head", "event", "inside", "body")
        for how in ("rst", "fin", "hang")
    ),
    *(f"event {n}" for n in range(11)),
    *(f"inside {n}" for n in (1, 2, 4, 8)),
    *("agent", "retries", "pipelined", "messages", "count", "models", "profile", "huge"),
    *("slow", "stuck", "1.0", "fold", "two lengths", "stream True", "stream False", "chunked True"),
    *("split head", "split body"),
    *(f"{what} {size}" for what in ("body", "request") for size in SIZES),
    *("leaves request", "leaves time", "leaves bytes"),
]
