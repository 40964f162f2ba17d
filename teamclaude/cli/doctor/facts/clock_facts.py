"""What the API's clock says, asked only with --online: one HEAD without a credential."""

from __future__ import annotations

import email.utils
import http.client
import time
from typing import Optional

from .... import __version__
from ....accounts.config.config import Config
from ....dial.connector import Connector
from ....errors import TeamClaudeError
from ....proxy.http.origin import parse_origin
from ....values import NamedTuple
from ...own_proxy import drop_own_proxy
from ..subject import Subject

__all__ = ["ClockFacts", "clock_facts"]

TIMEOUT_S = 5.0


class ClockFacts(NamedTuple):
    """`offset_sec`: how far this clock is ahead of the API's; None if its answer has no date."""

    offset_sec: Optional[float] = None
    problem: str = ""


def clock_facts(subject: Subject, config: Config) -> ClockFacts:
    """Ask the API, by the way that a server would take; nothing is raised."""
    env = dict(subject.env)
    drop_own_proxy(env, config.proxy, subject.port or config.proxy.port)
    try:
        origin, prefix = parse_origin(config.upstream)
        connector = Connector(TIMEOUT_S, config.upstream_ca_file, config.proxy_address, env)
        sock = connector.open(origin.scheme, origin.host, origin.port)
    except TeamClaudeError as error:
        return ClockFacts(problem=str(error))
    sock.settimeout(TIMEOUT_S)
    connection = http.client.HTTPConnection(origin.authority)
    connection.sock = sock
    try:
        connection.request("HEAD", f"{prefix}/", headers={"User-Agent": f"teamclaude/{__version__} (doctor)"})
        date = connection.getresponse().getheader("Date")
    except (OSError, http.client.HTTPException) as error:
        what = str(error) or type(error).__name__
        return ClockFacts(problem=f"no answer from {origin.authority}: {what}")
    finally:
        connection.close()
    return ClockFacts(_offset(date, time.time()))


def _offset(date: Optional[str], now: float) -> Optional[float]:
    """Return the difference to a Date header, which has whole seconds."""
    try:
        moment = email.utils.parsedate_to_datetime(date or "")
        return now - moment.timestamp() - 0.5
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
