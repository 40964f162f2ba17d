#!/usr/bin/env python3
"""make_zipapp.py [PATH]: write the whole program as one file that any Python from 3.9 on runs."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from archives import ROOT, Entry, package_files, write, zip_bytes

INTERPRETER = b"#!/usr/bin/env python3\n"
# Compiles on Python 2.7: teamclaude/__main__.py says which version is needed.
MAIN = b'''"""Run TeamClaude from this archive."""
import os
import sys

# Modules are loaded when they are needed: also after the working directory has changed.
sys.path[0] = os.path.abspath(sys.path[0])

if sys.version_info < (3, 10):
    import zipimport

    # By its old protocol a thread gets the half of a module that another one is loading.
    def execute(loader, module):
        exec(loader.get_code(module.__name__), module.__dict__)

    if not hasattr(zipimport.zipimporter, "exec_module"):
        zipimport.zipimporter.create_module = lambda loader, spec: None
        zipimport.zipimporter.exec_module = execute

from teamclaude.__main__ import main

sys.exit(main())
'''


def zipapp_bytes(root: Path = ROOT) -> bytes:
    """Return the program as an archive with a line in front that names the interpreter.

    Not compressed: its bytes are then the same whatever zlib the builder has.
    """
    more = [Entry("__main__.py", MAIN), Entry("LICENSE", (root / "LICENSE").read_bytes())]
    return zip_bytes([*package_files(root), *more], INTERPRETER)


def main() -> int:
    """Write the archive, and print its name, size and hash."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "teamclaude.pyz"
    data = zipapp_bytes()
    write(path, data, runs=True)
    print(f"{path}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
