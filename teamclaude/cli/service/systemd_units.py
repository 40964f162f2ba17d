"""The units for `systemd --user`: a socket, so that no connection is refused, and the service.  Pure.

Quoting is that of systemd.syntax(7) and systemd.service(5), "Command lines".
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...dial.authority import authority
from .spec import ServiceSpec

__all__ = ["unit_texts"]

BACKLOG = 1024  # as the server's own: connections that wait during a restart
STOP_SEC = 60  # after the drain: token refreshes, alerts, files
WATCHDOG_SEC = 120  # the server speaks every 30 s

SOCKET = """\
[Unit]
Description=Sockets of TeamClaude

[Socket]
{addresses}
BindIPv6Only=ipv6-only
# An address of a network that comes up later.
FreeBind=yes
Backlog={backlog}

[Install]
WantedBy=sockets.target
"""

SERVICE = """\
[Unit]
Description=TeamClaude, a proxy that serves Claude Code from several Claude accounts
Requires={name}.socket
After={name}.socket
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
# After a restart of its own (teamclaude restart) another process is the main one.
NotifyAccess=all
ExecStart={command}
ExecReload=kill -HUP $MAINPID
{environment}
Restart=on-failure
RestartSec=1
# A word it does not know: starting again does not help.
RestartPreventExitStatus=2
TimeoutStartSec=60
# drainSec, and what follows it. The server asks for more when the config file has changed.
TimeoutStopSec={stop}
WatchdogSec={watchdog}
# A program that an alert starts may be killed for its memory; the server goes on.
OOMPolicy=continue
SyslogIdentifier={name}
UMask=0077
# Programs that alerts or credentialCommand start have these limits, too. One that needs more (sudo, and op
# with its desktop app): systemctl --user edit {name}, and under [Service] the line that undoes it.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=default.target
Also={name}.socket
"""


def unit_texts(spec: ServiceSpec) -> dict[str, str]:
    """Return the texts of the units by the names of their files."""
    addresses = "\n".join(f"ListenStream={authority(host, port)}" for host, port in spec.addresses)
    service = SERVICE.format(
        name=spec.name,
        command=_command_line(spec.command),
        environment=_environment(spec.environment),
        stop=math.ceil(spec.drain_sec) + STOP_SEC,
        watchdog=WATCHDOG_SEC,
    )
    return {
        f"{spec.name}.socket": SOCKET.format(addresses=addresses, backlog=BACKLOG),
        f"{spec.name}.service": service,
    }


def _command_line(words: tuple[str, ...]) -> str:
    """Quote the words of a command.

    A `:` in front switches the substitution of variables off: in the program's own path `$$` would not stand
    for `$`.  A program's path may not have quotes and backslashes, however they are escaped: a shell runs it.
    """
    if set(words[0]) & set("\"'\\"):
        words = ("/bin/sh", "-c", 'exec "$0" "$@"', *words)
    prefix = ":" if any("$" in word for word in words) else ""
    return prefix + " ".join(_quoted(word) for word in words)


def _environment(variables: Mapping[str, str]) -> str:
    return "\n".join(f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(variables.items()))


def _quoted(word: str) -> str:
    """Return one word; `%` begins a specifier, backslash and quotes are escaped as in C."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    plain = escaped == word and not set(word) & set(" \t'\";#")
    return escaped if plain and word else f'"{escaped}"'
