"""The tokens of each account: kept fresh in memory, and stored so that no crash loses a login.

Nothing here decides which account serves a request.

- account_tokens: the in-memory state of one account's tokens and its next refresh
- claude_credentials: Claude Code's credentials file as a token store
- credential_command: a static credential that a program prints
- credential_output: read that output
- hand_over: hand a login to another machine, so that only one has it
- import_renewal: renew a login while it is imported
- last_good: restore a running server's config file when it is lost
- refresh: one refresh, in an order that survives crashes and races
- refresh_journal: the write-ahead record of spending one refresh token
- refreshers: how an account is refreshed: by us, or by a program that is followed
- token_manager: keep the tokens of all accounts fresh while the proxy runs
- token_pair: a token pair, when it must be refreshed, and how long to back off
- token_store: durable storage of a pair: the interface, and the config file's entry
"""
