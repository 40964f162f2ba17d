"""The commands: each is a function, `name(args) -> int`, with its --help text as docstring.

`name_arguments(parser)` beside it declares its arguments.  Code that two commands share is in `cli`.

- account: the commands about accounts and their logins
- alerts: list the alerts, or try them out
- api: one API request through the running proxy
- client: the commands on the client's side: run, env, setup, statusline, mcp
- completion: the completion script for a shell
- demo: fake sessions and a fake API around the real proxy
- doctor: say what is wrong here, and mend it
- help: the list of commands, a command's help, or a manual page
- lab: the lab's options, and the choice of a subcommand
- record: switch the recording of traffic on or off
- reports: status, capacity and explain
- server: the commands that run the server
- switch: pin all work or one session to an account
- usage: what was used, from the history, and the import of transcripts
- version: this program's version, and the server's
- watch: the Deck of a running proxy, local or remote
- web: open the page of the running server, signed in
"""
