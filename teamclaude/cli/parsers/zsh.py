"""The completion script for zsh: a function for $fpath, or to be read after compinit.

zsh quotes what it inserts (compadd without -Q); names are never expanded or run.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from .command_words import CommandWords
from .shell_script import filled, value_cases

__all__ = ["zsh_script"]

_SCRIPT = r"""#compdef teamclaude
# zsh completion for teamclaude, made by: teamclaude completion zsh

# The options of a command, with their descriptions; and what each takes: flag, one word, or several.
_teamclaude_options() {
    case $1 in
@OPTIONS@
    esac
}

# What an option of a command takes, or its nth word.
_teamclaude_value() {
    case "$1 $2" in
@VALUES@
        *) value=any ;;
    esac
}

_teamclaude_names() {
    if (( $+commands[teamclaude] )); then
        command teamclaude completion --names $1 2>/dev/null
    else
        @COMMAND@ completion --names $1 2>/dev/null
    fi
}

_teamclaude_offer_value() {
    local -a found
    case $value in
        words\ *) found=(${=value#words }); compadd -a found ;;
        accounts|sessions)
            found=("${(@f)$(_teamclaude_names $value)}")
            # A name like an option is a name only after -- or =.
            if (( ! only_words && ! $# )); then found=("${(@)found:#-*}"); fi
            found=("${(@)found:#}")
            compadd -V $value -a found ;;
        files) _files ;;
        directories) _files -/ ;;
    esac
}

_teamclaude() {
    emulate -L zsh
    setopt extended_glob
    local value word pending= many= taken current
    local -i place=0 only_words=0 unknown=0
    local -a options described
    local -A takes
    if (( CURRENT == 2 )); then
        described=(@COMMANDS@)
        _describe -V command described
        return
    fi
    local command=${(Q)words[2]}
    _teamclaude_options $command
    for word in "${(@)words[3,CURRENT-1]}"; do
        word=${(Q)word}
        if [[ $word == -- ]] && (( ! only_words )); then
            only_words=1 pending=
        elif [[ $word == -* ]] && (( ! only_words )); then
            pending= many=
            taken=${takes[${word%%=*}]}
            if [[ -z $taken ]]; then
                unknown=1
            elif [[ $word != *=* && $taken != flag ]]; then
                pending=$word
                if [[ $taken == several ]]; then many=1; fi
            fi
        elif [[ -n $pending ]]; then
            if [[ -z $many ]]; then pending=; fi
        else
            (( place++ ))
        fi
        if [[ " @PASSES_ON@ " == *" $command "* ]] && (( place || only_words || unknown )); then
            _files
            return
        fi
    done
    current=${(Q)PREFIX}
    if [[ -n $pending && $current != -* ]]; then
        _teamclaude_value $command $pending
        _teamclaude_offer_value
    elif [[ $current == --*=* ]] && (( ! only_words )); then
        _teamclaude_value $command ${current%%=*}
        compset -P 1 '*='
        _teamclaude_offer_value =
    elif [[ $current == -* ]] && (( ! only_words )); then
        _describe -o option options
    else
        _teamclaude_value $command $(( place + 1 ))
        if [[ $value == any && -z $current ]] && (( ! only_words )); then
            _describe -o option options
        else
            _teamclaude_offer_value
        fi
    fi
}

if [[ $funcstack[1] == _teamclaude ]]; then
    _teamclaude "$@"
elif (( $+functions[compdef] )); then
    compdef _teamclaude teamclaude
fi
"""


def zsh_script(commands: Sequence[CommandWords], own_command: Sequence[str]) -> str:
    """Return the script; `own_command` starts this program where no `teamclaude` is on the PATH."""
    options = []
    for command in commands:
        described, takes = [], []
        for option in command.options:
            for name in option.names:
                described.append(_described(name, option.help))
                takes.append(
                    f"{name} {'flag' if option.value is None else 'several' if option.is_many else 'one'}"
                )
        options.append(
            f"        {command.name})\n            options=({' '.join(described)})\n"
            f"            takes=({' '.join(takes)}) ;;"
        )
    return filled(
        _SCRIPT,
        commands,
        own_command,
        shlex.quote,
        COMMANDS=" ".join(_described(command.name, command.help) for command in commands),
        OPTIONS="\n".join(options),
        VALUES=value_cases(commands),
    )


def _described(name: str, help: str) -> str:
    """Return `name:description` for _describe, which takes a backslash before a colon of the name."""
    escaped = name.replace("\\", "\\\\").replace(":", "\\:")
    return shlex.quote(f"{escaped}:{' '.join(help.split())}")
