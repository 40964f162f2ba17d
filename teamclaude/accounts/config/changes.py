"""What is different in a config file that is read again, and what of it takes a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from ...brief import brief_list
from ...settings import camel_case, config_key
from .config import Config
from .schema import INLINE, Section

__all__ = ["NOTHING_NEW", "changed_keys", "changes_text", "keys_needing_restart"]

NOTHING_NEW = "nothing has changed"
_READ_ONCE = (
    "proxy.host",
    "proxy.port",
    "proxy.tls",
    "proxy.agent_port",
    "proxy.max_held",
    "log_dir",
    "log_requests",
    "log_max_body_bytes",
    "log_retention_hours",
    "log_max_mb",
    "history",
)


def keys_needing_restart(started_with: Config, new: Config) -> list[str]:
    """Return the config keys whose new value is in force after a restart only."""
    changed = [name for name in _READ_ONCE if attrgetter(name)(started_with) != attrgetter(name)(new)]
    keys = Config.__dataclass_fields__
    return [config_key(keys[name]) if name in keys else camel_case(name) for name in changed]


def changed_keys(old: Config, new: Config) -> list[str]:
    """Return the config keys whose values differ, without the accounts; `proxy.maxHeld`: one in a section."""
    keys = []
    for key, before, after in _changed(old, new):
        if isinstance(before, Section) and isinstance(after, Section):
            keys += [f"{key}.{inner}" for inner, _, _ in _changed(before, after)]
        elif key != "accounts":
            keys.append(key)
    return keys


def _changed(old: Section, new: Section) -> Iterator[tuple[str, Any, Any]]:
    for name, field in old.__dataclass_fields__.items():
        before, after = getattr(old, name), getattr(new, name)
        key = config_key(field)
        if key == INLINE:
            yield from _changed(before, after)
        elif before != after:
            yield key, before, after


def changes_text(changes: Mapping[str, Sequence[str]]) -> str:
    """Return in words what a reload has changed; empty: nothing.

    `changes`: by `added`, `removed` and `updated` names of accounts, by `settings` and `needsRestart` keys.
    """
    parts = [
        f"{what} {brief_list(changes[what])}" for what in ("added", "removed", "updated") if changes[what]
    ]
    later = changes["needsRestart"]
    now = [
        key for key in changes["settings"] if not f"{key}.".startswith(tuple(f"{each}." for each in later))
    ]
    if now:
        parts.append(f"changed {', '.join(now)}")
    if later:
        parts.append(f"in force after a restart only: {', '.join(later)}")
    return "; ".join(parts)
