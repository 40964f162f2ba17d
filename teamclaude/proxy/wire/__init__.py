"""HTTP/1.1 on sockets: what comes and goes on the wire, and nothing of accounts."""
