"""Claude Code on this machine: its login, its settings files, and the variables that point it at the proxy.

What is here reads the client's files and computes; only the commands print.

- background_service: the supervisor of its background agents
- edit_record: which edits were made in a file, and the file with more or fewer of them
- edited_files: settings files edited atomically, with a record of each to take it back
- environment: the variables that point a client at the proxy, in each shell's syntax
- json_edit: one value in JSON text set or removed, every other character kept
- json_text: JSON text with comments as nodes that know their place
- login: whether Claude Code is logged in
- proxy_variables: which HTTP proxy it takes, and for which hosts none
- server_urls: URLs of servers, compared and shown
- settings_files: its settings, read as it reads them, in their precedence
- trusted_file: the file of authorities that it trusts
"""
