"""The user's accounts: the config file, credentials and token refreshes.

Nothing here handles requests, routes them or prints.

- config: the config file: its schema, values, edits, locking and atomic writes
- importing: logins and API keys taken over into the config file
- oauth: a login with a browser, and the client of the authorization server
- tokens: the tokens of each account in memory and on disk, and their refresh
"""
