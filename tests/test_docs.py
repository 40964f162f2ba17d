"""What the README says is true.  Run as a program it writes the README's table of settings anew."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from teamclaude.accounts.config.settings_table import settings_table  # noqa: E402
from teamclaude.cli.command_table import COMMANDS, find_command  # noqa: E402
from teamclaude.cli.dispatch import parser_for  # noqa: E402
from teamclaude.manual import topics  # noqa: E402

README = ROOT / "README.md"
BEGIN = "<!-- settings: written by `python3 tests/test_docs.py` -->\n"
END = "<!-- end of settings -->\n"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "teamclaude" / "manual").glob("*.md"))]


def settings_lines() -> list[str]:
    """The table of all settings in Markdown."""
    lines = ["| key | type | default | what for |", "|---|---|---|---|"]
    for row in settings_table():
        kind = f"{row.type}, {row.unit}" if row.unit else row.type
        default = row.default if row.default in ("", "required") else f"`{row.default}`"
        cells = [f"`{row.name}`", kind, default, row.why]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def test_the_table_of_settings_is_the_one_in_the_code() -> None:
    text = README.read_text("utf-8")
    table = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert table.splitlines() == settings_lines(), "run: python3 tests/test_docs.py"


def told_commands(text: str) -> list[list[str]]:
    """The words after `teamclaude` wherever a page shows a command line."""
    code = re.findall(r"`([^`\n]+)`", text) + [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()
    ]
    code += [line.strip() for line in text.splitlines() if line.startswith("  ")]
    found = [re.search(r"(?:^|\(|-m )teamclaude ([^#)\"|`]+)", piece.strip()) for piece in code]
    return [match.group(1).split() for match in found if match]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_named_exists_with_its_options(page: Path) -> None:
    for words in told_commands(page.read_text("utf-8")):
        if words[0].startswith("-"):
            assert words[0] in ("--version", "--help")
            continue
        options = parser_for(find_command(words[0])).format_help()  # UsageError for what is no command
        end = words.index("--") if "--" in words else len(words)
        assert [word for word in words[1:end] if word.startswith("--") and word not in options] == []
        if words[0] == "help" and len(words) > 1 and words[1].islower():
            assert words[1] in topics() + [command.name for command in COMMANDS]


def test_the_check_sees_commands_in_every_form() -> None:
    inline = 'a `teamclaude status --json` b `eval "$(teamclaude env)"`\n'
    blocks = "```sh\npython3 -m teamclaude demo  # x\n```\n    teamclaude run -- -p\n"
    assert told_commands(inline + blocks) == [["status", "--json"], ["env"], ["demo"], ["run", "--", "-p"]]


def test_the_readme_names_the_commands_people_need() -> None:
    named = {words[0] for words in told_commands(README.read_text("utf-8"))}
    assert {
        "server",
        "run",
        "env",
        "status",
        "capacity",
        "accounts",
        "explain",
        "switch",
        "demo",
        "help",
    } <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = {name for page in PAGES for name in re.findall(r"`?make ([a-z-]+)`", page.read_text("utf-8"))}
    assert named
    assert named <= targets


def test_the_ci_runs_the_readmes_test_command() -> None:
    (command,) = re.findall(r"^(make \S+) .*# run the tests", README.read_text("utf-8"), re.M)
    assert command in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_changelog_is_in_order() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    order = ["Security", "Changed", "Added", "Fixed"]
    releases = re.split(r"^## ", text, flags=re.M)[1:]
    assert releases
    for release in releases:
        kinds = re.findall(r"^### (\w+)", release, re.M)
        assert kinds
        assert kinds == [kind for kind in order if kind in kinds]


if __name__ == "__main__":
    page = README.read_text("utf-8")
    before, after = page[: page.index(BEGIN) + len(BEGIN)], page[page.index(END) :]
    README.write_text(before + "\n".join(settings_lines()) + "\n" + after, "utf-8")
