"""The completion script for fish (3.1 or newer).

fish quotes what it inserts; names are never expanded or run.
"""

from __future__ import annotations

from collections.abc import Sequence

from .command_words import CommandWords
from .shell_script import completed_values, filled

__all__ = ["fish_script"]

_SCRIPT = r"""# fish completion for teamclaude, made by: teamclaude completion fish

# The options of a command with how many words each takes: none, = one, =+ several; and their descriptions.
function __teamclaude_options
    switch $argv[1]
@OPTIONS@
    end
end

# What an option of a command takes, or its nth word.
function __teamclaude_value
    switch "$argv[1] $argv[2]"
@VALUES@
        case '*'
            echo any
    end
end

function __teamclaude_names
    if command -sq teamclaude
        command teamclaude completion --names $argv[1] 2>/dev/null
    else
        @COMMAND@ completion --names $argv[1] 2>/dev/null
    end
end

# Print the values of a kind; $argv[1] is the option with its =, if it is in the same word.
function __teamclaude_offer --no-scope-shadowing
    set -l before $argv[1]
    switch $value[1]
        case words
            printf '%s\n' $before$value[2..-1]
        case accounts sessions
            for name in (__teamclaude_names $value[1])
                # A name like an option is a name only after -- or =.
                if test -n "$before$only_words"
                    printf '%s\n' "$before$name"
                else if not string match -q -- '-*' $name
                    printf '%s\n' "$name"
                end
            end
        case files
            printf "$before%s\n" (__fish_complete_path (string replace -- "$before" '' $current))
        case directories
            printf "$before%s\n" (__fish_complete_directories (string replace -- "$before" '' $current))
    end
end

function __teamclaude_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l place 0
    set -l pending
    set -l many
    set -l only_words
    set -l unknown
    set -l value
    if test (count $words) -lt 2
        printf '%s\t%s\n' @COMMANDS@
        return
    end
    set -l command $words[2]
    set -l options (__teamclaude_options $command)
    for word in $words[3..-1]
        if test "x$word" = x--; and test -z "$only_words"
            set only_words 1
            set pending
        else if string match -q -- '-*' $word; and test -z "$only_words"
            set pending
            set many
            set -l name (string replace -r -- '=.*' '' $word)
            set -l found (string match -r -- '^'(string escape --style=regex -- $name)'(=?\+?)\t' $options)
            if test -z "$found[1]"
                set unknown 1
            else if test -n "$found[2]"; and test "x$name" = "x$word"
                set pending $word
                test "$found[2]" = '=+'; and set many 1
            end
        else if test -n "$pending"
            test -z "$many"; and set pending
        else
            set place (math $place + 1)
        end
        if contains -- $command @PASSES_ON@; and test "$place$only_words$unknown" != 0
            set value files
            __teamclaude_offer ''
            return
        end
    end
    if test -n "$pending"; and not string match -q -- '-*' "$current"
        set value (__teamclaude_value $command $pending | string split ' ')
        __teamclaude_offer ''
    else if string match -q -- '--*=*' "$current"; and test -z "$only_words"
        set -l option (string replace -r -- '=.*' '' $current)
        set value (__teamclaude_value $command $option | string split ' ')
        __teamclaude_offer "$option="
    else if string match -q -- '-*' "$current"; and test -z "$only_words"
        string replace -r -- '=?\+?\t' \t $options
    else
        set value (__teamclaude_value $command (math $place + 1) | string split ' ')
        if test "$value[1]" = any; and test -z "$current$only_words"
            string replace -r -- '=?\+?\t' \t $options
        else
            __teamclaude_offer ''
        end
    end
end

complete -c teamclaude -f -a '(__teamclaude_complete)'
"""


def fish_script(commands: Sequence[CommandWords], own_command: Sequence[str]) -> str:
    """Return the script; `own_command` starts this program where no `teamclaude` is on the PATH."""
    options, values = [], []
    for command in commands:
        lines = []
        for option in command.options:
            mark = "" if option.value is None else "=+" if option.is_many else "="
            lines += [f"{_quoted(name + mark)} {_quoted(_line(option.help))}" for name in option.names]
        joined = " \\\n                ".join(lines)
        options.append(f"        case {command.name}\n            printf '%s\\t%s\\n' {joined}")
        for name, text in completed_values(command):
            values.append(
                f"        case {_quoted(f'{command.name} {name}')}\n            echo {_quoted(text)}"
            )
    return filled(
        _SCRIPT,
        commands,
        own_command,
        _quoted,
        COMMANDS=" ".join(f"{command.name} {_quoted(_line(command.help))}" for command in commands),
        OPTIONS="\n".join(options),
        VALUES="\n".join(values),
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
