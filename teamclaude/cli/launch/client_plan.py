"""How one client is to be started: its files read, and all that was decided.  What is wrong is a finding."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ...accounts.config.config import Config
from ...errors import ConfigError, UsageError
from ...values import NamedTuple, dataclass
from ..claude_code.background_service import (
    BackgroundService,
    find_service,
    has_environment,
    session_settings,
)
from ..claude_code.environment import API_HOST, ClientTarget
from ..claude_code.login import is_logged_in
from ..claude_code.settings_files import SOURCES, Layer, SettingsError, layer_of, read_layers, settings_option
from ..claude_code.trusted_file import VARIABLE as TRUSTED
from ..claude_code.trusted_file import trusted_beside, trusted_file
from .claude_words import ClaudeWords, read_words
from .obstacles import obstacles
from .settings_option import settings_directory
from .wiring import Finding, Reach, Wiring, is_on, wire

__all__ = ["ClientPlan", "Wanted", "about_agents", "plan_client"]


class Wanted(NamedTuple):
    """What a command asks for: the proxy at `url` with `key`, of the config file `file`.

    Of a server elsewhere there is no config; `trust` is the file of its certificates, if it needs one.
    """

    config: Config
    file: Path
    url: str
    key: str
    account: Optional[str] = None
    first_party: bool = False
    is_elsewhere: bool = False
    trust: Optional[Path] = None
    write: bool = True  # files that the client is to trust are made if they are missing


@dataclass(frozen=True)
class ClientPlan:
    """One client; `theirs` are the settings that the user gives on the command line."""

    target: ClientTarget
    layers: list[Layer]
    logged_in: bool
    reach: Reach
    words: ClaudeWords
    theirs: dict[str, Any]
    wiring: Wiring
    findings: list[Finding]
    service: Optional[BackgroundService]


def plan_client(
    wanted: Wanted, env: Mapping[str, str], project: Path, words: Optional[Sequence[str]]
) -> ClientPlan:
    """Return the plan for `claude WORDS` in `project`, or for a shell's environment (`words` is None).

    Raise UsageError for a `--settings` of the user's that claude would refuse or ignore, ConfigError when
    first-party mode is wanted and can't be had.
    """
    read = read_words(words or ())
    reach = Reach.SHELL if words is None else Reach.PROCESS if read.place is None else Reach.SETTINGS
    theirs = _theirs(read, project)
    layers = read_layers(env, project, SOURCES if read.sources is None else read.sources)
    if read.settings is not None:
        first_managed = next((n for n, each in enumerate(layers) if each.is_managed), len(layers))
        layers.insert(first_managed, layer_of("flag", "--settings", theirs))
    seen = dict(env)
    for layer in layers:
        seen.update(layer.variables)
    # Measured: then neither version reads a login, and both take a token.
    is_bare = read.is_bare or is_on(seen.get("CLAUDE_CODE_SIMPLE", ""))
    logged_in = not is_bare and is_logged_in(seen)
    findings: list[Finding] = []
    trusting = {} if reach is Reach.SHELL else _without_project(layers)
    target = _target(wanted, {**env, **trusting}, findings)
    if reach is not Reach.SHELL:  # a shell goes to other directories
        target = target._replace(project=str(project))
    findings += _about_project_trust(target, layers, reach)
    wiring = wire(env, layers, target, logged_in, reach)
    findings += wiring.changes
    findings += obstacles(wiring.effective, layers, target, logged_in, reach)
    service = find_service(seen) if reach is Reach.SHELL else None
    if reach is Reach.PROCESS:
        findings += _about_session(read.words, seen, wanted.file)
    if service is not None and not has_environment(service, wiring.variables):
        findings.append(about_agents(service))
    return ClientPlan(target, layers, logged_in, reach, read, theirs, wiring, findings, service)


def about_agents(service: BackgroundService) -> Finding:
    """Return what to know about a supervisor with another environment than a client's."""
    return Finding(
        f"Claude Code's background service (pid {service.pid}) has an environment of its own: agents in the "
        "background would not use the proxy; start them with teamclaude run, or end it: "
        "claude daemon stop --any"
    )


def _without_project(layers: Sequence[Layer]) -> dict[str, str]:
    """Return the variables that count before the user trusts the directory."""
    return {
        name: text for layer in layers if not layer.is_of_project for name, text in layer.variables.items()
    }


def _about_project_trust(target: ClientTarget, layers: Sequence[Layer], reach: Reach) -> list[Finding]:
    """Say whose authorities are left out: a cloned repository must not add its own to what claude trusts."""
    if reach is not Reach.SETTINGS or not (target.ca_file or target.certificate):
        return []
    return [
        Finding(f"claude runs without {TRUSTED} of {layer.source}: set it in your own settings to trust it")
        for layer in layers
        if layer.is_of_project and layer.variables.get(TRUSTED)
    ]


def _about_session(words: Sequence[str], seen: Mapping[str, str], config: Path) -> list[Finding]:
    """Return what to know about the background session that `claude attach ID` opens, if anything."""
    if len(words) < 2 or words[0] not in ("attach", "respawn"):
        return []
    settings = session_settings(seen, words[1])
    if settings is None or Path(settings).parent == settings_directory(config):
        return []
    return [
        Finding(f"session {words[1]} was not started by teamclaude run, and keeps the way it was started")
    ]


def _theirs(words: ClaudeWords, project: Path) -> dict[str, Any]:
    try:
        return settings_option(words.settings or "", project)
    except SettingsError as error:
        raise UsageError(f"--settings: {error}; claude would not take it") from None


def _target(wanted: Wanted, seen: Mapping[str, str], findings: list[Finding]) -> ClientTarget:
    if wanted.first_party and not wanted.is_elsewhere:
        _check_first_party(wanted)
    target = ClientTarget(wanted.url, wanted.key, None, wanted.account)
    try:
        trusted = _trusted(wanted, seen)
    except ConfigError as error:
        findings.append(Finding(f"claude trusts only the proxy: {error}"))
        trusted = _trusted(wanted, {})
    if trusted is None:
        return target
    return target._replace(**{"ca_file" if wanted.first_party else "certificate": str(trusted)})


def _trusted(wanted: Wanted, seen: Mapping[str, str]) -> Optional[Path]:
    if wanted.is_elsewhere:
        return trusted_beside(wanted.trust, wanted.file, seen, wanted.write) if wanted.trust else None
    return trusted_file(wanted.config, wanted.file, wanted.first_party, seen, wanted.write)


def _check_first_party(wanted: Wanted) -> None:
    from ...proxy.connect.certificates import ensure_certificates, tls_directory  # loads ssl

    proxy = wanted.config.proxy
    if not proxy.forward:
        raise ConfigError(
            f'first-party mode is off: set "forward": true under "proxy" in {wanted.file} (no restart needed)'
        )
    if API_HOST not in proxy.forward_hosts:
        raise ConfigError(f"{wanted.file}: proxy.forwardHosts lacks {API_HOST}: claude would go past it")
    ensure_certificates(tls_directory(wanted.file), proxy.forward_hosts, time.time())
