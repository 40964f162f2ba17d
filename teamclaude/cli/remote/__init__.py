"""Servers that a command names by their addresses: on other machines, or several as one pool.

No config file is needed for them, and none is made.  What a server sends is checked as a stranger's.

- address: the address of a server, parsed and shown
- ask_all: the same question to several servers at once
- chosen: which server a command talks to: options, environment, config file
- client: the client of a server that is known by its address
- keys: the keys for it, from the environment or a file
- launching: what a client of such a server needs
- own_status: what `status` shows to the key of a client
- newer: a line about a server that is of a newer version
- pool_reports: status and capacity of several servers
- reach: what to type to reach a server that listens here
- trust: the certificates to trust, and what is wrong with a server's
"""
