"""Findings about Python and this program."""

from __future__ import annotations

from teamclaude.cli.doctor.checks.python_checks import check_program, check_python
from teamclaude.cli.doctor.facts.python_facts import ProgramFacts, PythonFacts
from tests.cli.doctor.support import by_id, ids

GOOD = PythonFacts("3.11.2", "cpython", "OpenSSL 3.0.15", (3, 0, 15), ())


def test_a_good_python() -> None:
    group = check_python(GOOD)
    assert (group.summary, ids(group)) == ("Python 3.11.2, OpenSSL 3.0.15", [])
    assert check_python(GOOD._replace(implementation="pypy")).summary.startswith("PyPy 3.11.2")


def test_each_missing_module() -> None:
    facts = GOOD._replace(openssl="", openssl_version=(), missing=("ssl", "sqlite3", "curses"))
    assert ids(check_python(facts)) == ["python.ssl", "python.sqlite3", "python.curses"]


def test_an_old_openssl() -> None:
    facts = GOOD._replace(openssl="OpenSSL 1.1.0l", openssl_version=(1, 1, 0))
    assert ids(check_python(facts)) == ["python.openssl"]
    assert ids(check_python(GOOD._replace(openssl_version=(1, 1, 1)))) == []


def test_files_that_others_can_replace() -> None:
    good = ProgramFacts("1.0", "/opt/tc", (), 5.0)
    assert (check_program(good, "/opt/tc").summary, check_program(good, "").findings) == (
        "1.0 in /opt/tc",
        [],
    )
    dangers = ("others can replace the files in /opt; run: chmod go-w /opt", "b", "c")
    finding = by_id(check_program(good._replace(dangers=dangers), "/opt/tc"))["program.replaceable"]
    assert finding.text == "others can replace the files in /opt (and 2 more)"
    assert finding.mend == "chmod -R go-w /opt/tc"


def test_one_danger_is_told_alone() -> None:
    facts = ProgramFacts("1.0", "/opt/tc", ("others can replace it",), 5.0)
    assert by_id(check_program(facts, ""))["program.replaceable"].text == "others can replace it"
