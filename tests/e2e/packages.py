"""Install the real client and the real SDK from their registries into a cache that is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = [
    "CLAUDE_VERSIONS",
    "NotInstalledError",
    "claude",
    "claude_version",
    "claude_versions",
    "node_modules",
    "python_with",
    "version_of",
]

# Read on import: the tests themselves run with an empty HOME.
ENVIRONMENT = dict(os.environ)
CACHE = Path(
    os.environ.get("TEAMCLAUDE_E2E_CACHE") or os.path.join(os.path.expanduser("~"), ".cache/teamclaude-e2e")
)
# The second one is the last that is plain JavaScript: it needs node, and no binary for this platform.
CLAUDE_VERSIONS = ("2.1.332", "2.1.112")
INSTALL_SEC = 600.0


class NotInstalledError(Exception):
    """A package could not be installed; the text is the message of the registry's client."""


def claude_versions() -> tuple[str, ...]:
    """Return the versions to try, best first; TEAMCLAUDE_E2E_CLAUDE names another."""
    wanted = ENVIRONMENT.get("TEAMCLAUDE_E2E_CLAUDE")
    return (wanted,) if wanted else CLAUDE_VERSIONS


def claude() -> Path:
    """Return the program `claude`; raise NotInstalledError."""
    refusals = []
    for version in claude_versions():
        try:
            return claude_version(version)
        except NotInstalledError as refusal:
            refusals.append(f"claude {version}: {refusal}")
    raise NotInstalledError("; ".join(refusals))


def version_of(program: Path) -> str:
    """Return the version of a program that `claude` returned."""
    return program.parents[2].name.partition("-")[2]


def claude_version(version: str) -> Path:
    """Return the program `claude` of one version; raise NotInstalledError."""
    modules = _node_modules(CACHE / f"claude-{version}", f"@anthropic-ai/claude-code@{version}")
    program = modules / ".bin" / "claude"
    said = _run(str(program), "--version")
    if version not in said:
        raise NotInstalledError(f"{program} says it is {said.strip()}")
    return program


def node_modules(package: str) -> Path:
    """Return a directory `node_modules` that has a package of npm's; raise NotInstalledError."""
    return _node_modules(CACHE / package.strip("@").replace("/", "-"), package)


def _node_modules(directory: Path, package: str) -> Path:
    modules = directory / "node_modules"
    if not modules.exists():
        npm = shutil.which("npm", path=ENVIRONMENT.get("PATH"))
        if npm is None:
            raise NotInstalledError("npm is not on the PATH")
        part = _empty(directory)
        _run(npm, "install", "--prefix", str(part), "--no-save", "--no-audit", "--no-fund", package)
        part.rename(directory)
    return modules


def python_with(requirement: str) -> Path:
    """Return an interpreter of a virtual environment with `requirement`; raise NotInstalledError."""
    tag = f"{sys.implementation.name}{sys.version_info[0]}.{sys.version_info[1]}"
    directory = CACHE / f"{requirement.translate(str.maketrans('=<>,', '----'))}-{tag}"
    python = directory / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (directory / ".ready").exists():
        shutil.rmtree(directory, ignore_errors=True)
        # Installed in place: a virtual environment contains its own path and cannot be renamed.
        _run(sys.executable, "-m", "venv", str(directory))
        _run(str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", requirement)
        (directory / ".ready").touch()
    return python


def _empty(directory: Path) -> Path:
    """Return an empty directory to install into, beside the final one."""
    part = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SEC,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalledError(f"{command[0]}: {error}") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotInstalledError(" / ".join(lines[-4:])[:500] or f"{command[0]} ended with {done.returncode}")
    return done.stdout
