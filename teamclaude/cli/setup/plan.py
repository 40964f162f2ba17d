"""What `setup` changes: for one target and scope the files with their edits, and what to know about them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ...accounts.config.config import Config
from ...errors import TeamClaudeError, UsageError
from ...proxy.connect.certificates import ensure_certificates, tls_directory
from ..claude_code.edit_record import Edit
from ..claude_code.edited_files import Change, EditedFiles
from ..claude_code.environment import ClientTarget, client_environment, conflicting_variables
from ..claude_code.json_edit import JsonTextError
from ..claude_code.settings_files import base_urls_in_settings
from ..claude_code.trusted_file import trusted_file
from .edits import edits_for, names_of, require_strict, variables_in
from .files import SettingsFile, is_shared_by_git
from .report import readable_by_others

__all__ = ["FORWARD", "FilePlan", "Planner", "config_owner"]

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
    """Plans files for the proxy `target`; `env` and `project` are those of the command."""

    files: EditedFiles
    config_file: Path
    config: Config
    target: ClientTarget
    env: Mapping[str, str]
    project: Path
    logged_in: bool

    def plan(self, kind: str, place: SettingsFile, first_party: bool, write: bool) -> FilePlan:
        """Return the plan of one file; `kind` is one of edits.TARGETS.

        With `write` and `first_party` the certificates are made if they are missing.  Raise TeamClaudeError
        for a file that can't be read, or that git would share with the key in it.
        """
        if place.scope == "project" and is_shared_by_git(place.path):
            other = "local" if kind == "claude" else "user"
            raise UsageError(
                f"{place.path} is shared by git and would hold the proxy's key: "
                f"use --scope {other}, or have git ignore it"
            )
        before = self.files.preview_undo(place.path, kind).after
        own = self._variables(kind, place.path, before)
        existing = {**self.env, **own}
        target = self._trusting(existing, first_party, write)
        variables = client_environment(target, existing, self.logged_in)
        conflicts = conflicting_variables(own, self.logged_in, first_party)
        unwanted = [name for name in conflicts if name == "ANTHROPIC_BASE_URL"]
        edits = edits_for(kind, variables, unwanted)
        change = self.files.preview(place.path, kind, edits)
        notes = [
            *(_overrides(name, place.path) for name in conflicts if name not in unwanted),
            *self._notes(kind, place, first_party),
        ]
        return FilePlan(place, edits, change, notes)

    def _variables(self, kind: str, path: Path, data: Optional[bytes]) -> dict[str, str]:
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
        path = trusted_file(self.config, self.config_file, first_party, existing, write)
        if path is None:
            return self.target
        return self.target._replace(**{"ca_file" if first_party else "certificate": str(path)})

    def _notes(self, kind: str, place: SettingsFile, first_party: bool) -> Iterator[str]:
        for name in conflicting_variables(self.env, self.logged_in, first_party):
            yield f"{name} is set in this shell and would be used instead; unset it for claude"
        for found in base_urls_in_settings(self.env, self.project):
            if kind == "claude" and found.file == place.path:
                if first_party:
                    continue  # taken out by an edit
                break  # the others have less precedence
            if first_party or found.url.rstrip("/") != self.target.url:
                what = f"sets ANTHROPIC_BASE_URL to {found.url}"
                yield f"{found.file} {what}, which overrides this; remove it there"
        if place.scope == "local" and is_shared_by_git(place.path):
            yield f"{place.path} will hold the proxy's key and is not ignored by git; ignore it"
        if readable_by_others(place.path):
            yield f"other users can read {place.path}, and then the proxy's key; chmod 600 {place.path}"


def _overrides(name: str, file: Path) -> str:
    return f"{file} sets {name}, which is used instead of your login; remove it there"


def undo_places(files: EditedFiles, kind: str, only: Optional[list[Path]]) -> list[Path]:
    """Return the files with edits of `kind`; `only`: no others."""
    wanted = None if only is None else {os.path.realpath(path) for path in only}
    return [file for file in files.files_of(kind) if wanted is None or os.path.realpath(file) in wanted]
