"""Logins and API keys that exist already, taken over into the config file.

Nothing here refreshes a token.

- claude_login: find, read and check a login of Claude Code, in a file or the macOS Keychain
- enroll: add a login or an API key to the config file, and name the account
"""
