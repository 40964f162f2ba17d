"""Findings about Claude Code: which one it is, and whether it comes to the proxy.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional
from urllib.parse import urlsplit

from ....dial.no_proxy import is_loopback
from ...claude_code.background_service import has_environment
from ...claude_code.environment import API_URL, client_environment
from ...claude_code.server_urls import is_same_server, shown_url
from ...launch.client_plan import about_agents
from ...launch.obstacles import obstacles
from ...launch.wiring import PROVIDERS, Reach, is_on
from ...launch.wiring import Finding as Remark
from ..finding import Action, Finding, Fix, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.client_facts import ClientFacts, VerifiedVersions

__all__ = ["check_client"]

MISSING = Kind("claude.missing", Level.WARNING, "It is what teamclaude run starts.")
NO_VERSION = Kind("claude.version-unknown", Level.WARNING, "What it does with its settings depends on it.")
OLD = Kind("claude.version-old", Level.WARNING, "It was never tried; how it is led here may not work.")
NEWER = Kind("claude.version-untried", Level.NOTE, "What was measured of other versions may not hold for it.")
BLOCKED = Kind(
    "claude.run-blocked", Level.ERROR, "It would not use the pool, so teamclaude run starts nothing."
)
CHANGED = Kind("claude.run-changes", Level.NOTE, "The client that teamclaude run starts does without it.")
DIRECT = Kind("claude.direct", Level.NOTE, "What it uses is not served by the pool, and not counted.")
SETTINGS = Kind("claude.settings-broken", Level.WARNING, "Nothing in such a file has an effect.")
BASE_URL = Kind("claude.base-url", Level.WARNING, "Prompts and keys go to another server than this one.")
PROVIDER = Kind("claude.provider", Level.WARNING, "Another provider serves and bills it.")
HTTP_PROXY = Kind("claude.http-proxy", Level.WARNING, "Prompts and the proxy's key reach another program.")
TRUST = Kind("claude.trust", Level.WARNING, "It refuses the proxy's certificate.")
HEADERS = Kind("claude.headers", Level.WARNING, "The proxy refuses it, or serves it from another account.")
CREDENTIAL = Kind(
    "claude.credential", Level.WARNING, "It behaves as another client: other caches, other limits."
)
AGENTS = Kind("claude.background", Level.WARNING, "Its agents keep the environment that it was started with.")
NOT_LED = Kind("claude.setup-overridden", Level.WARNING, "What setup has written has no effect here.")

_BY_TOPIC = {
    "settings": SETTINGS,
    "base-url": BASE_URL,
    "provider": PROVIDER,
    "http-proxy": HTTP_PROXY,
    "trust": TRUST,
    "headers": HEADERS,
    "credential": CREDENTIAL,
}
_LEAD = "teamclaude run, or once for all: teamclaude setup claude --write"


def check_client(facts: ClientFacts, shown_program: str) -> Group:
    """Return what is wrong; `shown_program` is the path of `claude` for a person."""
    found = [*_program(facts)]
    if facts.problem:
        found.append(BLOCKED.found(facts.problem))
    if facts.target is not None:
        found += _of_run(facts.remarks)
        found += _of_plain(facts)
        found += _agents(facts)
    return Group("claude", _summary(facts, shown_program), found)


def _summary(facts: ClientFacts, shown_program: str) -> str:
    parts = [f"{facts.program.version or 'no version'}, {shown_program}"] if facts.program.path else []
    if facts.target is not None:
        parts.append("logged in" if facts.logged_in else "not logged in")
        parts.append("led here also without run" if _is_led(facts) else "led here by teamclaude run")
    return ", ".join(parts)


# --- the program -----------------------------------------------------------------------------------------


def _program(facts: ClientFacts) -> Iterator[Finding]:
    program, verified = facts.program, facts.verified
    if not program.path:
        yield MISSING.found(
            "claude is not on the PATH", "npm install -g @anthropic-ai/claude-code (or its own installer)"
        )
    elif not program.version:
        yield NO_VERSION.found(f"the version of {program.path} is not known: {program.problem}")
    elif _number(program.version) < _number(verified.oldest):
        yield OLD.found(
            f"claude {program.version} is older than {verified.oldest}, the oldest that was tried",
            "claude update",
        )
    elif program.version not in verified.versions:
        yield NEWER.found(
            f"claude {program.version} was not tried; {_versions(verified)} were",
            "teamclaude run --check proves the way by one request",
        )


def _versions(verified: VerifiedVersions) -> str:
    return " and ".join(verified.versions)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:3])


# --- how it is led -----------------------------------------------------------------------------------------


def _of_run(remarks: tuple[Remark, ...]) -> Iterator[Finding]:
    for remark in remarks:
        if remark.stops:
            yield BLOCKED.found(*_parts(remark.text))
        elif remark.topic == "settings":
            yield SETTINGS.found(remark.text, "mend the file: JSON has no comments and no comma at an end")
        elif remark.text.startswith("claude runs without"):
            yield CHANGED.found(remark.text)


def _of_plain(facts: ClientFacts) -> Iterator[Finding]:
    """Yield what is wrong with a client that is started without `run`, if it is meant to come here."""
    if not _is_led(facts):
        yield from _elsewhere(facts)
        return
    assert facts.target is not None
    layers = [layer for layer in facts.settings if not layer.problem]
    for remark in obstacles(facts.effective, layers, facts.target, facts.logged_in, Reach.PROCESS):
        if remark.topic in _BY_TOPIC:
            fix = _setup_again(facts, remark.topic)
            yield _BY_TOPIC[remark.topic].found(*_parts(remark.text), fix)


def _parts(line: str) -> tuple[str, str]:
    """Return what a line says, and what to do about it: the part behind its last semicolon."""
    text, _, mend = line.rpartition("; ")
    return (text, mend) if text else (line, "")


def _setup_again(facts: ClientFacts, topic: str) -> Optional[Fix]:
    if not facts.written or topic not in ("base-url", "trust", "headers"):
        return None
    words = ("setup", "claude", "--write")
    return Fix(f"teamclaude {' '.join(words)}", Action("run", words=words))


def _is_led(facts: ClientFacts) -> bool:
    """Return whether the client's variables lead to this proxy, or seem to be meant to."""
    if facts.target is None:
        return False
    url = _text(facts, "ANTHROPIC_BASE_URL")
    if url and not is_same_server(url, API_URL):
        return is_same_server(url, facts.target.url)
    ours = client_environment(facts.target._replace(ca_file="x"), {}, facts.logged_in)["HTTPS_PROXY"]
    return ours in (_text(facts, "https_proxy"), _text(facts, "HTTPS_PROXY"))


def _elsewhere(facts: ClientFacts) -> Iterator[Finding]:
    url = _text(facts, "ANTHROPIC_BASE_URL")
    source = facts.effective["ANTHROPIC_BASE_URL"].source if url else ""
    provider = next((name for name in PROVIDERS if is_on(_text(facts, name))), None)
    where = f"{source or 'the environment'} sets ANTHROPIC_BASE_URL to {shown_url(url)}"
    if url and _is_of_this_machine(url) and facts.target is not None:
        mend = f"set it to {facts.target.url}, remove it, or use: teamclaude run"
        yield BASE_URL.found(f"{where}: no server of this config file", mend, _setup_again(facts, "base-url"))
    elif facts.written:
        reason = f"{provider} is on" if provider else where if url else "nothing here leads it to the proxy"
        yield NOT_LED.found(f"setup has changed {facts.written[0]}, but {reason}", _LEAD)
    elif provider is not None:
        yield DIRECT.found(f"claude without teamclaude run uses another provider ({provider})", _LEAD)
    else:
        to = shown_url(url) if url else API_URL
        yield DIRECT.found(f"claude without teamclaude run goes to {to}", _LEAD)


def _is_of_this_machine(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or is_loopback(host)


def _agents(facts: ClientFacts) -> Iterator[Finding]:
    service = facts.service
    if service is None or facts.target is None:
        return
    texts = {name: value.text for name, value in facts.effective.items()}
    wanted = texts if _is_led(facts) else client_environment(facts.target, texts, facts.logged_in)
    if not has_environment(service, wanted):
        yield AGENTS.found(*_parts(about_agents(service).text))


def _text(facts: ClientFacts, name: str) -> str:
    value = facts.effective.get(name)
    return value.text if value else ""
