"""The checks: each takes facts and returns a group with findings.  No file, socket or clock is used here.

- certificate_checks: our own certificates
- client_checks: Claude Code, its settings, and how it is led
- config_checks: the config file
- login_checks: the accounts' logins
- machine_checks: clock, disk, limits
- network_checks: the way to the API
- python_checks: Python and this program
- record_checks: state, history, logs, and what was left behind
- remote_checks: a server that is named by its address
- server_checks: the server of the config file
- service_checks: the service that starts it
"""
