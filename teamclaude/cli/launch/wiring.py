"""How a client is led to the proxy: its environment, its settings, and what stands in the way.  Pure.

Every variable has a place in one order (settings_files.py, rule 1).  `run` stands high in it: it takes the
environment's variables away, and its `--settings` beat every file but the managed ones; they also reach
background agents, whose supervisor has an environment of its own.  `env` stands lowest.

What would lead the client past the proxy is found in the end, in the variables that will count, so that no
way in is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from ...values import NamedTuple
from ..claude_code.environment import (
    API_HOST,
    API_URL,
    ClientTarget,
    client_environment,
    conflicting_variables,
    proxy_host,
)
from ..claude_code.proxy_variables import both_lists, excluding, http_proxy, is_excluded, strangely_excluded
from ..claude_code.server_urls import is_same_server
from ..claude_code.settings_files import Layer

__all__ = ["PROVIDERS", "Finding", "Reach", "Value", "Wiring", "is_on", "overlay", "wire"]

# Each sends the traffic elsewhere, whatever the base URL is (measured; the values are those of `is_on`).
PROVIDERS = (
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "CLAUDE_CODE_USE_MANTLE",
)
# Works with a base URL: the client's own mode for gateways.  Without one it has no meaning.
GATEWAY = "CLAUDE_CODE_USE_GATEWAY"
# Read from the environment only, and only by 2.1.332: all requests go to the socket.
SOCKET = "ANTHROPIC_UNIX_SOCKET"


class Reach(Enum):
    """What a command can change."""

    SETTINGS = "the environment, and settings above the user's files"
    PROCESS = "the environment alone: the client's command takes no settings"
    SHELL = "variables are added to the environment, none is taken away"


class Value(NamedTuple):
    """The text of a variable and where it was set: the path of a file, or empty for the environment."""

    text: str
    source: str = ""
    is_managed: bool = False


class Finding(NamedTuple):
    """One line for the user; `stops`: the client would not use the proxy as it should.

    `topic`: what it is about, in one word, for who sorts findings.
    """

    text: str
    stops: bool = False
    topic: str = ""


class Wiring(NamedTuple):
    """The result: `variables` are those to add, `environment` the whole one of the client's process.

    `settings` are to be merged over the user's own; `effective` is what counts for the client in the end.
    """

    variables: dict[str, str]
    environment: dict[str, str]
    settings: dict[str, Any]
    effective: dict[str, Value]
    changes: tuple[Finding, ...]  # what the client runs without


def wire(
    environment: Mapping[str, str],
    layers: Sequence[Layer],
    target: ClientTarget,
    logged_in: bool,
    reach: Reach,
) -> Wiring:
    """Return how the client is led to `target`; `layers` are its settings, the lowest first."""
    layers = [each for each in layers if each.scope != "remote" or target.ca_file]
    below = [each for each in layers if reach is Reach.SETTINGS and not each.is_managed]
    above = layers[len(below) :]
    seen = overlay(environment, below)
    texts = {name: value.text for name, value in seen.items()}
    variables = client_environment(target, texts, logged_in)
    if not target.ca_file:
        variables.update(_exclusions(environment, layers, texts, proxy_host(target)))
    unwanted = [*_unwanted(texts, target, logged_in)]
    settings = _settings(variables, texts, unwanted, below, target)
    if reach is Reach.SHELL:
        if target.ca_file and "ANTHROPIC_BASE_URL" in unwanted:
            variables["ANTHROPIC_BASE_URL"] = API_URL
        own = {**environment, **variables}
    else:
        own = {name: text for name, text in environment.items() if name not in unwanted}
        own.update(variables)
    ours = [Layer("flag", "--settings", settings["env"])] if reach is Reach.SETTINGS else []
    return Wiring(
        variables,
        own,
        settings if ours else {},
        overlay(own, [*below, *ours, *above]),
        tuple(_changes(seen, unwanted if reach is not Reach.SHELL else [], below, target, variables)),
    )


def _exclusions(
    environment: Mapping[str, str], layers: Sequence[Layer], texts: Mapping[str, str], host: str
) -> dict[str, str]:
    """Return the lists that exclude `host` from an HTTP proxy, also from one in a settings file."""
    everything = {name: value.text for name, value in overlay(environment, layers).items()}
    return excluding(texts, host) if http_proxy(everything) and not is_excluded(texts, host) else {}


def is_on(text: str) -> bool:
    """Return whether a switch of the client's is on (measured: `0`, `false` and other words are off)."""
    return text.strip().lower() in ("1", "true", "yes", "on")


def overlay(environment: Mapping[str, str], layers: Sequence[Layer]) -> dict[str, Value]:
    """Return what counts for a client: each variable with the place that sets it."""
    found = {name: Value(text) for name, text in environment.items()}
    for layer in layers:
        for name, text in layer.variables.items():
            found[name] = Value(text, layer.source, layer.is_managed)
    return found


def _unwanted(texts: Mapping[str, str], target: ClientTarget, logged_in: bool) -> Iterator[str]:
    """Yield the variables that must not reach the client."""
    for name in conflicting_variables(texts, logged_in, bool(target.ca_file)):
        if name != "ANTHROPIC_BASE_URL" or not is_same_server(texts[name], API_URL):
            yield name
    switches = (*PROVIDERS, GATEWAY) if target.ca_file else PROVIDERS
    yield from (name for name in switches if is_on(texts.get(name, "")))
    if texts.get(SOCKET):
        yield SOCKET


def _settings(
    variables: Mapping[str, str],
    texts: Mapping[str, str],
    unwanted: Sequence[str],
    below: Sequence[Layer],
    target: ClientTarget,
) -> dict[str, Any]:
    """Return the settings that say the same as the environment, and take back what the files say else."""
    in_files = {name for layer in below for name in layer.variables}
    env = {name: "0" if name.startswith("CLAUDE_CODE_USE") else "" for name in unwanted if name in in_files}
    # Always both lists: the supervisor of background agents may have others.
    if target.ca_file:
        env["ANTHROPIC_BASE_URL"] = API_URL
        env.update(both_lists({**texts, **variables}))
    else:
        env.update(excluding(texts, proxy_host(target)))
    env.update(variables)
    settings: dict[str, Any] = {"env": env}
    if any(layer.api_key_helper for layer in below):
        settings["apiKeyHelper"] = ""
    return settings


def _changes(
    seen: Mapping[str, Value],
    unwanted: Sequence[str],
    below: Sequence[Layer],
    target: ClientTarget,
    variables: Mapping[str, str],
) -> Iterator[Finding]:
    url = seen.get("ANTHROPIC_BASE_URL")
    if url and url.source and not target.ca_file and not is_same_server(url.text, target.url):
        yield Finding(
            f"claude runs without ANTHROPIC_BASE_URL of {url.source}: it uses the proxy", topic="base-url"
        )
    for name in unwanted:
        yield Finding(f"claude runs without {name}{_of(seen[name].source)}: {_reason(name)}")
    helper = next((layer for layer in reversed(below) if layer.api_key_helper), None)
    if helper is not None:
        yield Finding(f"claude runs without apiKeyHelper{_of(helper.source)}: {_reason('apiKeyHelper')}")
    if target.ca_file and "NO_PROXY" in variables:
        texts = {name: value.text for name, value in seen.items()}
        entries = " and ".join(strangely_excluded(texts, API_HOST, 443))
        yield Finding(f"claude runs without {entries} in NO_PROXY, which would lead it past the proxy")


def _of(source: str) -> str:
    return f" of {source}" if source else ""


def _reason(name: str) -> str:
    if name == "ANTHROPIC_BASE_URL":
        return "it keeps https://api.anthropic.com"
    return "the accounts of the proxy serve it"
