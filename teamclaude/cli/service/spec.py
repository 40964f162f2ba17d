"""What a service consists of: its command, its environment, its addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ...accounts.config.config import Config
from ...errors import UsageError
from ...own_program import own_command
from ...values import NamedTuple
from ..own_proxy import drop_own_proxy

__all__ = ["PASSED_ON", "ServiceSpec", "service_spec"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
LOOPBACK = ("127.0.0.1", "::1")
# What a shell sets and a service manager does not know.  No variable here is a secret, and a URL with a
# password is left out: upstreamProxy of the config file is the place for it.
PASSED_ON = (
    "CLAUDE_CONFIG_DIR",
    # With both the server finds its state where the commands do.
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
)
_PASSWORD = re.compile(r"://[^/\s]*@")


class ServiceSpec(NamedTuple):
    """A service.

    `addresses` are those that the service manager listens on; `log` is for one without a journal.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    addresses: tuple[tuple[str, int], ...]
    drain_sec: float
    log: Path
    left_out: tuple[str, ...] = ()  # variables with a password


def service_spec(name: str, config: Config, path: Path, log: Path, env: Mapping[str, str]) -> ServiceSpec:
    """Return the service of a config file, which need not exist yet.

    Raises UsageError when there can be none.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a service: letters, digits, - and _ only")
    if config.proxy.port == 0:
        raise UsageError(f"a service needs a port that stays: {path} has proxy.port 0")
    known = dict(env)
    drop_own_proxy(known, config.proxy, config.proxy.port)
    wanted = {key: known[key] for key in PASSED_ON if known.get(key)}
    left_out = tuple(key for key, value in wanted.items() if _PASSWORD.search(value))
    environment = {key: value for key, value in wanted.items() if key not in left_out}
    environment["TEAMCLAUDE_CONFIG"] = str(path)
    command = tuple(own_command("server", "--headless", "--wait-for-account"))
    for text in (*command, *environment.values()):
        if not text.isprintable():
            raise UsageError(
                f"{text!r} can't be written into a unit: it has control characters or is no UTF-8"
            )
    host = config.proxy.host
    hosts = LOOPBACK if host == "localhost" else (host.strip("[]"),)
    addresses = tuple((each, config.proxy.port) for each in hosts)
    return ServiceSpec(name, command, environment, addresses, config.drain_sec, log, left_out)
