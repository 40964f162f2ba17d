"""Run the `teamclaude` command: `python -m teamclaude`."""

# Without annotations and f-strings: an older Python has to read this far to be told.
import sys

if sys.version_info < (3, 9):  # noqa: UP036 - this is the check
    raise SystemExit("teamclaude: needs Python 3.9 or newer, this is %d.%d" % sys.version_info[:2])  # noqa: UP031

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
