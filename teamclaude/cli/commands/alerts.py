"""The `alerts` command: list the alerts of the config file, and try them out."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any, Optional
from urllib.parse import urlsplit

from ...accounts.config.config import AlertConfig, Config
from ...errors import UsageError
from ..arguments import number
from ..terminal import json_text, shown
from ..user_config import read_config

NONE = "no alerts are set; how to: teamclaude help alerts"

SCHEMA = 1  # of the JSON


def alerts_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude alerts`."""
    parser.add_argument("test", nargs="?", choices=("test",), help="send a sample event through each alert")
    parser.add_argument("place", nargs="?", type=number(1, 10_000), metavar="N", help="only through the Nth")
    parser.add_argument("--json", action="store_true", help="the list as JSON")


def alerts(args: argparse.Namespace) -> int:
    """List the alerts of the config file, or try them out.

      teamclaude alerts           each with the time it fired last
      teamclaude alerts test      send a sample event through each, now
      teamclaude alerts test 2    through the second one

    A test needs no running server. It says per alert whether that worked; the
    exit status is 1 if one did not. How alerts are set: teamclaude help alerts
    """
    file, config = read_config()
    if args.test:
        return _test(config, None if args.place is None else int(args.place))
    from ...accounts.config.state_place import alert_state_path
    from ...alerts.alert_state import load_states

    states = load_states(alert_state_path(file.path))
    fired = [states[alert.when].fired_at if alert.when in states else None for alert in config.alerts]
    if args.json:
        rows = [_row(alert, at) for alert, at in zip(config.alerts, fired)]
        print(json_text(SCHEMA, {"alerts": rows}))
    elif not config.alerts:
        print(NONE)
    else:
        print("\n".join(_lines(config.alerts, fired)))
    return 0


def _row(alert: AlertConfig, at: Optional[float]) -> dict[str, Any]:
    to = {"run": alert.run[0]} if alert.run else {"host": urlsplit(alert.url or "").hostname}
    return {"when": alert.when, **to, "firedAt": None if at is None else round(at * 1000)}


def _lines(configured: Sequence[AlertConfig], fired: Sequence[Optional[float]]) -> list[str]:
    width = max(len(alert.when) for alert in configured)
    rows = [
        (
            f"{place:2}  {alert.when:{width}}  ",
            _receiver(alert),
            "never" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)),
        )
        for place, (alert, at) in enumerate(zip(configured, fired), 1)
    ]
    second = max(len(row[1]) for row in rows)
    return [f"{first}{shown(to):{second}}  last: {at}" for first, to, at in rows]


def _receiver(alert: AlertConfig) -> str:
    """Return the program, or the host alone: the rest of a URL is often a credential."""
    return f"run {alert.run[0]}" if alert.run else f"url {urlsplit(alert.url or '').hostname}"


def _test(config: Config, place: Optional[int]) -> int:
    if not config.alerts:
        raise UsageError(NONE)
    if place is not None and place > len(config.alerts):
        raise UsageError(f"there is no alert {place}; teamclaude alerts lists them")
    import socket
    import threading

    from ...accounts.config.alert_condition import parse_condition
    from ...alerts.delivery import Job, deliver
    from ...alerts.event import event_json
    from ...alerts.sample import sample_event

    failed = False
    for n, alert in enumerate(config.alerts, 1):
        if place in (None, n):
            event = sample_event(parse_condition(alert.when), time.time())
            payload = event_json(event, socket.gethostname(), test=True, topic=alert.topic).encode()
            problem = deliver(Job(n, alert, event.kind, payload, config), threading.Event())
            failed |= bool(problem)
            print(shown(f"{n:2}  {alert.when}: {f'failed: {problem}' if problem else 'ok'}"), flush=True)
    return 1 if failed else 0
