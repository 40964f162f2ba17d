"""How `run` and `env` lead a client to the proxy: what is read, decided, handed over and told.

What Claude Code's files say is read in claude_code/; the commands print and start.

- claude_words: the words of a claude command, and where an option goes in them
- client_plan: one client: its files read and all that was decided
- obstacles: what leads a client past the proxy
- settings_option: the file that is given as --settings
- wiring: environment and settings of a client
"""
