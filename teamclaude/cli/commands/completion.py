"""The `completion` command: print the completion script for a shell.

`completion --names` is answered by `cli.main` without this module.
"""

from __future__ import annotations

import argparse

from ...errors import UsageError
from ...own_program import own_command
from ..parsers.names import KINDS, print_names

SHELLS = ("bash", "zsh", "fish")


def completion_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude completion`."""
    parser.add_argument("shell", nargs="?", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    parser.add_argument("--names", choices=KINDS, help="only print these names, for the scripts")


def completion(args: argparse.Namespace) -> int:
    """Print the completion script for a shell: commands, options, values, accounts.

      eval "$(teamclaude completion bash)"        in ~/.bashrc
      eval "$(teamclaude completion zsh)"         in ~/.zshrc, after compinit
      teamclaude completion fish | source         in ~/.config/fish/config.fish

    A file is read faster than the script is made. Make it anew after an update:
    bash reads ~/.local/share/bash-completion/completions/teamclaude, zsh the file
    _teamclaude in a directory of $fpath, fish
    ~/.config/fish/completions/teamclaude.fish.

    For an alias, such as alias tc='python3 -m teamclaude', say so to the shell:

      bash   complete -F _teamclaude tc
      zsh    compdef _teamclaude tc
      fish   complete -c tc -w teamclaude

    Names of accounts are read from the config file at each key, or from the server
    that TEAMCLAUDE_URL names; ids of sessions from the running server.
    """
    if args.names:
        print_names(args.names)
        return 0
    if args.shell is None:
        raise UsageError(f"name the shell: {', '.join(SHELLS)} (teamclaude completion --help)")
    from ..parsers.command_words import all_commands

    if args.shell == "bash":
        from ..parsers.bash import bash_script as script
    elif args.shell == "zsh":
        from ..parsers.zsh import zsh_script as script
    else:
        from ..parsers.fish import fish_script as script
    print(script(all_commands(), own_command()), end="")
    return 0
