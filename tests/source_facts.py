"""What the tests of the layout ask of a module: each is parsed once, and its tree is forgotten again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["SourceFacts", "facts_of", "name_of", "read_source"]

ROOT = Path(__file__).resolve().parent.parent
LOCK = re.compile(r"threading\.(Lock|RLock|Condition)\(\)")


class SourceFacts(NamedTuple):
    """Of one module."""

    imports: tuple[tuple[int, str], ...]  # line and absolute module of each, wherever in the file it stands
    for_type_checkers: frozenset[int]  # lines under `if TYPE_CHECKING`
    prints: tuple[int, ...]  # lines that call print
    definitions: frozenset[str]  # functions, classes, constants, and `Class.member`
    locks: frozenset[str]  # `Class.attribute` of each lock that a class makes


def name_of(path: Path) -> str:
    """`teamclaude/cli/commands/env.py` -> `teamclaude.cli.commands.env`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def facts_of(path: Path) -> SourceFacts:
    """Return the facts of a module of this repository."""
    return read_source(path, path.read_text("utf-8"))


def read_source(path: Path, source: str) -> SourceFacts:
    """Return what they were if the module at `path` had this text."""
    tree = ast.parse(source)
    imports: list[tuple[int, str]] = []
    guarded: set[int] = set()
    prints = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports += _imported(path, node)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            inside = (each for statement in node.body for each in ast.walk(statement))
            guarded |= {each.lineno for each in inside if isinstance(each, ast.stmt)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            prints.append(node.lineno)
    return SourceFacts(
        tuple(imports),
        frozenset(guarded),
        tuple(prints),
        frozenset(_definitions(tree)),
        frozenset(_locks(tree)) if LOCK.search(source) else frozenset(),
    )


def _imported(path: Path, node: ast.ImportFrom) -> Iterator[tuple[int, str]]:
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    base = package[: len(package) + 1 - node.level] if node.level else []
    stem = ".".join(base + (node.module or "").split(".")).strip(".")
    for alias in node.names:
        yield node.lineno, f"{stem}.{alias.name}" if stem.startswith("teamclaude") else stem


def _definitions(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        yield from _names_of(node)
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{member}" for member in _members_of(node))


def _names_of(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement binds."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


def _members_of(node: ast.ClassDef) -> Iterator[str]:
    """Yield the methods, fields and attributes of `self` of a class."""
    for statement in node.body:
        yield from _names_of(statement)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            yield inner.attr


def _locks(tree: ast.Module) -> Iterator[str]:
    for node in (each for each in tree.body if isinstance(each, ast.ClassDef)):
        for inner in (each for each in ast.walk(node) if isinstance(each, ast.Assign)):
            if LOCK.fullmatch(ast.unparse(inner.value)):
                yield from (ast.unparse(target).replace("self", node.name, 1) for target in inner.targets)
