"""The facts: each file reads or asks one kind of thing and raises nothing for what it finds.  No writing.

- certificate_facts: the certificate of proxy.tls, and those of first-party mode
- claude_program: the program claude and its version
- client_facts: Claude Code's settings, and how it would be led
- clock_facts: the API's clock, with --online
- config_facts: the config file
- configured_program: whether a program that the config file names can be run
- login_facts: the accounts' logins
- machine_facts: clock, disk, limits
- network_facts: proxies and trusted authorities
- python_facts: the interpreter, and the program's files
- record_facts: state, history, logs, and what was left behind
- remote_facts: a server that is named by its address
- server_facts: who answers at the configured address
- service_facts: the service that starts the server
- unknown_keys: the keys of the config file that no setting has
"""
