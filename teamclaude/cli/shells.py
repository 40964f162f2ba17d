"""Environment assignments in the syntax of a shell, quoted so that no value can become a command.  Pure.

Each statement is one line, even for a value with line breaks, and ends with `;`: it survives
`eval $(teamclaude env)` without quotes, where the shell joins the output into one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

__all__ = ["SHELLS", "export_statements"]


def export_statements(variables: Mapping[str, str], shell: str) -> str:
    """Return the statements that set `variables`; `shell` is a key of SHELLS."""
    return SHELLS[shell](variables)


def _sh(variables: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={_sh_value(value)};" for name, value in variables.items())


def _sh_value(value: str) -> str:
    lines = ["'" + line.replace("'", "'\"'\"'") + "'" for line in value.split("\n")]
    if len(lines) == 1:
        return lines[0]
    return f"\"$(printf '%s\\n' {' '.join(lines)})\""


def _fish(variables: Mapping[str, str]) -> str:
    return "\n".join(f"set -gx {name} {_fish_value(value)};" for name, value in variables.items())


def _fish_value(value: str) -> str:
    # In fish's single quotes a backslash escapes a quote and itself, nothing else.
    lines = ("'" + line.replace("\\", "\\\\").replace("'", "\\'") + "'" for line in value.split("\n"))
    return "\\n".join(lines)


def _powershell(variables: Mapping[str, str]) -> str:
    return "\n".join(f"$env:{name} = {_powershell_value(value)};" for name, value in variables.items())


def _powershell_value(value: str) -> str:
    # PowerShell treats typographic single quotes as plain ones: double each.
    doubled = "".join(char * 2 if char in "'\u2018\u2019\u201a\u201b" else char for char in value)
    return ' + "`n" + '.join(f"'{line}'" for line in doubled.split("\n"))


def _json(variables: Mapping[str, str]) -> str:
    return json.dumps(dict(variables), indent=2)


SHELLS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "sh": _sh,
    "fish": _fish,
    "powershell": _powershell,
    "json": _json,
}
