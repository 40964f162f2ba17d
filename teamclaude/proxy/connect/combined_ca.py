"""Files with our authorities and those that a client trusted before: it reads one file only.

For clients whose NODE_EXTRA_CA_CERTS is already set, as behind a company's proxy that opens TLS.  Such a file
may be named in a settings file for years, so it names its origin in its first line, and is written again with
each new authority.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ...accounts.config.atomic_write import write_private
from ...errors import ConfigError

__all__ = ["CERTIFICATE", "combined_ca_file", "combined_ca_path", "outdated_files"]

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.S)
MAX_BYTES = 4 << 20  # of a file with authorities: a system's own has a quarter of a MiB
# Text between certificates is ignored by all who read them (RFC 7468, 2).
_OURS = "# TeamClaude's own, and those of "
_THEIRS = "# of the other file\n"


def combined_ca_file(own: Path, other: Path) -> Path:
    """Return a file with the authorities of `own` (our ca.pem) and of `other`, written beside `own`.

    Raise ConfigError when one of them can't be read or `other` holds no certificate.
    """
    try:
        with other.open("rb") as file:
            theirs = _certificates(file.read(MAX_BYTES))
        if not theirs:
            raise ConfigError(f"{other} (NODE_EXTRA_CA_CERTS) holds no certificate in PEM format")
        combined = combined_ca_path(own, other)
        text = _text(other, own.read_bytes(), theirs)
        if not combined.exists() or combined.read_bytes() != text:
            write_private(str(combined), text)
    except OSError as error:
        raise ConfigError(f"{error.filename or other}: {error.strerror or error}") from error
    return combined


def combined_ca_path(own: Path, other: Path) -> Path:
    """Return the path of the file that `combined_ca_file` writes."""
    return own.with_name(f"ca-{sha256(os.fsencode(other.absolute())).hexdigest()[:8]}.pem")


def outdated_files(directory: Path, own: bytes) -> Iterator[tuple[Path, bytes]]:
    """Yield the combined files that differ from what they should hold, with that.

    `own` are our authorities now.  Where the other file is gone its authorities stay as they were.
    """
    for path in sorted(directory.glob("ca-*.pem")):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        head, _, rest = data.partition(b"\n")
        theirs = _certificates(rest.partition(_THEIRS.encode())[2])
        try:
            other = Path(json.loads(head.decode("ascii")[len(_OURS) :]))
        except ValueError:
            continue  # not made here
        with suppress(OSError), other.open("rb") as file:
            theirs = _certificates(file.read(MAX_BYTES)) or theirs
        text = _text(other, own, theirs)
        if text != data:
            yield path, text


def _certificates(data: bytes) -> list[str]:
    return [block.strip() for block in CERTIFICATE.findall(data.decode("ascii", "replace"))]


def _text(other: Path, own: bytes, theirs: list[str]) -> bytes:
    ours = dict.fromkeys(_certificates(own))
    more = [block for block in dict.fromkeys(theirs) if block not in ours]
    lines = [f"{_OURS}{json.dumps(str(other.absolute()))}", *ours, _THEIRS.rstrip(), *more, ""]
    return "\n".join(lines).encode("ascii", "replace")
