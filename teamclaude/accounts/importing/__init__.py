"""Logins and API keys that exist already, taken over into the config file.

Nothing here refreshes a token.

- claude_files: where Claude Code keeps its files
- claude_login: read a login of Claude Code as it really comes, and say whether it can be used
- config_file_text: recognise a config file, also one in TOML or in snake_case
- config_import: what becomes of another config file, key by key
- enroll: add a login or an API key to the config file, and name the account
- find_login: where a login is on this machine, and which one is taken when there are two
- imported_accounts: the accounts in another config file, as others write them
- keychain: the login in the macOS Keychain
- login_fields: times, tokens and labels of a login as other programs write them
- setup_token: the token of `claude setup-token` in what a person copied from the terminal
"""
