"""Have started programs measured by record.py: `merge.py COMMAND...` runs it and writes `.coverage.started`.

For Python 3.12 and newer; `coverage combine` adds the file to those of the tests themselves.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from coverage import CoverageData

HERE = Path(__file__).resolve().parent
HOOK = 'import os; os.environ.get("LINES_HOOK") and exec(open(os.environ["LINES_HOOK"]).read(), {})\n'


def reached(directory):
    """Return the lines of each file that the programs wrote there; one that was killed wrote half a text."""
    found = {}
    for path in Path(directory).iterdir():
        texts = path.read_text().splitlines()
        for name, lines in zip(texts[::2], texts[1::2]):
            found.setdefault(name, set()).update(map(int, lines.split()))
    return found


def main(command):
    """Run the command with the hook in place; return its status."""
    Path(sysconfig.get_path("purelib"), "lines.pth").write_text(HOOK)
    with tempfile.TemporaryDirectory() as directory:
        ours = {
            "LINES_HOOK": str(HERE / "record.py"),
            "LINES_SOURCE": str(HERE.parents[1] / "teamclaude"),
            "LINES_TO": directory,
        }
        status = subprocess.run(command, env={**os.environ, **ours}).returncode
        data = CoverageData(".coverage.started")
        data.add_lines(reached(directory))
        data.write()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
