"""What `setup` changes: for one target and scope the files with their edits, and what to know about them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Optional
from urllib.parse import unquote

from ...accounts.config.config import Config
from ...errors import TeamClaudeError, UsageError
from ...proxy.connect.certificates import ensure_certificates, tls_directory
from ...values import dataclass
from ..claude_code.environment import API_URL, HEADERS, ClientTarget, client_environment, proxy_host
from ..claude_code.login import is_logged_in
from ..claude_code.proxy_variables import both_lists, excluding, http_proxy
from ..claude_code.server_urls import shown_url
from ..claude_code.settings_files import Layer, layer_of, parse_settings, read_layers
from ..claude_code.trusted_file import trusted_beside, trusted_file
from ..launch.obstacles import obstacles
from ..launch.wiring import Reach, Value, overlay
from ..settings_edit.edit_record import Edit
from ..settings_edit.edited_files import Change, EditedFiles
from ..settings_edit.json_edit import JsonTextError
from .edits import edits_for, names_of, require_strict, variables_in
from .files import SettingsFile, is_shared_by_git
from .report import readable_by_others

__all__ = ["FORWARD", "FilePlan", "Planner", "config_owner"]

LOWEST = ("global", "user", "project", "local")  # settings_files.py, rule 1
FORWARD = (Edit(("proxy", "forward"), True),)


def config_owner(target: str, file: Path) -> str:
    """Return the owner of the edit in our config file that the settings file `file` needs."""
    return f"{target} {file}"


@dataclass(frozen=True)
class FilePlan:
    """One settings file: its edits, what they change, and what the user should know."""

    place: SettingsFile
    edits: list[Edit]
    change: Change
    notes: list[str]

    @property
    def names(self) -> str:
        """The names of the variables that it sets, for a line of text."""
        return ", ".join(names_of(self.edits))


@dataclass(frozen=True)
class Planner:
    """Plans files for the proxy `target`; `env` and `project` are those of the command.

    `trust`: the file of certificates of a server elsewhere, if it needs one.
    """

    files: EditedFiles
    config_file: Path
    config: Config
    target: ClientTarget
    env: Mapping[str, str]
    project: Path
    trust: Optional[Path] = None

    def plan(self, kind: str, place: SettingsFile, first_party: bool, write: bool) -> FilePlan:
        """Return the plan of one file; `kind` is one of edits.TARGETS.

        With `write` and `first_party` the certificates are made if they are missing.  Raise TeamClaudeError
        for a file that can't be read, or that git would share with the key in it.
        """
        _refuse_shared(kind, place)
        layers = [
            each for each in read_layers(self.env, self.project) if first_party or each.scope != "remote"
        ]
        below = _below(layers, place) if kind == "claude" else []
        own = layer_of(place.scope, str(place.path), {"env": self._variables(kind, place.path)})
        existing = _texts(self.env, [*below, own])
        logged_in = is_logged_in(existing)
        # What a cloned repository says must not add authorities to those that the client trusts.
        trusting = _texts(self.env, [each for each in [*below, own] if not each.is_of_project])
        target = self._trusting(trusting, first_party, write)
        edits = edits_for(kind, _settings_for(target, existing, logged_in))
        change = self.files.preview(place.path, kind, edits)
        effective, layers = self._effective(kind, place, change, layers)
        found = obstacles(effective, layers, target, logged_in, Reach.SHELL)
        dropped = self._dropped(place, variables_in(kind, change.before), variables_in(kind, change.after))
        notes = [*(each.text for each in found), *dropped, *self._notes(place, existing, first_party)]
        return FilePlan(place, edits, change, notes)

    def _variables(self, kind: str, path: Path) -> dict[str, str]:
        """Return what the file sets without us."""
        data = self.files.preview_undo(path, kind).after
        try:
            if kind == "claude":
                require_strict(data)
            return variables_in(kind, data)
        except JsonTextError as error:
            raise TeamClaudeError(f"{path}: {error}; mend it first (nothing was changed)") from None

    def _trusting(self, existing: Mapping[str, str], first_party: bool, write: bool) -> ClientTarget:
        """Return the target with the file that its client must trust; it is made only with `write`."""
        if first_party and write:
            ensure_certificates(tls_directory(self.config_file), self.config.proxy.forward_hosts, time.time())
        if self.trust is not None:
            path: Optional[Path] = trusted_beside(self.trust, self.config_file, existing, write)
        else:
            path = trusted_file(self.config, self.config_file, first_party, existing, write)
        if path is None:
            return self.target
        return self.target._replace(**{"ca_file" if first_party else "certificate": str(path)})

    def _effective(
        self, kind: str, place: SettingsFile, change: Change, layers: Sequence[Layer]
    ) -> tuple[dict[str, Value], list[Layer]]:
        """Return what counts for a client after the change, and its settings, the lowest first."""
        if kind == "vscode":
            return overlay({**self.env, **variables_in(kind, change.after)}, layers), [*layers]
        after = layer_of(place.scope, str(place.path), parse_settings(change.after or b""))
        below = _below(layers, place)
        above = [each for each in layers[len(below) :] if each.source != after.source]
        layers = [*below, after, *above]
        return overlay(self.env, layers), layers

    @staticmethod
    def _dropped(place: SettingsFile, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
        """Yield what an earlier `setup` was told with an option, and this one is not."""
        if "//teamclaude:" in before.get("HTTPS_PROXY", "") and "//teamclaude:" not in after.get(
            "HTTPS_PROXY", ""
        ):
            yield f"{place.path} leaves first-party mode; to keep it, add --first-party"
        pin = _account_of(before)
        if pin and not _account_of(after):
            yield f"{place.path} asks for account {pin} no more; to keep that, add --account {pin}"

    def _notes(self, place: SettingsFile, existing: Mapping[str, str], first_party: bool) -> Iterator[str]:
        name = http_proxy(existing)
        if first_party and name and not self.config.upstream_proxy and "teamclaude:" not in existing[name]:
            was = f"{name} was {shown_url(existing[name])}"
            yield f"{was}: to go on through it, set upstreamProxy in {self.config_file}"
        real = Path(os.path.realpath(place.path))  # a link may lead into a repository of dotfiles
        if place.scope != "project" and is_shared_by_git(real):
            yield f"{real} will hold the proxy's key and is not ignored by git; ignore it"
        if readable_by_others(place.path):
            yield f"other users can read {place.path}, and then the proxy's key; chmod 600 {place.path}"


def _account_of(variables: Mapping[str, str]) -> str:
    """Return the account that the headers of ours ask for."""
    found = re.search(r"^x-teamclaude-account: (.*)$", variables.get(HEADERS, ""), re.MULTILINE)
    return unquote(found[1]) if found else ""


def _refuse_shared(kind: str, place: SettingsFile) -> None:
    if place.scope == "project" and is_shared_by_git(place.path):
        other = "local" if kind == "claude" else "user"
        raise UsageError(
            f"{place.path} is shared by git and would hold the proxy's key: "
            f"use --scope {other}, or have git ignore it"
        )


def _texts(env: Mapping[str, str], layers: Sequence[Layer]) -> dict[str, str]:
    return {name: value.text for name, value in overlay(env, layers).items()}


def _below(layers: Sequence[Layer], place: SettingsFile) -> list[Layer]:
    """Return the layers that a settings file of Claude Code beats."""
    scopes = LOWEST[: LOWEST.index(place.scope)]
    return [each for each in layers if each.scope in scopes]


def _settings_for(target: ClientTarget, existing: Mapping[str, str], logged_in: bool) -> dict[str, str]:
    """Return the variables of a settings file, which also hold in shells with other proxies than this one."""
    variables = client_environment(target, existing, logged_in)
    if target.ca_file:
        variables["ANTHROPIC_BASE_URL"] = API_URL
        variables.update(both_lists({**existing, **variables}))
    else:
        variables.update(excluding(existing, proxy_host(target)))
    return variables


def undo_places(files: EditedFiles, kind: str, only: Optional[list[Path]]) -> list[Path]:
    """Return the files with edits of `kind`; `only`: no others."""
    wanted = None if only is None else {os.path.realpath(path) for path in only}
    return [file for file in files.files_of(kind) if wanted is None or os.path.realpath(file) in wanted]
