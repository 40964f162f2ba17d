"""`teamclaude usage`: tables, bars, JSON, CSV, errors, and the import."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli import terminal
from teamclaude.cli.commands import usage
from teamclaude.history.rows import TRANSCRIPTS, Event, QuotaReading
from tests.cli.support import ALICE, Ended
from tests.history.conftest import fill
from tests.history.reports.support import facts
from tests.history.transcripts.support import answer, write

pytestmark = pytest.mark.usefixtures("utc")
NOW = 1795960800.0  # 2026-11-29 14:00 UTC, a Sunday
DAY = 86400.0
Cli = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "now", lambda: NOW)


@pytest.fixture
def path(config: Callable[..., Path]) -> Path:
    return config(ALICE).with_name("teamclaude.history.db")


@pytest.fixture
def history(path: Path) -> Path:
    """Two accounts, two days, a project of another one's choice, and an imported answer."""
    requests = [
        facts(NOW - 60, 1000, 3.0, project="site", conversation="s1"),
        facts(NOW - 2 * DAY, 500, 1.0, account="bob", project="=\x1b[31mEVIL\n", model="m-1"),
        facts(NOW - 40 * DAY, 10, 0.5, account="", source=TRANSCRIPTS),
    ]
    readings = [
        QuotaReading(NOW - 3600, "alice", "5h", 0.25, NOW + 3600),
        QuotaReading(NOW - 60, "alice", "5h", 0.75, NOW + 3600),
    ]
    return fill(path, requests, readings, [Event(NOW - DAY, "started")])


@pytest.fixture
def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let stdout be a terminal of so many columns, which shows UTF-8 but no colour."""

    def use(columns: int) -> None:
        monkeypatch.setattr(terminal, "width", lambda: columns)
        monkeypatch.setattr(usage, "width", lambda: columns)
        monkeypatch.setattr(usage, "is_terminal", lambda: True)
        monkeypatch.setattr(usage, "has_color", lambda stream: False)

    return use


def lines(ended: Ended) -> list[str]:
    assert (ended.status, ended.err) == (0, "")
    return ended.out.splitlines()


def test_a_pipe_gets_a_table_of_the_last_30_days(history: Path, cli: Cli) -> None:
    assert lines(cli("usage")) == [
        "usage by day · since 2026-10-31",
        "",
        "day         requests  input  output  cache read  cache write  tokens   cost  5h used",
        "2026-11-27         1    500       0        1.0k            0    1.5k  $1.00",
        "2026-11-29         1   1.0k       0        2.0k            0    3.0k  $3.00      50%",
        "total              2   1.5k       0        3.0k            0    4.5k  $4.00      50%",
    ]


def test_a_pipe_gets_every_column_and_whole_names(path: Path, cli: Cli) -> None:
    session = "0123456789abcdef-0123456789abcdef-0123456789abcdef"
    readings = [
        QuotaReading(NOW - at, "alice", axis, 1 - at / 9000, NOW + 3600)
        for axis in ("5h", "7d")
        for at in (3600, 60)
    ]
    fill(path, [facts(NOW - 60, 1000, 3.0, conversation=session)], readings)
    found = lines(cli("usage", "--by", "day,session"))
    assert found[2].split()[-4:] == ["5h", "used", "7d", "used"]
    assert found[3].split()[1] == session


def test_a_narrow_terminal_keeps_the_windows_before_the_cache(
    history: Path, cli: Cli, terminal_of: Callable[[int], None]
) -> None:
    terminal_of(75)
    heading = lines(cli("usage", "--table"))[2]
    assert heading.endswith("5h used")
    assert "cache write" not in heading


def test_names_from_outside_are_cleaned(history: Path, cli: Cli) -> None:
    found = cli("usage", "--by", "project")
    assert [line.split()[0] for line in lines(found)[3:]] == ["site", "=EVIL", "total"]
    assert "\x1b" not in found.out


def test_a_terminal_gets_bars_by_time(history: Path, cli: Cli, terminal_of: Callable[[int], None]) -> None:
    terminal_of(60)
    found = lines(cli("usage", "--since", "2026-11-27"))
    assert found[:2] == ["usage by day · since 2026-11-27", ""]
    assert found[2].startswith("Fri 2026-11-27  █")
    assert found[3] == "Sat 2026-11-28"
    assert found[4].count("█") > 2 * found[2].count("█") > 0
    assert found[6].startswith("total $4.00 · 4.5k tokens · 2 requests")


def test_bars_go_on_until_now(path: Path, cli: Cli, terminal_of: Callable[[int], None]) -> None:
    fill(path, [facts(NOW - 3 * DAY)])
    terminal_of(80)
    assert [line.split()[1] for line in lines(cli("usage"))[2:6]] == [
        *("2026-11-26", "2026-11-27", "2026-11-28", "2026-11-29")
    ]
    assert lines(cli("usage", "--until", "2026-11-27"))[4] == ""


def test_a_terminal_gets_a_table_of_names(
    history: Path, cli: Cli, terminal_of: Callable[[int], None]
) -> None:
    terminal_of(80)
    assert lines(cli("usage", "--by", "model"))[2].startswith("model ")
    assert lines(cli("usage", "--by", "day", "--table"))[2].startswith("day ")
    assert "█" in cli("usage", "--by", "model", "--chart").out


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("words", [("--chart",), ("--table",), ("--by", "project,day", "--chart")])
def test_no_line_is_wider_than_the_terminal(
    history: Path, cli: Cli, terminal_of: Callable[[int], None], columns: int, words: tuple[str, ...]
) -> None:
    from teamclaude.deck.text.cells import width

    terminal_of(columns)
    found = lines(cli("usage", "--since", "all", *words))
    assert [line for line in found if width(line) > columns] == []
    assert any("$4.50" in line for line in found)


def test_a_terminal_without_unicode_gets_ascii(
    history: Path, cli: Cli, terminal_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal_of(80)
    monkeypatch.setattr("teamclaude.cli.deck_page.shows_ascii", lambda stream: True)
    for form in ("--chart", "--table"):
        found = cli("usage", form, "--since", "all").out
        assert found.isascii()
    assert "#" in cli("usage").out


def test_colours_are_for_terminals_that_have_them(
    history: Path, cli: Cli, terminal_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal_of(80)
    assert "\x1b" not in cli("usage").out
    monkeypatch.setattr(usage, "has_color", lambda stream: True)
    assert "\x1b[36m█" in cli("usage").out


def test_what_is_imported_is_marked_and_summed_up(history: Path, cli: Cli) -> None:
    found = lines(cli("usage", "--by", "month"))
    assert [line.split()[0] for line in found[3:6]] == ["2026-10*", "2026-11", "total"]
    assert found[-1] == "* from Claude Code's transcripts, whole or in part: 30 tokens, $0.50"


def test_a_terminal_shows_the_dearest_names_and_says_how_many_more(
    path: Path, cli: Cli, terminal_of: Callable[[int], None]
) -> None:
    fill(path, [facts(NOW - 60, cost=float(number), model=f"m{number}") for number in range(60)])
    assert len(lines(cli("usage", "--by", "model"))) == 3 + 60 + 1
    terminal_of(80)
    found = lines(cli("usage", "--by", "model"))
    assert found[3].startswith("m59")
    assert len(found) == 3 + 40 + 1 + 2
    assert found[-1] == "and 20 more, which the total includes (--limit 0 shows all)"
    assert len(lines(cli("usage", "--by", "model", "--limit", "0"))) == 3 + 60 + 1
    assert len(json.loads(cli("usage", "--by", "model", "--json").out)["rows"]) == 60


# --- JSON and CSV -----------------------------------------------------------------------------------------


def test_json_is_for_scripts(history: Path, cli: Cli) -> None:
    data = json.loads(cli("usage", "--by", "account", "--json", "--since", "all").out)
    assert [(row["account"], row["cost"]) for row in data["rows"]] == [
        ("alice", 3.0),
        ("bob", 1.0),
        (None, 0.5),
    ]
    assert data["total"]["requests"] == 3


def test_csv_is_for_spreadsheets(history: Path, cli: Cli) -> None:
    found = cli("usage", "--by", "project", "--csv").out
    rows = list(csv.DictReader(io.StringIO(found)))
    assert [(row["project"], row["cost"]) for row in rows] == [("site", "3.0"), ("'= [31mEVIL", "1.0")]
    assert "\x1b" not in found


# --- nothing, and errors ------------------------------------------------------------------------------------


def test_without_a_history_one_line_says_what_to_do(path: Path, cli: Cli) -> None:
    for words in ((), ("--json",), ("--by", "month")):
        ended = cli("usage", *words)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err.count("\n") == 1
        assert "teamclaude server" in ended.err
        assert "teamclaude usage --import" in ended.err


def test_a_history_that_is_switched_off_is_said(path: Path, config: Callable[..., Path], cli: Cli) -> None:
    file = path.with_name("teamclaude.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "history": False}))
    ended = cli("usage")
    assert (ended.status, ended.out) == (1, "")
    assert '"history": false' in ended.err
    assert '"history": false' in cli("usage", "--import").err


def test_an_empty_range_is_said(history: Path, cli: Cli) -> None:
    (line,) = lines(cli("usage", "--since", "2026-11-28", "--until", "2026-11-28"))
    assert line == (
        "usage by day · since 2026-11-28 until 2026-11-29: nothing was used (--since all shows everything)"
    )
    assert json.loads(cli("usage", "--since", "2027-01-01", "--json").out)["rows"] == []


def test_a_damaged_file_is_one_line(path: Path, cli: Cli) -> None:
    path.write_bytes(b"no database" * 1000)
    ended = cli("usage")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--by", "colour"), 'nothing is grouped by "colour"'),
        (("--since", "soon"), '"soon" is no time like'),
        (("--until", "2026-02-30"), '"2026-02-30" is no time like'),
        (("--json", "--csv"), "not allowed with argument"),
        (("--limit", "-1"), "is not a whole number from 0"),
        (("--import", "--by", "day"), "--import goes with no other option"),
        (("--import", "/no/such/place"), "/no/such/place is no directory"),
    ],
)
def test_a_wrong_word_is_one_line(path: Path, cli: Cli, words: tuple[str, ...], message: str) -> None:
    ended = cli("usage", *words)
    assert (ended.status, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1


# --- import -----------------------------------------------------------------------------------------------


def transcript(home: Path, *entries: Any) -> Path:
    return write(home / ".claude" / "projects" / "-home-ann-work-site" / "a.jsonl", *entries)


def test_import_reads_claude_codes_own_directory(path: Path, private_home: Path, cli: Cli) -> None:
    transcript(private_home, answer("1"), answer("2"), b'{"assistant" "usage"')
    assert lines(cli("usage", "--import")) == [
        "read 1 file, 1.2 kB: 2 new answers, 60 tokens, $0.00 at list prices",
        "from 2026-11-01 10:00 to 2026-11-01 10:00",
        "teamclaude usage --by month shows them, marked with *",
        "  1 of the lines could not be understood",
    ]
    assert lines(cli("usage", "--import"))[1:] == [
        "  2 are there already",
        "  1 of the lines could not be understood",
    ]
    assert [line.split()[0] for line in lines(cli("usage", "--by", "project"))[3:4]] == ["site*"]


def test_import_of_a_directory_and_its_summary(history: Path, tmp_path: Path, cli: Cli) -> None:
    transcript(
        tmp_path, answer("1", at="2026-11-29T13:00:00Z"), answer("2"), answer("3", at="2024-01-01T00:00:00Z")
    )
    found = lines(cli("usage", "--import", str(tmp_path / ".claude")))
    assert found[-2:] == [
        "  1 are not taken: the proxy itself counts since 2026-11-27 13:50",
        "  1 are older than historyRetentionDays",
    ]


def test_import_without_transcripts(path: Path, private_home: Path, cli: Cli) -> None:
    (line,) = lines(cli("usage", "--import"))
    assert line.startswith(f"found no transcripts in {private_home}/.claude/projects, ")
    assert not path.exists()


def test_progress_is_for_terminals(
    path: Path, private_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from teamclaude.cli.usage import importing

    transcript(private_home, answer("1"))
    assert cli("usage", "--import").err == ""
    shown: list[str] = []
    monkeypatch.setattr(importing, "is_terminal", lambda: True)
    monkeypatch.setattr(importing, "write_over", shown.append)
    assert cli("usage", "--import").status == 0
    assert shown[0].startswith("1 of 1 file, ")
    assert shown[-1] == ""
