"""The bearers of named client keys: what each has used, and the limits that keep it from using more.

What a fair share is decides routing/pool/fair_share.py; what a key may ask for decides messages/roles.py.

- limits: the limits of one client, and the refusals they lead to: pure
- totals: what one client has used, as it is counted and saved
- usage: requests, tokens and cost of each client, which a restart keeps
- window_use: what each client has used of the accounts' windows, and how fast
"""
