"""Claude Code's settings, read as Claude Code reads them; nothing is changed.

Measured with 2.1.332 and 2.1.112 (2026-11); both agree where no version is named:

1. From the lowest to the highest: the environment, `.claude.json`, user, project, local, `--settings`,
   managed (managed-settings.json, then managed-settings.d/*.json by name).  Variables are merged one by one,
   and every one of them beats the environment.  `--setting-sources` switches user, project and local off.
2. A file is UTF-8, with or without a byte order mark, or UTF-16LE with one.  Bytes that are no UTF-8 are
   replaced.  An empty file is no settings.
3. Of a file that JSON.parse refuses (comments, a comma after the last item, UTF-16BE), or whose `env` is no
   object, nothing is in effect.  2.1.332 says so, 2.1.112 does not.  Of a key that stands twice the last
   one counts.
4. Values become text as by String(): 5 is "5", null is "null".
5. Local settings are those of the working directory; 2.1.332 takes those at the root of the git repository
   instead, of a worktree those of its main checkout.
6. Managed settings may also come from the registry (Windows), a profile (macOS) or Anthropic's server, which
   are not asked here; the server's last ones are in `remote-settings.json` and hold for the API's host only.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from ...accounts.importing.claude_files import claude_directory
from ...values import NamedTuple

__all__ = [
    "BaseUrl",
    "Layer",
    "SettingsError",
    "base_urls_in_settings",
    "bytes_of",
    "layer_of",
    "main_checkout",
    "parse_settings",
    "read_layers",
    "settings_option",
]

MAX_BYTES = 64 << 20  # .claude.json has the history of all projects
SOURCES = ("user", "project", "local")
MANAGED = {
    "linux": "/etc/claude-code",
    "darwin": "/Library/Application Support/ClaudeCode",
    "win32": r"C:\Program Files\ClaudeCode",
}


class SettingsError(ValueError):
    """Settings that Claude Code ignores or refuses; one line without their content."""


class Layer(NamedTuple):
    """The variables of one source of settings.

    `scope`: global, user, project, local, flag, managed or remote.  `source` names it in messages: a path or
    an option.  With a `problem` nothing of it is in effect.
    """

    scope: str
    source: str
    variables: Mapping[str, str] = {}
    api_key_helper: str = ""
    problem: str = ""

    @property
    def is_of_project(self) -> bool:
        """Whether it may have come with a repository that somebody cloned."""
        return self.scope in ("project", "local")

    @property
    def is_managed(self) -> bool:
        """Whether nobody but an administrator can override it."""
        return self.scope in ("managed", "remote")


class BaseUrl(NamedTuple):
    """An `ANTHROPIC_BASE_URL` in a settings file, which overrides the environment."""

    file: Path
    url: str


def read_layers(
    env: Mapping[str, str],
    project: Path,
    sources: Iterable[str] = SOURCES,
    platform: str = sys.platform,
    managed: Optional[Path] = None,
) -> list[Layer]:
    """Return the layers that have a file here, the lowest first; `managed` is the directory of theirs."""
    wanted = [*sources]
    directory = managed or Path(MANAGED.get(platform, MANAGED["linux"]))
    return [
        layer
        for scope, path in _files(env, project, directory)
        if scope not in SOURCES or scope in wanted
        for layer in _read(scope, path)
    ]


def base_urls_in_settings(
    env: Mapping[str, str], project: Path, platform: str = sys.platform
) -> list[BaseUrl]:
    """Return the base URLs in the settings files, highest precedence first; skip unreadable files."""
    found = (
        (layer, layer.variables.get("ANTHROPIC_BASE_URL")) for layer in _local_layers(env, project, platform)
    )
    return [BaseUrl(Path(layer.source), url) for layer, url in found if url]


def _local_layers(env: Mapping[str, str], project: Path, platform: str) -> list[Layer]:
    layers = read_layers(env, project, platform=platform)
    return [layer for layer in reversed(layers) if layer.scope != "remote"]


def parse_settings(data: bytes) -> dict[str, Any]:
    """Return the settings in a file's bytes; raise SettingsError if Claude Code would ignore them."""
    if data.startswith(b"\xff\xfe"):
        text = data[2:].decode("utf-16-le", "replace")
    else:
        text = data.decode("utf-8", "replace")
    text = text[1:] if text.startswith("\ufeff") else text
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = f"line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
        raise SettingsError(f"is not JSON ({what})") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            "is not JSON" if isinstance(error, ValueError) else "is nested too deeply"
        ) from None
    if not isinstance(found, dict):
        raise SettingsError("is no JSON object")
    if not isinstance(found.get("env", {}), dict):
        raise SettingsError("has an env that is no object")
    return found


def layer_of(scope: str, source: str, settings: Mapping[str, Any]) -> Layer:
    """Return the layer of parsed settings."""
    variables = {name: _text(value) for name, value in settings.get("env", {}).items()}
    helper = settings.get("apiKeyHelper")
    return Layer(scope, source, variables, helper if isinstance(helper, str) else "")


def settings_option(value: str, directory: Path) -> dict[str, Any]:
    """Return the settings that `--settings VALUE` gives in `directory`: JSON text or the path of a file.

    Raise SettingsError when Claude Code would refuse or ignore it.
    """
    text = value.strip()
    if not text:
        return {}
    if text.startswith("{") and text.endswith("}"):
        try:
            return parse_settings(text.encode("utf-8", "surrogatepass"))
        except SettingsError as error:
            raise SettingsError(f"the text {error}") from None
    path = directory / value
    try:
        return parse_settings(path.read_bytes())
    except SettingsError as error:
        raise SettingsError(f"{path} {error}") from None
    except FileNotFoundError:
        raise SettingsError(f"{path} is no file") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read ({getattr(error, 'strerror', None) or error})") from None


# --- files ------------------------------------------------------------------------------------------


def _files(env: Mapping[str, str], project: Path, managed: Path) -> list[tuple[str, Path]]:
    """Return (scope, path), the lowest first; the home directory may be the project."""
    own = Path(claude_directory(env))
    roots = dict.fromkeys([project, main_checkout(project) or project])
    files = [
        ("global", _global_file(env, own)),
        ("user", own / "settings.json"),
        ("project", project / ".claude" / "settings.json"),
        *(("local", root / ".claude" / "settings.local.json") for root in roots),
        ("managed", managed / "managed-settings.json"),
        *(("managed", path) for path in sorted((managed / "managed-settings.d").glob("*.json"))),
        ("remote", own / "remote-settings.json"),
    ]
    by_path: dict[Path, str] = {}
    for scope, path in files:
        by_path.setdefault(path, scope)
    return [(scope, path) for path, scope in by_path.items()]


def _global_file(env: Mapping[str, str], own: Path) -> Path:
    return (own if env.get("CLAUDE_CONFIG_DIR") else own.parent) / ".claude.json"


def main_checkout(project: Path) -> Optional[Path]:
    """Return the root of the git repository, of a worktree that of its main checkout."""
    for directory in (project, *project.parents):
        mark = directory / ".git"
        try:
            if mark.is_dir():
                return directory
            if mark.is_file():
                git = Path(directory, mark.read_text("utf-8").partition("gitdir:")[2].strip())
                return Path(os.path.abspath(git / (git / "commondir").read_text("utf-8").strip())).parent
        except (OSError, ValueError):
            return None
    return None


def _read(scope: str, path: Path) -> Iterator[Layer]:
    try:
        data = bytes_of(path)
        if scope == "global" and b'"env"' not in data:
            return  # it may have megabytes of history
        yield layer_of(scope, str(path), parse_settings(data))
    except (FileNotFoundError, NotADirectoryError):
        return
    except SettingsError as error:
        yield Layer(scope, str(path), problem=str(error))
    except OSError as error:
        yield Layer(scope, str(path), problem=f"can't be read ({error.strerror or error})")


def bytes_of(path: Path) -> bytes:
    """Return a file's bytes; a repository may hold a link to /dev/zero in its place.  Raise OSError."""
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(f"it is larger than {MAX_BYTES >> 20} MiB")
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Open without a wait for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_constant(word: str) -> Any:
    raise ValueError(word)


def _text(value: Any) -> str:
    """Return a value as JavaScript's String() writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, list):
        return ",".join("" if item is None else _text(item) for item in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value)
