"""The state machine of routing: which account serves a request, and what each response changes.

Pure: no lock, clock, I/O or randomness that is not passed in; nothing of the proxy or of the configuration
file.

- affinity: the prompt caches and made resources that tie a request without a session to an account
- apply_response: what one response changes in an account, and how long it rests
- capacity: how much more work the pool can take
- choice: one request's choice of an account
- fleet: all routing state, and every change to it
- persistence: the state as JSON data and back
- policies: where new work goes, and when warm work moves
- pool_limits: the windows of the pool as a whole, as one subscription would have them
- quota: windows, caps, burn, tokens, prices and settings
- rails: what keeps new work away from accounts under every policy
- response_kinds: what a response means, as a table
- state: accounts, conversations, decisions and the ledger
- view: the snapshot of a fleet
- wait_queue: who waits, who is tried next, and what a waiter may expect
"""
