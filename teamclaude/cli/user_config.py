"""Open the user's config file for a command, and find the server that it describes.

A command that only reads creates no file: an empty one in place of a deleted one would look like an edit
that removed all accounts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Optional

from ..accounts.config.config import Config, ProxyConfig
from ..accounts.config.config_file import ConfigFile, config_path
from ..accounts.config.state_place import state_path
from ..dial.authority import authority, reachable_host
from ..errors import ConfigError
from .terminal import note

__all__ = [
    "has_config",
    "load_or_create_config",
    "open_config",
    "read_config",
    "required_proxy_key",
    "server_host",
    "server_url",
]

# A running server rewrites its deleted file after two polls, 2 s apart.
SERVER_SEC = 6.0
POLL_SEC = 0.1


def open_config() -> ConfigFile:
    """Return the config file that the environment names; its warnings go to stderr."""
    return ConfigFile(config_path(os.environ), warn=lambda line: note(f"teamclaude: {line}"))


def has_config() -> bool:
    """Return whether there is a config file, or traces of one that is gone."""
    path = open_config().path
    return os.path.exists(path) or os.path.exists(state_path(path))


def read_config(or_url: bool = False) -> tuple[ConfigFile, Config]:
    """Return the config file and its values; raise ConfigError that says what to do if it is missing.

    `or_url`: the command also takes the address of a server in place of the file.
    """
    file = open_config()
    if not os.path.exists(file.path):
        makes = "teamclaude login (or import) makes it with an account"
        if os.path.exists(state_path(file.path)):
            back = "a running server writes it again in seconds"
            raise ConfigError(f"{file.path} is gone: {back}; else {makes}")
        elsewhere = "; a server elsewhere is named with --url or TEAMCLAUDE_URL" if or_url else ""
        raise ConfigError(f"{file.path}: there is no config file yet; {makes}{elsewhere}")
    return file, file.load()


def load_or_create_config(sleep: Callable[[float], None] = time.sleep) -> tuple[ConfigFile, Config]:
    """Return the config file and its values for a command that adds an account; create a missing file."""
    file = open_config()
    if not os.path.exists(file.path) and os.path.exists(state_path(file.path)):
        note(f"teamclaude: {file.path} is gone: waiting {SERVER_SEC:g} s for a running server to write it")
        deadline = time.monotonic() + SERVER_SEC
        while not os.path.exists(file.path) and time.monotonic() < deadline:
            sleep(POLL_SEC)
    return file, file.load_or_create()


def required_proxy_key(file: ConfigFile, config: Config) -> str:
    """Return the key clients authenticate with; raise ConfigError if the file has none yet."""
    if not config.proxy.api_key:
        raise ConfigError(f"{file.path}: has no proxy.apiKey yet; teamclaude server adds one when it starts")
    return config.proxy.api_key


def server_host(proxy: ProxyConfig) -> str:
    """Return the host to connect to; `localhost` stays a name, which may have two addresses."""
    return reachable_host(proxy.host)


def server_url(proxy: ProxyConfig, port: Optional[int] = None) -> str:
    """Return the base URL; with TLS it keeps the name `localhost`, which the certificate may be for."""
    host = server_host(proxy)
    if host == "localhost" and proxy.tls is None:
        host = "127.0.0.1"
    return f"{'https' if proxy.tls else 'http'}://{authority(host, port or proxy.port)}"
