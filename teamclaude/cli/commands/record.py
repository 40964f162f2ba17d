"""The `record` command: switch the recording of traffic on or off, or show its state."""

from __future__ import annotations

import argparse
import json
from typing import Any, Optional

from ..arguments import add_port_option
from ..terminal import note, plural


def record_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude record`."""
    parser.add_argument("what", choices=("on", "off", "status"), help="what to do")
    parser.add_argument("--json", action="store_true", help="the state as JSON")
    add_port_option(parser)


def record(args: argparse.Namespace) -> int:
    """Record the shape of your traffic for the lab.

    Recorded is when how many tokens were requested of which model family, never
    their text.

      teamclaude record on        start; it goes on after a restart
      teamclaude record off       stop; what was written stays
      teamclaude record status    whether it is on, where it is, how much there is

    What it contains and how to use it: teamclaude help record
    """
    state = _switched(None if args.what == "status" else args.what == "on", args.port)
    print(json.dumps(state, indent=2) if args.json else "\n".join(_lines(state)))
    return 0


def _switched(on: Optional[bool], port: Optional[int]) -> dict[str, Any]:
    """Switch recording in the running proxy, else in the config file; return the state afterwards."""
    from ...proxy.records.traffic_recorder import TrafficRecorder, trace_directory
    from ..proxy_client import ProxyClient, ProxyUnreachableError
    from ..user_config import read_config

    file, config = read_config()
    proxy = ProxyClient(config, file.path, port)
    try:
        found = (
            proxy.get("/teamclaude/record") if on is None else proxy.post("/teamclaude/record", {"on": on})
        )
        return dict(found)
    except ProxyUnreachableError:
        if on is not None:
            file.update(lambda raw: raw.__setitem__("record", on))
    recorder = TrafficRecorder(trace_directory(file.path), note, lambda: 0.0)
    return {**recorder.status(), "on": config.record if on is None else on, "running": False}


def _lines(state: dict[str, Any]) -> list[str]:
    """Return the state as lines of text."""
    on, running = bool(state.get("on")), bool(state.get("running", True))
    lines = ["recording is on" if on else "recording is off"]
    if on and not running:
        lines = ["recording is on, and begins when the server starts"]
    files, size = state.get("files") or 0, state.get("bytes") or 0
    if files:
        since = str(state.get("since"))
        lines.append(
            f"{plural(files, 'file')}, {size / 1e6:.1f} MB, "
            f"since {since[:4]}-{since[4:6]}-{since[6:8]}, in {state.get('directory')}"
        )
        lines.append("what one more account would have saved: teamclaude lab whatif")
    else:
        lines.append(f"nothing is recorded yet in {state.get('directory')}")
    return lines
