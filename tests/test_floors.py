"""The rules of the layout that a machine can check: imports, printing, sizes."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from tests.source_facts import facts_of, name_of, read_source

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "teamclaude"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# What each part of the package may import of it; errors, settings, threads, values... are free to all.
MAY_IMPORT = {
    "snapshot": {"snapshot"},
    "routing": {"routing", "snapshot"},
    "dial": {"dial"},
    "forecast": {"forecast", "snapshot"},
    "accounts": {"accounts", "dial", "snapshot", "routing"},
    "history": {"history", "snapshot", "routing"},
    "lab": {"lab", "forecast", "snapshot", "routing"},
    "web": {"web", "history", "snapshot"},
    "metrics": {"metrics", "history", "snapshot", "routing"},
    "alerts": {"alerts", "accounts", "dial", "snapshot"},
    "fakeapi": {"fakeapi"},
    "proxy": {
        *("proxy", "alerts", "metrics", "web", "history", "accounts"),
        *("forecast", "dial", "snapshot", "routing"),
    },
    "demo": {"demo", "fakeapi", "proxy", "accounts", "snapshot", "routing"},
    "deck": {"deck", "proxy", "history", "accounts", "snapshot", "routing"},
    "manual": {"manual"},
}
MAY_IMPORT["cli"] = {*MAY_IMPORT, "cli"}
# The same inside of proxy/: what moves bytes knows nothing of accounts.
PROXY_MAY_IMPORT = {"http": {"proxy.http", "dial"}, "net": {"proxy.http", "proxy.net", "dial"}}
IMPURE = {"time", "threading", "socket", "http", "os", "random", "logging", "curses", "subprocess"}


def part_of(module: str) -> str:
    """The part of the package a module belongs to: `cli`, `routing`, ... or `` for the free ones."""
    words = module.split(".")
    return words[1] if len(words) > 1 and words[1] in MAY_IMPORT else ""


def imports(path: Path) -> tuple[tuple[int, str], ...]:
    """(line, absolute module) of each import, wherever in the file it stands."""
    return facts_of(path).imports


def floor_faults(path: Path, source: str | None = None) -> list[str]:
    me = part_of(name_of(path)) or ("cli" if path.name == "__main__.py" else "")
    return [
        f"{path.name}:{line}: {me or 'a free module'} imports {target}"
        for line, target in (facts_of(path) if source is None else read_source(path, source)).imports
        if part_of(target) and part_of(target) not in MAY_IMPORT.get(me, set())
    ]


def test_imports_only_go_down() -> None:
    assert [fault for path in SOURCES for fault in floor_faults(path)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("teamclaude/routing/quota/rules.py", "from ...accounts import config"),
        ("teamclaude/routing/quota/rules.py", "def f():\n    import teamclaude.proxy.server"),
        ("teamclaude/proxy/http/head.py", "from ...demo.runner import Demo"),
        ("teamclaude/errors.py", "from . import cli"),
        ("teamclaude/demo/runner.py", "from ..deck import text"),
        ("teamclaude/fakeapi/api.py", "from ..proxy.http import head"),
        ("teamclaude/snapshot.py", "from .proxy import status"),
    ],
)
def test_the_floor_check_sees_an_import_upwards(path: str, source: str) -> None:
    assert len(floor_faults(ROOT / path, source)) == 1


@pytest.mark.parametrize("folder", ["routing", "proxy.http"])
def test_a_pure_folder_has_no_clock_lock_socket_or_file(folder: str) -> None:
    sources = [path for path in SOURCES if name_of(path).startswith(f"teamclaude.{folder}")]
    assert sources
    assert [
        f"{path.name}:{line}: {target}"
        for path in sources
        for line, target in imports(path)
        if target.split(".")[0] in IMPURE
    ] == []


def test_what_moves_bytes_knows_nothing_of_accounts() -> None:
    found = []
    for folder, allowed in PROXY_MAY_IMPORT.items():
        free = ("teamclaude.errors", "teamclaude.lazy_modules.", "teamclaude.values.")
        ours = (*free, *(f"teamclaude.{part}." for part in allowed))
        sources = [path for path in SOURCES if name_of(path).startswith(f"teamclaude.proxy.{folder}")]
        assert sources
        found += [
            f"{name_of(path)}:{line}: {target}"
            for path in sources
            for line, target in imports(path)
            if target.startswith("teamclaude.") and not target.startswith(ours)
        ]
    assert found == []


def folder_of(imported: str) -> str:
    """Return the folder of a module or of a name in it; modules of the top level stand for themselves."""
    words = imported.split(".")
    while len(words) > 1 and not (
        ROOT.joinpath(*words).is_dir() or ROOT.joinpath(*words).with_suffix(".py").exists()
    ):
        words.pop()
    if not ROOT.joinpath(*words).is_dir() and len(words) > 2:
        words.pop()
    return ".".join(words)


def folder_graph() -> dict[str, set[str]]:
    """Return for each folder those that it imports from at run time."""
    graph: dict[str, set[str]] = {}
    for path in SOURCES:
        here, unseen = folder_of(name_of(path)), facts_of(path).for_type_checkers
        targets = {folder_of(target) for line, target in imports(path) if line not in unseen}
        graph.setdefault(here, set()).update(folder for folder in targets if folder.startswith("teamclaude."))
    return {here: folders - {here} for here, folders in graph.items() if here != "teamclaude"}


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        new = graph.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def test_no_two_folders_import_each_other() -> None:
    graph = folder_graph()
    assert {folder for folder in graph if folder in reached(graph, folder)} == set()


def test_the_circle_check_sees_a_circle() -> None:
    assert reached({"a": {"b"}, "b": {"c"}, "c": {"a"}}, "a") == {"a", "b", "c"}
    assert folder_of("teamclaude.routing.fleet.Fleet") == "teamclaude.routing"
    assert folder_of("teamclaude.errors.ConfigError") == "teamclaude.errors"
    assert folder_of("teamclaude.proxy.net") == "teamclaude.proxy.net"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="sys.stdlib_module_names came with 3.10")
def test_run_time_imports_are_stdlib_or_ours() -> None:
    ours = {"teamclaude", "__future__"} | set(getattr(sys, "stdlib_module_names", ()))
    found = [
        f"{name_of(path)}:{line}: {target}"
        for path in SOURCES
        for line, target in imports(path)
        if target.split(".")[0] not in ours and line not in facts_of(path).for_type_checkers
    ]
    assert found == []


def test_only_the_command_line_prints() -> None:
    found = [
        f"{name_of(path)}:{line}"
        for path in SOURCES
        if part_of(name_of(path)) != "cli"
        for line in facts_of(path).prints
    ]
    assert found == []


def test_only_one_file_imports_curses() -> None:
    painters = [name_of(path) for path in SOURCES for _, target in imports(path) if target == "curses"]
    assert painters in ([], ["teamclaude.deck.terminal.screen"])


def test_no_file_is_over_400_lines() -> None:
    sizes = {str(path.relative_to(ROOT)): lines_of(path) for path in SOURCES + TESTS}
    assert {name: lines for name, lines in sizes.items() if lines > 400} == {}


# A file tells one whole story in 80 to 300 lines.  These are longer, because:
LONGER = {
    "accounts/config/config.py": "every setting but those of routing, declared once",
    "accounts/config/schema.py": "one walk over type hints: reading, writing and describing by it",
    "accounts/tokens/token_manager.py": "the one place that decides when which token is refreshed",
    "cli/proxy_client.py": "one client: who answers, what it is asked, and each failure as one line",
    "demo/runner.py": "the story of the demo, from its start to its report",
    "errors.py": "one tree of all errors, sorted by whose fault they are",
    "fakeapi/api.py": "one handler of one connection: a request's way to its answer",
    "proxy/connection.py": "one handler of one connection: every error becomes an answer",
    "proxy/forwarding/forwarder.py": "one request from account to account",
    "proxy/forwarding/router.py": "every method is one critical section of one lock",
    "proxy/http/framing.py": "RFC 9112, sections 6 and 7, with their exceptions",
    "proxy/http/head.py": "RFC 9112, sections 2 to 5, with the cache of known layouts",
    "proxy/messages/body_scan.py": "one scanner of JSON with its limits",
    "proxy/net/connection_task.py": "one task: every step of a request that the loop can make",
    "proxy/net/event_loop.py": "the loop and the state that its tasks share",
    "proxy/net/client_connection.py": "one connection to a client, with and without TLS",
    "proxy/net/upstream_connection.py": "one connection to the API, and the response on it",
    "proxy/records/exchange.py": "one request: fields, waits, outcome, JSON",
    "proxy/server.py": "the server as a whole: what it is made of, its start and its shutdown in order",
    "proxy/runtime.py": "all that lives as long as the server, and its reload",
    "routing/apply_response.py": "the table of what each kind of answer changes",
    "routing/choice.py": "the steps of one choice, in their order",
    "routing/fleet.py": "the state machine: only here routing state changes",
    "routing/persistence.py": "what a restart keeps, written and read back side by side",
    "routing/state/account.py": "one account: fields and the predicates that policies share",
    "routing/wait_queue.py": "one walk of the queue, and what makes it short",
    "snapshot.py": "every field that is displayed, declared once",
    "values.py": "dataclasses and named tuples: what the package needs of both",
}


def test_a_file_over_300_lines_has_a_reason() -> None:
    long = {str(path.relative_to(PACKAGE)) for path in SOURCES if lines_of(path) > 300}
    assert long - set(LONGER) == set()


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_every_module_imports_here() -> None:
    for path in SOURCES:
        if path.name != "screen.py" or importlib.util.find_spec("curses"):
            importlib.import_module(name_of(path))


def test_every_module_with_code_postpones_annotations() -> None:
    # On 3.9 `int | None` in a signature is an error at import without it.  __main__ compiles on 3.6, which
    # has no such import, and says which version is needed.
    texts = {name_of(path): path.read_text("utf-8") for path in SOURCES if path.name != "__main__.py"}
    assert [
        name
        for name, text in texts.items()
        if re.search(r"^(def|class|import|from) ", text, re.M)
        and "from __future__ import annotations" not in text
    ] == []


def test_the_top_level_holds_nothing_else() -> None:
    known = {"teamclaude", "tests", "pyproject.toml", "Makefile", "LICENSE", "README.md", "CHANGELOG.md"}
    made = {"build", "dist", "PKG-INFO"}  # the last one by unpacking a source distribution
    extra = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".") and not path.name.endswith(".egg-info")
    }
    assert extra - known - made == set()


# --- folders and names ----------------------------------------------------------------------------------

FOLDERS = [path.parent for path in SOURCES if path.name == "__init__.py"]
MOST_MODULES = 16  # of a folder, without __init__.py
METAPHORS = re.compile(
    r"ferry|berth|moor|aboard|herald|knock|\bdoors?\b|\bhouse\b|wish|gauging|\bfilm\b|sieve|passenger|landed",
    re.I,
)


# In any text that METAPHORS finds something in; a look for these first takes a tenth of the time.
PARTS = [
    *("ferry", "berth", "moor", "aboard", "herald", "knock", "door", "house", "wish"),
    *("gauging", "film", "sieve", "passenger", "landed"),
]


def test_a_word_that_is_a_metaphor_contains_one_of_the_parts() -> None:
    assert re.sub(r"\\b|\?", "", METAPHORS.pattern).replace("doors", "door").split("|") == PARTS


def contents(folder: Path) -> set[str]:
    """Return the names of a folder's modules and subpackages."""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    return modules | {path.parent.name for path in folder.glob("*/__init__.py")}


def test_every_folder_lists_what_is_in_it() -> None:
    wrong = {}
    for folder in FOLDERS:
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
        listed = re.findall(r"^- (\w+): \S", text, re.M)
        if sorted(listed) != sorted(contents(folder)):
            wrong[str(folder.relative_to(ROOT))] = sorted(set(listed) ^ contents(folder))
    assert wrong == {}


def test_no_folder_has_more_than_16_modules() -> None:
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) - 1 for folder in FOLDERS}
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_names_are_no_metaphors() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*SOURCES, *TESTS, *(PACKAGE / "manual").glob("*.md")]
        if path != Path(__file__)
        for text in [path.read_text("utf-8")]
        for lower in [text.lower()]
        if any(part in lower for part in PARTS)
        for number, line in enumerate(text.splitlines(), 1)
        if METAPHORS.search(line)
    ]
    assert found == []
