"""All accounts together: how much they can still take, and who gets what of it.

Nothing here chooses an account for a request.

- capacity: how much more work the pool can take
- fair_share: a client's part of the pool's windows, and who is refused when they get scarce
- pool_limits: the windows of the pool as a whole, as one subscription would have them
"""
