"""The `record` command: switch the recording of traffic on or off, or show its state."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Optional

from ...errors import TeamClaudeError
from ..remote.chosen import add_proxy_arguments, named_proxy
from ..terminal import json_text, note, plural, shown

if TYPE_CHECKING:
    from ..proxy_client import ProxyClient

SCHEMA = 1  # of the JSON


def record_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude record`."""
    parser.add_argument("what", choices=("on", "off", "status"), help="what to do")
    parser.add_argument("--json", action="store_true", help="the state as JSON")
    add_proxy_arguments(parser)


def record(args: argparse.Namespace) -> int:
    """Record the shape of your traffic for the lab.

    Recorded is when how many tokens were requested of which model family, never
    their text.

      teamclaude record on        start; it goes on after a restart
      teamclaude record off       stop; what was written stays
      teamclaude record status    whether it is on, where it is, how much there is

    What it contains and how to use it: teamclaude help record
    """
    on = None if args.what == "status" else args.what == "on"
    remote = named_proxy(args)
    state = _switched(on, args.port) if remote is None else _asked(remote, on)
    print(json_text(SCHEMA, state) if args.json else "\n".join(_lines(state)))
    return 0


def _switched(on: Optional[bool], port: Optional[int]) -> dict[str, Any]:
    """Switch recording in the running proxy, else in the config file; return the state afterwards."""
    from ...proxy.records.traffic_recorder import TrafficRecorder, trace_directory
    from ..proxy_client import ProxyClient, ProxyUnreachableError
    from ..user_config import read_config

    file, config = read_config(or_url=True)
    proxy = ProxyClient(config, file.path, port)
    try:
        return _asked(proxy, on)
    except ProxyUnreachableError:
        if on is not None:
            file.update(lambda raw: raw.__setitem__("record", on))
    recorder = TrafficRecorder(trace_directory(file.path), note, lambda: 0.0)
    return {**recorder.status(), "on": config.record if on is None else on, "running": False}


def _asked(proxy: ProxyClient, on: Optional[bool]) -> dict[str, Any]:
    """Switch recording in a running server, or only ask for its state."""
    path = "/teamclaude/record"
    found = proxy.get(path) if on is None else proxy.post(path, {"on": on})
    if not isinstance(found, dict):
        raise TeamClaudeError(f"the answer of {proxy.url} can't be read: is it another version?")
    return found


def _lines(state: dict[str, Any]) -> list[str]:
    """Return the state as lines of text."""
    on, running = bool(state.get("on")), bool(state.get("running", True))
    lines = ["recording is on" if on else "recording is off"]
    if on and not running:
        lines = ["recording is on, and begins when the server starts"]
    files, size = _count(state.get("files")), _count(state.get("bytes"))
    directory = shown(str(state.get("directory")))
    if files:
        since = shown(str(state.get("since")))
        lines.append(
            f"{plural(files, 'file')}, {size / 1e6:.1f} MB, "
            f"since {since[:4]}-{since[4:6]}-{since[6:8]}, in {directory}"
        )
        lines.append("what one more account would have saved: teamclaude lab whatif")
    else:
        lines.append(f"nothing is recorded yet in {directory}")
    return lines


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 60 else 0
