"""Findings about this machine.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional

from ..finding import Finding, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.clock_facts import ClockFacts
    from ..facts.machine_facts import Disk, MachineFacts

__all__ = ["check_machine"]

CLOCK = Kind("machine.clock", Level.ERROR, "Resets and ends of logins are compared with this clock.")
CLOCK_OFF = Kind(
    "machine.clock-off", Level.WARNING, "Resets and ends of logins are compared with this clock."
)
CLOCK_BEHIND = Kind(
    "machine.clock-behind", Level.WARNING, "Resets and ends of logins are compared with this clock."
)
UNREACHABLE = Kind("machine.api-unreachable", Level.ERROR, "Nothing can be served without it.")
NOT_ASKED = Kind("machine.not-asked", Level.NOTE, "Nothing is sent anywhere unless you ask for it.")
ZONE = Kind("machine.zone", Level.WARNING, "Times are shown in UTC, and days of reports begin then.")
DISK_FULL = Kind("machine.disk-full", Level.ERROR, "Renewed logins can't be stored, and are then lost.")
DISK_LOW = Kind("machine.disk-low", Level.WARNING, "Without room renewed logins can't be stored.")
DISK_FILES = Kind("machine.disk-files", Level.WARNING, "Without a free file none can be replaced.")
READ_ONLY = Kind("machine.read-only", Level.ERROR, "Renewed logins and observations can't be stored.")
DESCRIPTORS = Kind("machine.open-files", Level.WARNING, "Beyond that a server refuses connections with 503.")
THREADS = Kind("machine.threads", Level.WARNING, "Each request needs a thread for a while.")

FULL_BYTES, LOW_BYTES = 10_000_000, 200_000_000
FEW_FILES = 1000
FEW_PROCESSES = 512
OFF_SEC, WRONG_SEC = 30.0, 300.0
SET_CLOCK = "timedatectl set-ntp true (or your system's way to set its clock)"
BEHIND_SEC = 120.0  # of a file's time: clocks of file servers differ a little


def check_machine(facts: MachineFacts, clock: Optional[ClockFacts], descriptors_wanted: int) -> Group:
    """Return what is wrong; `descriptors_wanted`: for all connections of a server."""
    found = [*_clock(facts, clock)]
    for disk in facts.disks:
        found += _disk(disk)
    if facts.descriptors is not None and facts.descriptors < descriptors_wanted:
        found.append(
            DESCRIPTORS.found(
                f"a program may open {facts.descriptors} files here; proxy.maxConnections may need "
                f"{descriptors_wanted}",
                "raise the hard limit (ulimit -Hn; of a service: LimitNOFILE), or lower proxy.maxConnections",
            )
        )
    if facts.processes is not None and facts.processes < FEW_PROCESSES:
        found.append(
            THREADS.found(
                f"this user may have {facts.processes} threads", "raise the hard limit (ulimit -Hu)"
            )
        )
    return Group("machine", _summary(facts, clock), found)


def _summary(facts: MachineFacts, clock: Optional[ClockFacts]) -> str:
    free = [disk.free_bytes for disk in facts.disks if disk.free_bytes is not None]
    parts = [facts.zone]
    if clock is not None and clock.offset_sec is not None:
        parts.append(f"clock {clock.offset_sec:+.0f} s")
    parts += [f"{_size(min(free))} free"] if free else []
    return ", ".join(parts)


def _clock(facts: MachineFacts, clock: Optional[ClockFacts]) -> Iterator[Finding]:
    offset = clock.offset_sec if clock else None
    if clock is None:
        yield NOT_ASKED.found("the API was not asked for the time", "teamclaude doctor --online")
    elif clock.problem:
        yield UNREACHABLE.found(clock.problem, "see network above; a firewall, or the API itself")
    if offset is not None and abs(offset) > OFF_SEC:
        kind = CLOCK if abs(offset) > WRONG_SEC else CLOCK_OFF
        side = "ahead of" if offset > 0 else "behind"
        yield kind.found(f"this clock is {abs(offset):.0f} s {side} the API's", SET_CLOCK)
    elif facts.newest - facts.now > BEHIND_SEC:
        yield CLOCK_BEHIND.found("files of ours were written later than this clock says it is", SET_CLOCK)
    if facts.unknown_zone:
        yield ZONE.found(
            f"TZ={facts.unknown_zone} names no zone", "set TZ to a name like Europe/Berlin, or unset it"
        )


def _disk(disk: Disk) -> Iterator[Finding]:
    uses = " and ".join(disk.uses)
    if disk.is_read_only or disk.problem:
        what = "is on a read-only file system" if disk.is_read_only else disk.problem
        yield READ_ONLY.found(
            f"{disk.path} ({uses}) {what}", "make it writable, or use another: TEAMCLAUDE_CONFIG"
        )
        return
    if disk.free_bytes is not None and disk.free_bytes < LOW_BYTES:
        kind = DISK_FULL if disk.free_bytes < FULL_BYTES else DISK_LOW
        yield kind.found(
            f"{_size(disk.free_bytes)} are free where {uses} {_are(disk)}", f"make room in {disk.path}"
        )
    if disk.free_files is not None and disk.free_files < FEW_FILES:
        yield DISK_FILES.found(
            f"{disk.free_files} more files can be made where {uses} {_are(disk)}",
            f"remove files: df -i {disk.path}",
        )


def _are(disk: Disk) -> str:
    return "is" if len(disk.uses) == 1 else "are"


def _size(count: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.0f} {unit}"
    return f"{count / 1e3:.0f} kB"
