"""Claude Code on this machine: its login, its settings files, and the variables that point it at the proxy.

What is here reads the client's files and computes; only the commands print.

- background_service: the supervisor of its background agents
- environment: the variables that point a client at the proxy, in each shell's syntax
- login: whether Claude Code is logged in
- proxy_variables: which HTTP proxy it takes, and for which hosts none
- server_urls: URLs of servers, compared and shown
- settings_files: its settings, read as it reads them, in their precedence
- trusted_file: the file of authorities that it trusts
"""
