"""The tool with no account: a fake API with real quotas, and fake Claude Code sessions.

The project's tests use the same fake API; there is one implementation.

    prompt, cache, quota, limits   pure: what a request weighs and what an account still allows
    fault, script, answer, stream  pure: what is answered, and where it breaks, byte by byte
    wire, api                      sockets: the fake API itself
    issuer                         pure: logins, their single-use tokens, who they belong to
    authserver                     sockets: the authorization server that issues them
    plan, retry                    pure: what a session does, and when Claude Code tries again
    client, sessions               sockets: the fake sessions
    scenario, chronicle, report    pure: what happens in the demo, how it is told, its table
    runner                         the demo: everything together
"""

from __future__ import annotations
