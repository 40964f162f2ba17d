"""Claude Code on this machine: its login, its settings files, and the variables that point it at the proxy.

What is here reads the client's files and computes; only the commands print.

- environment: the variables that point a client at the proxy, in each shell's syntax
- login: whether Claude Code is logged in
- settings_files: the settings files, in their precedence
"""
