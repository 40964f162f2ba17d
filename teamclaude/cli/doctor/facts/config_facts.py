"""The config file: read without changing it, unlike `ConfigFile.load`, which takes others' rights away."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Optional

from ....accounts.config.atomic_write import foreign_writer_warning
from ....accounts.config.config import Config, parse_config
from ....accounts.config.identity import merge_duplicates
from ....accounts.config.json_file import decode
from ....accounts.config.original_keys import adapt, original_keys_in
from ....accounts.config.rules.rule_notes import brief_notes, rule_notes
from ....accounts.config.state_place import state_path
from ....accounts.config.value_types import one_line
from ....brief import brief_lines
from ....errors import ConfigError
from ....values import NamedTuple, replace
from ...claude_code.settings_files import bytes_of
from .unknown_keys import UnknownKey, unknown_keys

__all__ = ["ConfigFacts", "config_facts"]


class ConfigFacts(NamedTuple):
    """The file at `path`.

    `problem`: why it can't be read; `invalid`: what is wrong in it; `mode`: its permissions; `owner`: the uid
    of somebody else whose file it is; `dangers`: warnings about its directory; `original`: lines about keys
    of the programs whose files this one reads; `duplicates`: accounts that stand in it twice.
    """

    path: Path
    exists: bool = False
    has_state: bool = False
    problem: str = ""
    invalid: str = ""
    mode: Optional[int] = None
    owner: Optional[int] = None
    dangers: tuple[str, ...] = ()
    unknown: tuple[UnknownKey, ...] = ()
    original: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()  # those without their effect
    duplicates: tuple[str, ...] = ()
    config: Optional[Config] = None


def config_facts(path: Path) -> ConfigFacts:
    """Return what there is at `path`; nothing is raised for what may be in its place."""
    real = os.path.realpath(path)
    dangers = [
        foreign_writer_warning(place) for place in dict.fromkeys([str(path.parent), os.path.dirname(real)])
    ]
    facts = ConfigFacts(
        path, os.path.lexists(path), os.path.exists(state_path(path)), dangers=tuple(filter(None, dangers))
    )
    if not facts.exists:
        return facts
    try:
        found = os.stat(path)
        facts = facts._replace(mode=_mode(found), owner=_foreign_owner(found))
        data = bytes_of(path)
    except FileNotFoundError:
        return facts._replace(problem=f"is a symbolic link to {real}, which does not exist")
    except (OSError, ValueError) as error:
        return facts._replace(problem=f"can't be read: {getattr(error, 'strerror', None) or error}")
    return _with_content(facts, data)


def _with_content(facts: ConfigFacts, data: bytes) -> ConfigFacts:
    try:
        raw = decode(data, "")
        config = parse_config(raw, "")
    except ConfigError as error:
        return facts._replace(invalid=str(error)[2:])  # behind the empty name of the file
    foreign = {each.path for each in original_keys_in(raw)}
    accounts, duplicates = merge_duplicates(config.accounts)
    return facts._replace(
        config=replace(config, accounts=accounts),
        duplicates=tuple(brief_lines(duplicates, lambda line: "accounts")),
        original=tuple(brief_notes(adapt(raw).notes)),
        rules=tuple(map(one_line, brief_notes(rule_notes(config)))),
        unknown=tuple(key for key in unknown_keys(raw) if key.path not in foreign),
    )


def _mode(found: os.stat_result) -> Optional[int]:
    return stat.S_IMODE(found.st_mode) if os.name == "posix" and stat.S_ISREG(found.st_mode) else None


def _foreign_owner(found: os.stat_result) -> Optional[int]:
    if not hasattr(os, "geteuid") or os.geteuid() in (0, found.st_uid):
        return None
    return found.st_uid
