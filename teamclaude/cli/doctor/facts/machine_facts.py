"""This machine: clock and zone, free space where files are written, and limits of the process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional

from ....accounts.config.config import Config
from ....accounts.config.state_place import state_path
from ....proxy.reporting.live_history import history_path
from ....values import NamedTuple
from ..subject import Subject

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["Disk", "MachineFacts", "machine_facts"]

ZONES = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo")


class Disk(NamedTuple):
    """A directory in which files are written; None: not known (Windows, network file systems)."""

    path: str
    uses: tuple[str, ...]  # config, state, history, logs
    free_bytes: Optional[int] = None
    free_files: Optional[int] = None
    is_read_only: bool = False
    problem: str = ""


class MachineFacts(NamedTuple):
    """`descriptors` and `processes` are the hard limits, None for none; `zone` is as this shell has it.

    `newest`: when the newest file of ours was written (epoch seconds).  `unknown_zone`: the variable TZ, if
    it names no zone.
    """

    now: float
    zone: str
    unknown_zone: str = ""
    newest: float = 0.0
    disks: tuple[Disk, ...] = ()
    descriptors: Optional[int] = None
    processes: Optional[int] = None


def machine_facts(subject: Subject, config: Optional[Config]) -> MachineFacts:
    """Return what is known of this machine."""
    offset = time.strftime("%z", time.localtime(subject.now))
    names = {name: getattr(resource, name, None) for name in ("RLIMIT_NOFILE", "RLIMIT_NPROC")}
    return MachineFacts(
        subject.now,
        f"UTC{offset[:3]}:{offset[3:5]}",
        _unknown_zone(subject.env),
        _newest(subject.path),
        tuple(_disks(subject.path, config)),
        _hard_limit(names["RLIMIT_NOFILE"]),
        None if _is_root() else _hard_limit(names["RLIMIT_NPROC"]),
    )


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _hard_limit(name: Optional[int]) -> Optional[int]:
    if resource is None or name is None:
        return None
    hard = resource.getrlimit(name)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _unknown_zone(env: Mapping[str, str]) -> str:
    """Return TZ if it is meant as the name of a zone and no such file exists: it counts as UTC then."""
    name = env.get("TZ", "").lstrip(":")
    if not name or any(char.isdigit() or char in "<,+-" for char in name.partition("/")[0]):
        return ""  # a rule like CET-1CEST
    places = [Path(place) for place in (env.get("TZDIR"), *ZONES) if place and os.path.isdir(place)]
    if not places or any((place / name).is_file() for place in places):
        return ""
    return name


def _newest(path: Path) -> float:
    times = []
    for each in (path, state_path(path), history_path(path)):
        try:
            times.append(os.stat(each).st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def _disks(path: Path, config: Optional[Config]) -> Iterable[Disk]:
    places = {"config": os.path.dirname(os.path.realpath(path))}
    places["state"] = os.path.dirname(state_path(path))
    places["history"] = os.path.dirname(history_path(path))
    if config is not None and config.log_dir:
        places["logs"] = os.path.expanduser(config.log_dir)
    found: dict[object, Disk] = {}
    for use, place in places.items():
        there = _existing(place)
        try:
            key: object = (os.stat(there).st_dev, os.access(there, os.W_OK))
        except OSError:
            key = there
        known = found.get(key)
        found[key] = known._replace(uses=(*known.uses, use)) if known else _disk(there, use)
    return found.values()


def _existing(place: str) -> str:
    """Return the directory, or the nearest one above it that exists."""
    while place and not os.path.isdir(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    return place


def _disk(place: str, use: str) -> Disk:
    if not os.access(place, os.W_OK):
        return Disk(place, (use,), problem="can't be written to")
    if not hasattr(os, "statvfs"):
        import shutil

        return Disk(place, (use,), shutil.disk_usage(place).free)
    try:
        found = os.statvfs(place)
    except OSError as error:
        return Disk(place, (use,), problem=f"can't be examined ({error.strerror})")
    return Disk(
        place,
        (use,),
        found.f_bavail * found.f_frsize,
        found.f_favail if found.f_files else None,  # some file systems don't count them
        bool(found.f_flag & os.ST_RDONLY),
    )
