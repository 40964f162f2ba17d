"""Why an address can't be listened on, in one line: for a port in use with who answers there."""

from __future__ import annotations

import errno

from ...dial.authority import authority
from .who_answers import who_answers

__all__ = ["bind_error_text"]


def bind_error_text(error: OSError, address: str, port: int) -> str:
    """Return what a person can do about `error`."""
    where = authority(address, port)
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by {who_answers(address, port)}; stop it or choose another --port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this user may not listen on {where}; choose a --port above 1023"
    return f"can't listen on {where}: {error.strerror or error}"
