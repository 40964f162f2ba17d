"""Which lines of teamclaude a started program reaches: run at the start of each by lines.pth (merge.py).

`import coverage` takes five times as long as most of these programs, and the tests start 350.
"""

import atexit
import os
import sys
from time import monotonic_ns

_SOURCE = os.path.join(os.environ["LINES_SOURCE"], "")
_TOOL = 3
_seen = {}  # file -> its lines


def _begin(code, offset):
    if code.co_filename.startswith(_SOURCE):
        sys.monitoring.set_local_events(_TOOL, code, sys.monitoring.events.LINE)
    return sys.monitoring.DISABLE


def _reach(code, line):
    _seen.setdefault(code.co_filename, set()).add(line)
    return sys.monitoring.DISABLE


def _write():
    path = os.path.join(os.environ["LINES_TO"], f"{os.getpid()}-{monotonic_ns()}")
    with open(path, "w") as file:
        file.writelines(f"{name}\n{' '.join(map(str, lines))}\n" for name, lines in list(_seen.items()))


# Coverage measures itself; where lib64 is lib, site reads lines.pth twice.
if "coverage" not in sys.orig_argv and sys.monitoring.get_tool(_TOOL) is None:
    sys.monitoring.use_tool_id(_TOOL, "lines")
    sys.monitoring.register_callback(_TOOL, sys.monitoring.events.PY_START, _begin)
    sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, _reach)
    sys.monitoring.set_events(_TOOL, sys.monitoring.events.PY_START)
    atexit.register(_write)
