"""The build backend (PEP 517): setuptools' wheel, and a source distribution with everything.

The wheel has the man page, which is made at build and is no file of the sources.

setuptools puts of the tests only tests/test_*.py into a source distribution, and its file for more
(MANIFEST.in) would be one more entry of the top level.  Here the source distribution is what a clone is,
without the history.  Both archives have the same bytes wherever they are built.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Optional

from archives import Entry, source_files, source_time, tar_gz_bytes, write, zip_bytes
from setuptools import build_meta

Settings = Optional[dict[str, Any]]

get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
build_editable = build_meta.build_editable
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Return what building needs besides the requirements of pyproject.toml: nothing."""
    return []


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Write the source distribution into the directory; return its name."""
    with tempfile.TemporaryDirectory() as scratch:
        made = prepare_metadata_for_build_wheel(scratch, config_settings)
        metadata = Path(scratch, made, "METADATA").read_bytes()
    stem = made[: -len(".dist-info")]
    entries = [Entry(f"{stem}/{each.name}", each.data, each.runs) for each in source_files()]
    data = tar_gz_bytes([*entries, Entry(f"{stem}/PKG-INFO", metadata)])
    write(Path(sdist_directory, f"{stem}.tar.gz"), data)
    return f"{stem}.tar.gz"


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None
) -> str:
    """Write the wheel into the directory; return its name."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(source_time()))
    with tempfile.TemporaryDirectory() as scratch:
        name: str = build_meta.build_wheel(scratch, config_settings, metadata_directory)
        with zipfile.ZipFile(Path(scratch, name)) as wheel:
            # RECORD has the hashes of the contents: they stay as they are.
            entries = [Entry(each, wheel.read(each)) for each in wheel.namelist() if not each.endswith("/")]
    write(Path(wheel_directory, name), zip_bytes(with_man_page(entries, man_page()), compressed=True))
    return name


def man_page() -> bytes:
    """Return the page of all commands, which the program makes from its own parsers."""
    root = str(Path(__file__).resolve().parents[2])
    if root not in sys.path:
        sys.path.insert(0, root)
    from teamclaude.cli.parsers.man_page import render_man_page

    return render_man_page().encode()


def with_man_page(entries: list[Entry], page: bytes) -> list[Entry]:
    """Return a wheel's entries with the page for share/man/man1, also in their RECORD."""
    record = next(each for each in entries if each.name.endswith(".dist-info/RECORD"))
    stem = record.name.partition(".dist-info")[0]
    name = f"{stem}.data/data/share/man/man1/teamclaude.1"
    digest = base64.urlsafe_b64encode(hashlib.sha256(page).digest()).decode().rstrip("=")
    line = f"{name},sha256={digest},{len(page)}\n".encode()
    rest = [each for each in entries if each is not record]
    return [*rest, Entry(name, page), record._replace(data=line + record.data)]
