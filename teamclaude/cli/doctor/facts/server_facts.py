"""The server that the config file describes: who answers at its addresses, and what it says of itself."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Optional
from urllib.parse import urlsplit

from ....accounts.config.config import Config
from ....dial.no_proxy import address_of
from ....errors import ConfigError, TeamClaudeError
from ....proxy.lifecycle.server_presence import other_servers, presence_directory
from ....proxy.lifecycle.who_answers import Answerer, Presence, unverified_context, who_answers
from ....proxy.messages.access import AccessPolicy
from ....values import NamedTuple
from ...claude_code.settings_files import base_urls_in_settings
from ...proxy_client import ProxyClient, ProxyRefusedError
from ...user_config import server_host
from ..subject import Subject

if TYPE_CHECKING:
    from ....snapshot import Snapshot

__all__ = ["NamedUrl", "ServerFacts", "server_facts"]

LOOPBACK = ("127.0.0.1", "::1")
TIMEOUT_S = 1.0
MAX_ADDRESSES = 4  # of a host name


class NamedUrl(NamedTuple):
    """A URL of this server in a variable or settings file; `is_accepted`: a request may name its host."""

    source: str
    url: str
    host: str
    is_accepted: bool = True


class ServerFacts(NamedTuple):
    """Who answers, by address; `status` is what our server says, `refusal` its line if it says no.

    `started_at`: epoch seconds; `port`: 0 when any free one is taken; `open_files`: what the system allows
    the server's process; `others`: servers with the same config file, if there are several; `named`: how
    clients name this server; `is_plain`: other machines reach it, without TLS; `bad_names`: what is wrong
    with proxy.host or proxy.allowedHosts; `has_own_host`: it was started with --host.
    """

    url: str
    port: int
    answers: tuple[tuple[str, Answerer], ...] = ()
    status: Optional[Snapshot] = None
    refusal: str = ""
    is_refused: bool = False
    started_at: Optional[float] = None
    open_files: Optional[int] = None
    others: tuple[str, ...] = ()
    named: tuple[NamedUrl, ...] = ()
    bad_names: str = ""
    is_plain: bool = False
    has_own_host: bool = False
    restart: tuple[str, ...] = ("restart",)  # the command of ours that starts it anew

    @property
    def is_up(self) -> bool:
        """Whether a TeamClaude answers."""
        return any(answer.kind is Presence.TEAMCLAUDE for _, answer in self.answers)


def server_facts(subject: Subject, config: Config) -> ServerFacts:
    """Ask the server, if there is one; takes about a second for each address that stays silent."""
    port = subject.port or config.proxy.port
    running = other_servers(presence_directory(subject.path), tidy=False)
    others = tuple(str(each) for each in running if not each.ending)
    facts = ServerFacts(subject.url, port, others=others if len(others) > 1 else ())
    if subject.port:
        facts = facts._replace(restart=("restart", "--port", str(subject.port)))
    facts = _with_names(facts, subject, config)
    if config.proxy.tls is None and not subject.is_local:
        facts = facts._replace(is_plain=True)
    if not port:
        return facts
    tls = None if config.proxy.tls is None else unverified_context()
    answers = tuple((host, who_answers(host, port, tls, TIMEOUT_S)) for host in _addresses(config))
    facts = facts._replace(answers=answers)
    return _with_status(facts, subject, config) if facts.is_up else facts


def _with_status(facts: ServerFacts, subject: Subject, config: Config) -> ServerFacts:
    from ....snapshot import Snapshot  # takes 25 ms to load

    try:
        answer = ProxyClient(config, subject.path, subject.port, TIMEOUT_S).get("/teamclaude/status")
        status = Snapshot.from_json(answer)
    except TeamClaudeError as error:
        return facts._replace(refusal=str(error), is_refused=isinstance(error, ProxyRefusedError))
    system = status.system
    uptime = system.proxy_uptime_sec
    started = None if uptime is None else subject.now - uptime
    return facts._replace(
        status=status,
        started_at=started,
        open_files=_open_files(system.pid),
        has_own_host=_has_own_host(system.pid),
    )


def _with_names(facts: ServerFacts, subject: Subject, config: Config) -> ServerFacts:
    """Add how clients name the server: a name of this machine, with the server's port."""
    try:
        policy = AccessPolicy(config.proxy)
    except ConfigError as error:
        return facts._replace(bad_names=str(error))
    sources = [(name, subject.env.get(name, "")) for name in ("TEAMCLAUDE_URL", "ANTHROPIC_BASE_URL")]
    found = base_urls_in_settings(subject.env, subject.project)
    named = []
    for source, url in [*sources, *((str(each.file), each.url) for each in found)]:
        host = _host_at(url, facts.port)
        if host and _is_of_this_machine(host):
            named.append(NamedUrl(source, url, host, policy.accepts_name(host)))
    return facts._replace(named=tuple(named))


def _host_at(url: str, port: int) -> str:
    """Return the host that a URL names if its port is ours; empty for an IP address, and for `localhost`."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_ours = parts.port == port
    except ValueError:
        return ""
    return host if is_ours and host != "localhost" and address_of(host) is None else ""


def _is_of_this_machine(host: str) -> bool:
    """Return whether the name leads here; it is looked up, as every client does."""
    try:
        rows = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    for family, kind, _, _, address in rows[:MAX_ADDRESSES]:
        try:
            with socket.socket(family, kind) as sock:
                sock.bind(address)  # only an address of this machine can be bound
            return True
        except OSError:
            continue
    return False


def _addresses(config: Config) -> tuple[str, ...]:
    host = server_host(config.proxy).strip("[]")
    if host == "localhost":
        return LOOPBACK
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return (host,)
    return tuple(dict.fromkeys(str(row[4][0]) for row in found))[:MAX_ADDRESSES]


def _open_files(pid: Optional[int]) -> Optional[int]:
    """Return the process's limit of open files, None if that can't be told; it may be in a container."""
    try:
        with open(f"/proc/{pid}/limits", encoding="ascii", errors="replace") as file:
            line = next(line for line in file if line.startswith("Max open files"))
        return int(line.split()[3])
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _has_own_host(pid: Optional[int]) -> bool:
    """Return whether the words of the process's start name a host; False if they can't be read."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(65536).split(b"\0")
    except OSError:
        return False
    return any(word.partition(b"=")[0] == b"--host" for word in words)
