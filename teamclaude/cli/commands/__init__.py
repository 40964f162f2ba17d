"""The commands: each is a function, `name(args) -> int`, with its --help text as docstring.

`name_arguments(parser)` beside it declares its arguments.  Code that two commands share is in `cli`.

- accounts: list the accounts of the config file
- api: one API request through the running proxy
- client: the commands on the client's side: run, env, setup, statusline, mcp
- demo: fake sessions and a fake API around the real proxy
- edit_account: enable, disable, priority and remove
- help: the list of commands, a command's help, or a manual page
- import_: take over or follow a login of Claude Code
- lab: the lab's options, and the choice of a subcommand
- login: log in with a browser or a pasted code, or add an API key
- record: switch the recording of traffic on or off
- reports: status, capacity and explain
- server: run the proxy, with the Deck or plain lines
- switch: pin all work or one session to an account
- watch: the Deck of a running proxy, local or remote
"""
