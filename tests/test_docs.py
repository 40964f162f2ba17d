"""What README.md, CHANGELOG.md, the manual and .github say is true, as far as a machine can check it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teamclaude.cli.dispatch import COMMANDS, find_command, parser_for
from teamclaude.manual import topics
from teamclaude.routing.policies.registry import POLICIES

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "teamclaude" / "manual").glob("*.md")),
    *sorted((ROOT / ".github").glob("*.md")),
]


def commands_in(text: str) -> list[list[str]]:
    """Return the words after `teamclaude` of each command line that a page shows."""
    code = re.findall(r"`([^`\n]+)`", text) + [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()
    ]
    code += [line.strip() for line in text.splitlines() if line.startswith("  ")]
    found = [re.search(r"(?:^|\(|-m )teamclaude ([^#)\"|`]+)", piece.strip()) for piece in code]
    return [match.group(1).split() for match in found if match]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_named_exists_with_its_options(page: Path) -> None:
    for words in commands_in(page.read_text("utf-8")):
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
    assert commands_in(inline + blocks) == [["status", "--json"], ["env"], ["demo"], ["run", "--", "-p"]]


def test_the_readme_names_the_commands_people_need() -> None:
    named = {words[0] for words in commands_in(README.read_text("utf-8"))}
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


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


def test_every_make_target_named_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"`?make ([a-z-]+)`", page.read_text("utf-8"))}
    assert named
    assert named <= make_targets()


def test_the_ci_runs_the_readmes_test_command() -> None:
    (command,) = re.findall(r"^(make \S+) .*# run the tests", README.read_text("utf-8"), re.M)
    for ci in (".ci/run", ".github/workflows/ci.yml"):
        assert re.search(rf"^\s*(- run: )?{command}\b", (ROOT / ci).read_text("utf-8"), re.M), ci


def test_the_workflow_and_the_hooks_use_make_targets_that_exist() -> None:
    for file in (".ci/run", ".github/workflows/ci.yml", ".pre-commit-config.yaml"):
        used = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / file).read_text("utf-8")))
        assert used
        assert used <= make_targets()


def test_the_workflow_tests_every_version_that_the_metadata_names() -> None:
    named = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8")
    )
    matrix = re.search(r"python: \[(.*)\]", (ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    assert matrix
    assert re.findall(r"3\.\d+", matrix[1]) == named


def test_the_page_of_the_lab_lists_every_policy() -> None:
    page = (ROOT / "teamclaude" / "manual" / "lab.md").read_text("utf-8")
    listed = page.partition("The policies (routing.policy)\n---")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^  ([a-z-]+)  ", listed, re.M)) == sorted(POLICIES)


@pytest.mark.parametrize("page", ["config", "security"])
def test_every_file_beside_the_config_file_is_listed(page: str) -> None:
    sources = [path.read_text("utf-8") for path in sorted((ROOT / "teamclaude").rglob("*.py"))]
    pattern = r'\{stem\}\.([a-z.]+)"|(?:path_beside|state_place)\([\w.]+, "([a-z.]+)"\)|"teamclaude\.(spool)"'
    made = {"." + "".join(groups) for text in sources for groups in re.findall(pattern, text)}
    assert {".state.json", ".tls", ".undo", ".spool", ".tokens"} <= made
    text = (ROOT / "teamclaude" / "manual" / f"{page}.md").read_text("utf-8")
    assert {name for name in made if not re.search(rf"^  teamclaude\{name}\b", text, re.M)} == set()


def test_the_readme_is_at_most_200_lines() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 200


def test_the_changelog_is_in_order() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    order = ["Security", "Changed", "Added", "Fixed"]
    releases = re.split(r"^## ", text, flags=re.M)[1:]
    assert releases
    for release in releases:
        kinds = re.findall(r"^### (\w+)", release, re.M)
        assert kinds
        assert kinds == [kind for kind in order if kind in kinds]
