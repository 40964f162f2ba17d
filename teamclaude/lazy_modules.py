"""Modules that are imported once something of them is used, and those that use OpenSSL.

OpenSSL takes 4 MB and 8 ms; a server needs it for its first request at the earliest.  The thread that uses a
module imports it, and gets the ImportError: this Python has no OpenSSL, or no descriptor is free to load it.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    import hashlib
    import hmac
    import secrets
    import ssl
    from typing import Any

__all__ = ["LazyModule", "hashlib", "hmac", "secrets", "ssl"]


class LazyModule:
    """Stand for a module until an attribute is asked for; then its attributes are those of the module."""

    __slots__ = ("__dict__", "_name")

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        module = importlib.import_module(self._name)
        self.__dict__ = module.__dict__
        return getattr(module, attribute)


if not TYPE_CHECKING:
    hashlib, hmac, secrets, ssl = map(LazyModule, ("hashlib", "hmac", "secrets", "ssl"))
