"""Names for completion that only the config file or a running server knows.

Rules:
1. It runs while a person presses a key: it is fast (no argparse; the config file alone for accounts), waits
   for a server at most ASK_SEC, and prints nothing instead of an error.
2. It makes no file, and prints names alone: one a line, none with a character that a terminal obeys.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["KINDS", "names", "print_names"]

KINDS = ("accounts", "sessions")
ASK_SEC = 1.0


def print_names(kind: str) -> None:
    """Print the names of one of KINDS."""
    print("".join(f"{name}\n" for name in names(kind, os.environ)), end="")


def names(kind: str, env: Mapping[str, str]) -> list[str]:
    """Return the names, each once; none where something is wrong."""
    try:
        if kind == "accounts" and not env.get("TEAMCLAUDE_URL"):
            found = [row.get("name") for row in _accounts_of_file(env)]
        else:
            status = _ask_server()
            found = [row.get("name") for row in status.get("accounts", ())]
            if kind == "sessions":
                found = [row.get("sid") for row in status.get("sessionBindings", ())]
    except Exception:  # of a file or server that is not as it should be: other commands say what
        return []
    return [name for name in dict.fromkeys(found) if isinstance(name, str) and name and name.isprintable()]


def _accounts_of_file(env: Mapping[str, str]) -> Any:
    from ...accounts.config.state_place import config_path

    with open(config_path(env), encoding="utf-8") as file:
        return json.load(file).get("accounts", ())


def _ask_server() -> Any:
    from argparse import Namespace

    from ..remote.chosen import chosen_proxy

    nothing = Namespace(url=None, key_file=None, ca_file=None, port=None)
    return chosen_proxy(nothing, ASK_SEC).get("/teamclaude/status")
