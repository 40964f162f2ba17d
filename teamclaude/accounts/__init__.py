"""What the person owns: the config file, its accounts and their credentials, on disk and in memory.

`config` declares every key, `schema` turns JSON into those values, `store` reads and writes the
file, `identity` says which entries are the same account, `edits` changes them.  `tokens` talks to the
authorization server, `refresh` renews one login without losing it, `keeper` keeps all of them fresh.
"""
