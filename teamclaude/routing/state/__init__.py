"""The records that the Fleet owns.

Nothing here chooses an account.

- account: one account as configured and observed, and why it is not usable
- conversations: bindings, and the conversations held at the gate
- decision: requests, decisions, leases and waits
- expiring_set: a set whose keys expire
- ledger: who used what
"""
