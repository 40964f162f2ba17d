"""The file of authorities that a client is to trust beside its own: it reads one (NODE_EXTRA_CA_CERTS).

2.1.332 also reads SSL_CERT_FILE, 2.1.112 does not (measured).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from ...accounts.config.atomic_write import write_private
from ...accounts.config.config import Config
from ...errors import ConfigError

__all__ = ["VARIABLE", "trusted_beside", "trusted_file"]

VARIABLE = "NODE_EXTRA_CA_CERTS"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)


def trusted_file(
    config: Config, file: Path, first_party: bool, existing: Mapping[str, str], write: bool = True
) -> Optional[Path]:
    """Return a file with what a client of the proxy must trust and what `existing` makes it trust.

    None if the proxy needs none.  `file` is the config file; what must be combined is written beside our
    certificates, or only named without `write`.  Raise ConfigError if a file can't be read.
    """
    tls = config.proxy.tls
    needed = [Path(tls.cert).absolute()] if tls else []
    if first_party:
        from ...proxy.connect.certificates import ca_file  # loads ssl

        needed.append(ca_file(file))
    theirs = existing.get(VARIABLE)
    if not needed or (theirs and _certificates(needed) <= _certificates([Path(theirs)])):
        return Path(theirs) if needed and theirs else None
    others = [*(needed[:1] if tls else ()), *([Path(theirs).absolute()] if theirs else ())]
    if not first_party:
        return _joined(file, others, write)
    if not others:
        return needed[-1]
    from ...proxy.connect.combined_ca import combined_ca_file, combined_ca_path

    return (combined_ca_file if write else combined_ca_path)(needed[-1], _joined(file, others, write))


def trusted_beside(needed: Path, file: Path, existing: Mapping[str, str], write: bool = True) -> Path:
    """Return a file with the certificates in `needed` and what `existing` makes a client trust.

    `file`: the config file, which need not exist; what must be combined is written beside it, or only named
    without `write`.  Raise ConfigError if a file can't be read.
    """
    theirs = existing.get(VARIABLE)
    if theirs and _certificates([needed]) <= _certificates([Path(theirs)]):
        return Path(theirs)
    return _joined(file, [needed.absolute(), *([Path(theirs).absolute()] if theirs else ())], write)


def _joined(config: Path, files: Sequence[Path], write: bool) -> Path:
    """Return one file with the certificates of one or two."""
    if len(files) == 1:
        return files[0]
    from hashlib import sha256

    from ...proxy.connect.certificates import tls_directory

    name = sha256(b"\0".join(os.fsencode(file) for file in files)).hexdigest()[:8]
    joined = tls_directory(config) / f"trusted-{name}.pem"
    if write:
        try:
            blocks = [block for file in files for block in _CERTIFICATE.findall(file.read_bytes())]
            data = b"\n".join([*dict.fromkeys(blocks), b""])
            if not joined.exists() or joined.read_bytes() != data:
                write_private(str(joined), data)
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror or error}") from error
    return joined


def _certificates(files: Sequence[Path]) -> set[bytes]:
    """Return the certificates in files; one without any is in no other file."""
    found: set[bytes] = set()
    for file in files:
        try:
            blocks = _CERTIFICATE.findall(file.read_bytes())
        except OSError:
            blocks = []
        found.update(b"".join(block.split()) for block in blocks or [os.fsencode(file)])
    return found
