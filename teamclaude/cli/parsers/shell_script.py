"""What the completion scripts of all shells have in common: the values they complete, and their parts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

from .command_words import CommandWords

__all__ = ["completed_values", "filled", "value_cases"]


def completed_values(command: CommandWords) -> Iterator[tuple[str, str]]:
    """Yield the options of a command with a value, and the numbers of its words: each with what it takes.

    That is the kind of value and the words it may be, behind one another.  What may be anything is left out.
    """
    named = [(name, option.value) for option in command.options for name in option.names]
    placed = [(str(number), place.value) for number, place in enumerate(command.places, 1)]
    for name, value in [*named, *placed]:
        if value is not None and value.kind != "any":
            yield name, " ".join((value.kind, *value.words))


def value_cases(commands: Sequence[CommandWords]) -> str:
    """Return the `case` lines by command and option that name its values, as bash and zsh have them."""
    return "\n".join(
        f"        '{command.name} {name}') value={shlex.quote(text)} ;;"
        for command in commands
        for name, text in completed_values(command)
    )


def filled(
    script: str,
    commands: Sequence[CommandWords],
    own_command: Sequence[str],
    quoted: Callable[[str], str],
    **parts: str,
) -> str:
    """Return the script with a text for each of its `@PARTS@`; `quoted` makes one word of a text."""
    parts["PASSES_ON"] = " ".join(command.name for command in commands if command.passes_on)
    parts["COMMAND"] = " ".join(quoted(word) for word in own_command)
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    return script
