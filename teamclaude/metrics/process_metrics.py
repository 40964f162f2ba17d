"""What the operating system and the interpreter say of this process, by the names of the client libraries.

Sources: "Process metrics" in Prometheus' guidelines for client libraries; proc(5).  What a system does not
tell is left out.
"""

from __future__ import annotations

import gc
import os
import platform
import threading
from collections.abc import Sequence
from typing import Optional

from . import families as f
from .exposition import Collection

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["add_process"]


def add_process(to: Collection) -> None:
    """Add the samples of this process."""
    spent = os.times()
    to.add(f.PROCESS_CPU, spent.user + spent.system)
    to.add(f.PROCESS_FDS, _open_descriptors())
    to.add(f.PROCESS_MAX_FDS, _descriptor_limit())
    pages = _numbers("/proc/self/statm")
    if len(pages) > 1:
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        to.add(f.PROCESS_VIRTUAL, pages[0] * page_bytes)
        to.add(f.PROCESS_RESIDENT, pages[1] * page_bytes)
    to.add(f.PROCESS_START, _start_time())
    to.add(f.PROCESS_THREADS, threading.active_count())
    implementation = platform.python_implementation()
    to.add(f.PYTHON, 1, implementation, platform.python_version())
    if implementation == "CPython":  # PyPy's collector has no generations
        for generation, stats in enumerate(gc.get_stats()):
            to.add(f.GC_COLLECTIONS, stats["collections"], str(generation))
            to.add(f.GC_COLLECTED, stats["collected"], str(generation))
            to.add(f.GC_UNCOLLECTABLE, stats["uncollectable"], str(generation))


def _open_descriptors() -> Optional[int]:
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # without the one that lists them
    except OSError:
        return None


def _descriptor_limit() -> Optional[int]:
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _start_time() -> Optional[float]:
    """Return when this process started: ticks since the boot, and the time of that."""
    try:
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])  # the name may have spaces
        with open("/proc/stat") as file:
            booted = next(int(line.split()[1]) for line in file if line.startswith("btime "))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def _numbers(path: str) -> Sequence[int]:
    try:
        with open(path) as file:
            return [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        return []
