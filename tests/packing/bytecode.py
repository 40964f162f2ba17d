"""The archive with its modules compiled.

Without that every start from it compiles them: half a second of processor time.
"""

from __future__ import annotations

import importlib.util
import io
import struct
import time
import zipfile
from pathlib import Path
from typing import Optional

__all__ = ["with_bytecode"]

ROOT = Path(__file__).resolve().parents[2]
HEADER_BYTES = 16  # magic number, flags, time and size of the source (PEP 552)


def with_bytecode(archive: bytes) -> bytes:
    """Return the archive with what this checkout has compiled of it, where `zipimport` finds it."""
    data = io.BytesIO(archive)
    with zipfile.ZipFile(data, "a") as made:
        for info in made.infolist():
            code = _compiled(ROOT / info.filename) if info.filename.endswith(".py") else None
            if code is not None:
                changed = int(time.mktime((*info.date_time, -1, -1, -1)))
                header = code[:8] + struct.pack("<II", changed, info.file_size)
                made.writestr(info.filename + "c", header + code[HEADER_BYTES:])
    return data.getvalue()


def _compiled(source: Path) -> Optional[bytes]:
    cached = Path(importlib.util.cache_from_source(str(source)))
    if not (source.is_file() and cached.is_file()):
        return None
    code, state = cached.read_bytes(), source.stat()
    described = struct.pack("<III", 0, int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF)
    return code if code[4:HEADER_BYTES] == described else None
