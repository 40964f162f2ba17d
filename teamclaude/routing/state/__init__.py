"""The records that the Fleet owns.

Nothing here chooses an account.

- account: one account as configured and observed, and why it is not usable
- account_spec: what the configuration says of an account
- affinity: the prompt caches and made resources that tie a request without a session to an account
- block: why an account is not usable, and until when
- conversations: bindings
- decision: requests, decisions, leases and waits
- expiring_set: a set whose keys expire
- gate_queue: the conversations that a policy holds at its gate
- places: since when conversations have waited, also while their clients are away
- spending: what paid requests have cost, and which accounts that closes
- usage_totals: what an account or a conversation has used
- waiter: a request that waits for an account
- waiter_groups: the waiters of a queue by what can serve them
"""
