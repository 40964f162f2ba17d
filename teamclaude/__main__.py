"""Entry point of `python -m teamclaude` and of the `teamclaude` command.

This file and `teamclaude/__init__.py` compile on Python 2.7, which has no annotations:
an old interpreter prints one line instead of a SyntaxError.  It may also be run as a file, from anywhere.
"""

import sys


def main():  # type: () -> int
    """Run the command line, or name the required version and return 2 on an older Python."""
    if sys.version_info < (3, 9):  # noqa: UP036 - what an older interpreter meets first
        found = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write("teamclaude needs Python 3.9 or newer; this is " + found + "\n")
        return 2
    if not __package__:  # `python DIRECTORY/teamclaude/__main__.py`: 4 ms less than `-m`, and no PYTHONPATH
        import os

        here = os.path.dirname(os.path.abspath(__file__))
        # Not the directory itself: its modules would stand for others of the same name.
        sys.path[:] = [os.path.dirname(here)] + [entry for entry in sys.path if entry != here]
    try:
        from teamclaude.cli import main as run

        return run()
    except KeyboardInterrupt:  # while modules are imported, or an error is told
        return 130


if __name__ == "__main__":
    sys.exit(main())
