"""Findings about this Python and this program.  Pure."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from ..finding import Finding, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.python_facts import ProgramFacts, PythonFacts

__all__ = ["check_program", "check_python"]

NO_SSL = Kind("python.ssl", Level.ERROR, "Without it nothing can be sent to the API.")
NO_SQLITE = Kind("python.sqlite3", Level.WARNING, "The history of usage is kept in it.")
NO_CURSES = Kind("python.curses", Level.NOTE, "The Deck needs it; a server prints plain lines without it.")
OLD_OPENSSL = Kind("python.openssl", Level.WARNING, "It gets no security updates, and may lack TLS 1.3.")
REPLACEABLE = Kind(
    "program.replaceable", Level.ERROR, "Who can change the program's files runs code with your logins."
)

_INSTALL = "use a Python that has it, as your system's package (its name often ends in the module's)"


def check_python(facts: PythonFacts) -> Group:
    """Return what is wrong with the interpreter."""
    named = {"ssl": NO_SSL, "sqlite3": NO_SQLITE, "curses": NO_CURSES}
    found = [named[name].found(f"this Python has no module {name}", _INSTALL) for name in facts.missing]
    if facts.openssl and facts.openssl_version < (1, 1, 1):
        found.append(OLD_OPENSSL.found(f"{facts.openssl} is out of date", "use a newer Python"))
    parts = [f"{_name(facts.implementation)} {facts.version}", facts.openssl]
    return Group("python", ", ".join(part for part in parts if part), found)


def check_program(facts: ProgramFacts, place: str) -> Group:
    """Return what is wrong with the program's files; `place` is where they are, for a person."""
    found: list[Finding] = []
    if facts.dangers:
        more = f" (and {len(facts.dangers) - 1} more)" if len(facts.dangers) > 1 else ""
        text = facts.dangers[0].partition("; run: ")[0]
        found.append(REPLACEABLE.found(text + more, f"chmod -R go-w {quote(facts.place)}"))
    return Group("program", f"{facts.version} in {place}", found)


def _name(implementation: str) -> str:
    return {"cpython": "Python", "pypy": "PyPy"}.get(implementation, implementation)
