"""The commands about accounts and their logins.

- accounts: list the accounts of the config file
- edit_account: enable, disable, priority and remove
- export: `accounts export`: an account for another machine, copied or handed over
- import_: take over or follow a login of Claude Code
- import_config: `import` of a whole config file: a report key by key
- login: log in with a browser or a pasted code, or add an API key
"""
