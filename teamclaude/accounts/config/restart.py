"""Which settings are read once, when the server starts."""

from __future__ import annotations

from operator import attrgetter

from ...settings import camel_case, config_key
from .config import Config

__all__ = ["keys_needing_restart"]

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
