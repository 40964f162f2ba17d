"""What a proxy or balancer in front of the server tells it of a caller, and asks of it.

Nothing here knows an account or the fleet.

- agent_check: the port that HAProxy's agent-check asks
- agent_line: what it is told: weight, or drain
- header_reader: take a PROXY header off a connection before its first request
- proxy_header: the PROXY protocol's header, versions 1 and 2, as bytes
- trusted_proxies: whose word on a caller's address is taken, and what it is
"""
