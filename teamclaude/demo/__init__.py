"""The demo: fake Claude Code sessions through the real proxy to the fake API, without an account.

It starts everything in this process and writes the events and the table; the fake API itself is in fakeapi.

- claude_client: one conversation as Claude Code sends it, and the client's connection
- claude_files: the transcripts and registry that the sessions write
- event_log: the events as lines, and totals
- plan: what a session does, by seed
- report: the table at the end
- retry: when Claude Code retries, and when it gives up
- runner: start everything, apply the scenario, end with the table
- scenario: the accounts, their outside usage, the sessions' roles and issues
- sessions: run a plan against the proxy, and count the outcomes
"""
