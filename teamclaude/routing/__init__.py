"""The state machine of routing: which account serves a request, and what each response changes.

Pure: no lock, clock, I/O or randomness that is not passed in; nothing of the proxy or of the configuration
file.

- adopt_known: accounts of which the configuration knows more than before
- apply_response: what one response changes in an account, and how long it rests
- candidates: the accounts that a policy may give one request
- choice: one request's choice of an account
- eligible: which accounts can serve one request, before any policy
- expected_account: what a waiting request may expect
- fleet: all routing state, and every change to it
- persistence: the state as JSON data and back
- policies: where new work goes, and when warm work moves
- pool: all accounts together: capacity, limits, clients' shares
- quota: windows, caps, burn, tokens, prices and settings
- rails: what keeps new work away from accounts under every policy
- response_kinds: what a response means, as a table
- shared_choice: what the attempts of one walk of the wait queue have in common
- staying: the account where a conversation simply stays
- state: accounts, conversations and decisions
- state_merge: what two servers learned since they had the same state, as one
- switch_price: what it costs to move conversations to another account
- user_rules: what the owner allows, whatever the policy
- view: the snapshot of a fleet
- wait_queue: who waits, and who is tried next
"""
