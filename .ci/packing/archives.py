"""Archives with the same bytes wherever and by whomever they are built.

Sorted names, one time for all files, modes 0644 and 0755, no owners.  The time is $SOURCE_DATE_EPOCH (in
seconds; reproducible-builds.org), else the first that a zip archive can say.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FIRST_ZIP_TIME = 315_532_800  # 1980-01-01: the MS-DOS times of zip archives begin there
FIXED = ("LICENSE", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml")
HIDDEN = (".ci", ".github", ".editorconfig", ".gitignore", ".pre-commit-config.yaml")
PACKAGE_KINDS = (".py", ".md", ".json", ".yml", ".html", ".css", ".js", ".typed")
LEFT_OVER = (".pyc", ".pyo", "~", ".orig", ".rej", ".swp")
SH_BANG = b"#!"


class Entry(NamedTuple):
    """One file of an archive."""

    name: str  # with slashes
    data: bytes
    runs: bool = False  # it is a program


def source_time() -> int:
    """Return the time of all files, in epoch seconds; raise ValueError for a bad $SOURCE_DATE_EPOCH."""
    return max(FIRST_ZIP_TIME, int(os.environ.get("SOURCE_DATE_EPOCH") or FIRST_ZIP_TIME))


def package_files(root: Path = ROOT) -> list[Entry]:
    """Return the files of the program itself."""
    return [entry for entry in _below(root, "teamclaude") if entry.name.endswith(PACKAGE_KINDS)]


def source_files(root: Path = ROOT) -> list[Entry]:
    """Return the files of the project: the program, all tests, and what builds and checks them."""
    found = []
    for name in ("teamclaude", "tests", *FIXED, *HIDDEN):
        path = root / name
        found += list(_below(root, name)) if path.is_dir() else [_entry(root, path)] if path.exists() else []
    return found


def _below(root: Path, name: str) -> Iterator[Entry]:
    for directory, folders, files in os.walk(root / name):
        folders[:] = [folder for folder in folders if folder != "__pycache__" and not folder.startswith(".")]
        for file in files:
            if not file.endswith(LEFT_OVER) and not file.startswith("."):
                yield _entry(root, Path(directory, file))


def _entry(root: Path, path: Path) -> Entry:
    data = path.read_bytes()
    # Not the file's own mode: it depends on how the files came here.
    return Entry(path.relative_to(root).as_posix(), data, data.startswith(SH_BANG))


def zip_bytes(entries: Iterable[Entry], front: bytes = b"", compressed: bool = False) -> bytes:
    """Return a zip archive that begins with `front`; compressed, its bytes are the same where zlib is."""
    moment = time.gmtime(source_time())[:6]
    buffer = io.BytesIO()
    buffer.write(front)
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry in sorted(entries):
            info = zipfile.ZipInfo(entry.name, moment)
            info.create_system = 3  # Unix, also when it is built on Windows
            info.external_attr = (0o100755 if entry.runs else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            archive.writestr(info, entry.data)
    return buffer.getvalue()


def tar_gz_bytes(entries: Iterable[Entry]) -> bytes:
    """Return a compressed tar archive; its bytes are the same where zlib is."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=source_time()) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for entry in sorted(entries):
            info = tarfile.TarInfo(entry.name)
            info.size, info.mtime = len(entry.data), source_time()
            info.mode = 0o755 if entry.runs else 0o644
            archive.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()


def write(path: Path, data: bytes, runs: bool = False) -> None:
    """Replace a file at once, so that nobody runs half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.chmod(0o755 if runs else 0o644)
    os.replace(part, path)
