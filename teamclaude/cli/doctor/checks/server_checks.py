"""Findings about the server that should answer.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....dial.authority import authority
from ....proxy.lifecycle.who_answers import Answerer, Presence
from ....proxy.records.wait_texts import duration_text, outage_text
from ...terminal import plural
from ..finding import RESTART, Action, Finding, Fix, Group, Kind, Level

if TYPE_CHECKING:
    from ....snapshot import Snapshot
    from ..facts.python_facts import ProgramFacts
    from ..facts.server_facts import ServerFacts

__all__ = ["check_server"]

DOWN = Kind("server.down", Level.WARNING, "Clients that are led to it wait for minutes, and then fail.")
ANY_PORT = Kind("server.any-port", Level.NOTE, "Commands can't know where it listens.")
OTHER_PROGRAM = Kind("server.other-program", Level.ERROR, "Clients send their prompts and keys there.")
OTHER_USER = Kind("server.other-user", Level.ERROR, "Clients send their prompts and keys to somebody else.")
SILENT = Kind("server.silent", Level.ERROR, "Clients wait for it without end.")
HALF = Kind("server.half", Level.WARNING, 'Which address "localhost" means is up to each client.')
REFUSED = Kind("server.refuses-key", Level.ERROR, "It was started with another config file, or another key.")
UNCLEAR = Kind("server.unclear", Level.WARNING, "What it does can't be told.")
VERSION = Kind("server.version", Level.WARNING, "What you changed or read about is not what runs.")
OUTDATED = Kind("server.outdated", Level.WARNING, "The files of the program were changed since it started.")
SEVERAL = Kind("server.several", Level.WARNING, "Each overwrites what the other has observed.")
NAMES = Kind("server.names", Level.ERROR, "A server refuses to start with it.")
NOT_ALLOWED = Kind("server.host-not-allowed", Level.WARNING, "Requests without the key get a 421 there.")
PLAIN = Kind("server.plain-http", Level.NOTE, "Keys and prompts can be read on the network.")
DRAINING = Kind("server.draining", Level.NOTE, "It takes no new requests and will end.")
API = Kind("server.api-unreachable", Level.ERROR, "Its requests fail, whatever the accounts have left.")
OWN_WAY = Kind("server.account-unreachable", Level.WARNING, "Its requests go to other accounts.")
FEW_FILES = Kind("server.open-files", Level.WARNING, "Beyond that, connections are refused with 503.")

STARTED_EARLIER_SEC = 5.0  # clocks of files and of processes differ by less


def check_server(facts: ServerFacts, program: ProgramFacts, wanted_files: int = 0) -> Group:
    """Return what is wrong; `wanted_files`: the descriptors that all connections would need."""
    if not facts.port:
        what = "proxy.port is 0: the server takes any free port"
        return Group("server", facts.url, [ANY_PORT.found(what, "name its port: teamclaude doctor --port N")])
    found = [*_presence(facts), *_names(facts)]
    if facts.is_up:
        found += [*_state(facts, program), *_limits(facts, wanted_files)]
    return Group("server", _summary(facts), found)


def _summary(facts: ServerFacts) -> str:
    status = facts.status
    if status is None:
        return facts.url
    live = _serving(status)
    return f"{facts.url}, {status.system.version}, {live} of {len(status.accounts)} accounts can serve"


def _presence(facts: ServerFacts) -> Iterator[Finding]:
    for host, answer in facts.answers:
        if answer.kind is Presence.OTHER:
            yield _other(authority(host, facts.port), answer)
        elif answer.kind is Presence.SILENT:
            where = authority(host, facts.port)
            yield SILENT.found(
                f"{where} accepts connections and gives no answer", "restart what listens there"
            )
    if not facts.is_up and all(_is_free(answer) for _, answer in facts.answers):
        yield DOWN.found(f"no server answers at {facts.url}", "teamclaude server")
    here = [host for host, answer in facts.answers if answer.kind is Presence.TEAMCLAUDE]
    away = [host for host, answer in facts.answers if answer.kind is Presence.NOBODY]
    if here and away and not facts.has_own_host:
        yield HALF.found(
            f"the server answers at {' and '.join(here)}, not at {' and '.join(away)}",
            f"{RESTART}: it listens on both when both are there at its start",
        )


def _names(facts: ServerFacts) -> Iterator[Finding]:
    if facts.others:
        text = f"{len(facts.others)} servers run with this config file: {'; '.join(facts.others)}"
        yield SEVERAL.found(text, "stop one, or give it a config file and logins of its own")
    if facts.bad_names:
        yield NAMES.found(facts.bad_names, "mend it in the config file (teamclaude help config)")
    if facts.is_plain:
        yield PLAIN.found("other machines reach it without TLS", "set proxy.tls (teamclaude help security)")
    for each in facts.named:
        if not each.is_accepted:
            yield NOT_ALLOWED.found(
                f"{each.source} names this server {each.host}, which is not in proxy.allowedHosts",
                f'add "{each.host}" to proxy.allowedHosts in the config file',
            )


def _is_free(answer: Answerer) -> bool:
    return answer.kind in (Presence.NOBODY, Presence.UNREACHABLE)


def _other(where: str, answer: Answerer) -> Finding:
    mend = "set another proxy.port in the config file, or end that program"
    if answer.uid is not None:
        return OTHER_USER.found(f"a program of another user (uid {answer.uid}) listens at {where}", mend)
    return OTHER_PROGRAM.found(f"another program answers at {where}, not teamclaude", mend)


def _state(facts: ServerFacts, program: ProgramFacts) -> Iterator[Finding]:
    status = facts.status
    if status is None:
        if facts.is_refused:
            yield REFUSED.found(facts.refusal, "end that server, or use its config file: TEAMCLAUDE_CONFIG")
        else:
            yield UNCLEAR.found(facts.refusal or "the server gave no status", RESTART)
        return
    if status.system.version != program.version:
        yield VERSION.found(
            f"version {status.system.version} runs, these files are {program.version}",
            RESTART,
            _restart(facts),
        )
    elif _is_outdated(facts, program):
        yield OUTDATED.found("the server runs older files than these", RESTART, _restart(facts))
    yield from _outages(status)
    if status.system.draining:
        yield DRAINING.found(
            "the server is being shut down", "wait until it has ended, then: teamclaude server"
        )


def _serving(status: Snapshot) -> int:
    """Return how many accounts would serve a request: usable, and their API can be reached."""
    cut = {name for outage in status.outages for name in outage.accounts}
    return sum(account.usable and account.name not in cut for account in status.accounts)


def _outages(status: Snapshot) -> Iterator[Finding]:
    kind = OWN_WAY if _serving(status) else API
    for outage in status.outages:
        ago = duration_text(max(0.0, status.at - outage.last_at))
        yield kind.found(
            f"{outage_text(outage, status.at)}; {plural(outage.failed, 'request')} got no connection, "
            f"the last {ago} ago (accounts: {', '.join(outage.accounts)})",
            "ask it now: teamclaude doctor --online; the next request that is answered clears this",
        )


def _is_outdated(facts: ServerFacts, program: ProgramFacts) -> bool:
    started = facts.started_at
    return started is not None and 0 < started < program.changed_at - STARTED_EARLIER_SEC


def _restart(facts: ServerFacts) -> Fix:
    return Fix(f"teamclaude {' '.join(facts.restart)}", Action("run", words=facts.restart))


def _limits(facts: ServerFacts, wanted: int) -> Iterator[Finding]:
    if facts.open_files is not None and facts.open_files < wanted:
        yield FEW_FILES.found(
            f"the server may open {facts.open_files} files, and proxy.maxConnections may need {wanted}",
            "raise the hard limit (ulimit -Hn; of a service: LimitNOFILE), or lower proxy.maxConnections",
        )
