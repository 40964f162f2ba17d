"""What is generated from the parsers of the commands: completion for shells, and the man page.

No command but `completion` loads anything here.

- bash: the script for bash
- command_words: the commands with their options and values, as plain data
- fish: the script for fish
- man_page: all commands as one page for man
- names: names that only the config file or a server knows
- shell_script: what the scripts of all shells have in common
- zsh: the script for zsh
"""
