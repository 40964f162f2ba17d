"""The commands on the client's side: they start, set up or answer a client of the proxy.

- check: the wiring of a client, proved by one request
- env: the client's environment as shell statements
- mcp: tools for agents, by the Model Context Protocol
- run: start claude with the proxy's environment, and the proxy with --auto
- setup: settings files that lead Claude Code and editors to the proxy, and back
- statusline: one line about the session, for Claude Code's setting statusLine
"""
