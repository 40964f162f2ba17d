"""Which refresh tokens are being spent and which were refused, on disk beside the config file.

A refresh token is named by its SHA-256, never by itself.  Rules:
1. A token is noted here, durably, before it is sent anywhere.
2. The note goes when the answer is stored, or when the token was certainly not spent.  A note found
   for the stored token means: its answer was lost, in a crash or on the wire.
3. A token noted as refused is never sent again.
Whoever reads in order to write holds the account's lock.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Optional

from .files import write_private

__all__ = ["SpendRecord", "side_path"]

# Notes of that many tokens are kept: of older ones nobody has a copy.
KEPT = 20


def side_path(config: Path, identity: str) -> str:
    """`X.json` -> `X.tokens/<hash>`, beside the file itself: all names of one file share it."""
    target = os.path.realpath(config)
    stem = target[: -len(".json")] if target.endswith(".json") else target
    return os.path.join(f"{stem}.tokens", hashlib.sha256(identity.encode()).hexdigest()[:16])


class SpendRecord:
    """The record at `path`, as it was when this was made.  A file that is no good counts as empty."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._notes = _load(path)

    def begun(self, token: str) -> Optional[float]:
        """When a spending of this token began whose answer was never stored (epoch seconds)."""
        return self._look("spending", token)

    def refused(self, token: str) -> Optional[float]:
        """When the server refused this token."""
        return self._look("refused", token)

    def begin(self, token: str, now: float) -> None:
        """The token is about to be sent.  OSError when that can't be noted: then don't send it.

        A note that is there stays: since then the token may be spent.
        """
        if self.begun(token) is None:
            self._put("spending", token, now)

    def clear(self, token: str) -> None:
        """Its answer is stored, or it was not spent."""
        if self._notes["spending"].pop(_name(token), None) is not None:
            self._write()

    def refuse(self, token: str, now: float) -> None:
        """The server does not take it any more."""
        self._notes["spending"].pop(_name(token), None)
        self._put("refused", token, now)

    def _look(self, kind: str, token: str) -> Optional[float]:
        return self._notes[kind].get(_name(token))

    def _put(self, kind: str, token: str, now: float) -> None:
        notes = self._notes[kind]
        notes[_name(token)] = now
        for name in sorted(notes, key=lambda name: notes[name])[:-KEPT]:
            del notes[name]
        self._write()

    def _write(self) -> None:
        write_private(self._path, (json.dumps(self._notes, indent=2) + "\n").encode())


def _name(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _load(path: str) -> dict[str, dict[str, float]]:
    try:
        with open(path, "rb") as file:
            raw: Any = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        raw = None
    found = raw if isinstance(raw, dict) else {}
    return {kind: _times(found.get(kind)) for kind in ("spending", "refused")}


def _times(raw: Any) -> dict[str, float]:
    if not isinstance(raw, dict):
        return {}
    numbers = {name: at for name, at in raw.items() if isinstance(at, (int, float))}
    return {name: float(at) for name, at in numbers.items()}
