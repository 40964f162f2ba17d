"""Routing policies: each places conversations, keeps or moves them, and may let them wait.

A policy has no I/O, clock or lock, and decides nothing that holds for every policy (choice.py, rails.py).

- base: what a policy is asked, and the defaults
- conversation_use: what conversations use, how fast and in all
- family_estimates: what policy price learns by model family
- inflight_limits: how many requests an account takes at once
- pace: the weekly line and the policy that follows it
- price: most quota left against the demand expected until the reset (the default)
- price_estimates: what policy price learns
- quota_outlook: what is left of an account's windows against what will be wanted of them
- registry: the policies by name
- simple: policies of one idea each
"""
