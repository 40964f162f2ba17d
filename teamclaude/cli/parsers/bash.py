"""The completion script for bash (3.2 or newer).

Names are not expanded and never run: the script reads the line itself, and appends to what is typed the rest
of a name, quoted as the open quotes ask for.  So a `@`, `:` or `=` in a name needs no care, although readline
begins a new word there.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from .command_words import CommandWords, Value
from .shell_script import filled, value_cases

__all__ = ["bash_script"]

_SCRIPT = r"""# bash completion for teamclaude, made by: teamclaude completion bash

_teamclaude_commands=@COMMANDS@

# The options of a command: one with = has a value, with =+ several.
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
    if type -P teamclaude >/dev/null; then
        command teamclaude completion --names "$1" 2>/dev/null
    else
        @COMMAND@ completion --names "$1" 2>/dev/null
    fi
}

# Split the line up to the cursor into words without their quotes. The last one is in typed.
_teamclaude_split() {
    local line=${COMP_LINE:0:COMP_POINT} i c begun=
    words=() typed= quote=
    for ((i = 0; i < ${#line}; i++)); do
        c=${line:i:1}
        if [[ $quote == "'" ]]; then
            if [[ $c == "'" ]]; then quote=; else typed+=$c; fi
        elif [[ $c == \\ ]]; then
            ((++i))
            c=${line:i:1} begun=1
            if [[ $quote && $c != [\"\\\$\`] ]]; then typed+=\\; fi
            typed+=$c
        elif [[ $quote ]]; then
            if [[ $c == '"' ]]; then quote=; else typed+=$c; fi
        elif [[ $c == [\'\"] ]]; then
            quote=$c begun=1
        elif [[ $c == [[:space:]] ]]; then
            if [[ $begun ]]; then words+=("$typed"); fi
            typed= begun=
        else
            typed+=$c begun=1
        fi
    done
    while [[ ${words[0]} == [A-Za-z_]*=* ]]; do words=("${words[@]:1}"); done
}

# Offer each line of the input that begins with what is typed; $2 comes before it.
_teamclaude_offer() {
    local name rest q="'"
    while IFS= read -r name; do
        # A name like an option is a name only after -- or =.
        if [[ $name == -* && $1 == names && ! $only_words && ! $2 ]]; then continue; fi
        name=$2$name
        if [[ -z $name || $name != "$typed"* ]]; then continue; fi
        rest=${name:${#typed}}
        if [[ $quote == "'" ]]; then
            rest=${rest//$q/$q\\$q$q}
        elif [[ $quote ]]; then
            rest=${rest//\\/\\\\} rest=${rest//\"/\\\"} rest=${rest//\$/\\\$} rest=${rest//\`/\\\`}
            # For the history: a ! goes outside of the quotes, but not the last one, which ends the word.
            rest=${rest//!/\"\\!\"}
            if [[ $rest == *'"\!"' ]]; then rest=${rest%'"\!"'}!; fi
        elif [[ $rest ]]; then
            printf -v rest %q "$rest"
        fi
        COMPREPLY+=("$replaced$rest")
    done
}

_teamclaude_offer_value() {
    case $value in
        'words '*) _teamclaude_offer words "$1" < <(printf '%s\n' ${value#words }) ;;
        accounts | sessions) _teamclaude_offer names "$1" < <(_teamclaude_names $value) ;;
        files) if type compopt &>/dev/null; then compopt -o default; fi ;;
        directories) if type compopt &>/dev/null; then compopt -o dirnames; fi ;;
    esac
}

_teamclaude() {
    local IFS=$' \t\n' words typed quote replaced=$2 value options option word
    local pending= many= place=0 only_words= unknown=
    COMPREPLY=()
    if ((COMP_POINT > 4096)); then return; fi
    _teamclaude_split
    if ((${#words[@]} < 2)); then
        value="words $_teamclaude_commands --help --version"
        _teamclaude_offer_value
        return
    fi
    local command=${words[1]}
    options=
    _teamclaude_options "$command"
    for word in "${words[@]:2}"; do
        if [[ $word == -- && ! $only_words ]]; then
            only_words=1 pending=
        elif [[ $word == -* && ! $only_words ]]; then
            pending= many=
            case " $options " in
                *" $word=+ "*) pending=$word many=1 ;;
                *" $word= "*) pending=$word ;;
                *" $word "* | *" ${word%%=*}= "*) ;;
                *) unknown=1 ;;
            esac
        elif [[ $pending ]]; then
            if [[ ! $many ]]; then pending=; fi
        else
            ((place++))
        fi
        if [[ " @PASSES_ON@ " == *" $command "* && ($place -gt 0 || $only_words || $unknown) ]]; then
            value=files
            _teamclaude_offer_value
            return
        fi
    done
    if [[ $pending && $typed != -* ]]; then
        _teamclaude_value "$command" "$pending"
    elif [[ $typed == --*=* && ! $only_words ]]; then
        option=${typed%%=*}
        _teamclaude_value "$command" "$option"
        _teamclaude_offer_value "$option="
        return
    elif [[ $typed == -* && ! $only_words ]]; then
        value="words $options"
    else
        _teamclaude_value "$command" $((place + 1))
        if [[ $value == any && -z $typed && ! $only_words ]]; then value="words $options"; fi
    fi
    value=${value//=+/}
    value=${value//=/}
    _teamclaude_offer_value
}

complete -F _teamclaude teamclaude
"""


def bash_script(commands: Sequence[CommandWords], own_command: Sequence[str]) -> str:
    """Return the script; `own_command` starts this program where no `teamclaude` is on the PATH."""
    options = []
    for command in commands:
        names = [
            f"{name}{_mark(option.value, option.is_many)}"
            for option in command.options
            for name in option.names
        ]
        options.append(f"        {command.name}) options={shlex.quote(' '.join(names))} ;;")
    return filled(
        _SCRIPT,
        commands,
        own_command,
        shlex.quote,
        COMMANDS=shlex.quote(" ".join(command.name for command in commands)),
        OPTIONS="\n".join(options),
        VALUES=value_cases(commands),
    )


def _mark(value: Value | None, is_many: bool) -> str:
    return "" if value is None else "=+" if is_many else "="
