"""How a server outside is reached: directly or by a proxy, and over which of its addresses.

Requests to the API, requests to the token host and blind tunnels all connect here.  No module here knows an
account, a request or a client.

- authority: host and port as in a URL
- connector: `Connector.open`: one connection, from the choice of a proxy to TLS
- http_tunnel: CONNECT, spoken to an HTTP proxy
- no_proxy: whether NO_PROXY names a host
- proxies: the address of a proxy, and which one serves a target
- race: connect to the first of several addresses that answers (RFC 8305)
- reachability: which servers can't be connected to, as requests find out
- socket_pair: a socket for TLS that can't be spoken on the connection itself
- socks5: CONNECT, spoken to a SOCKS proxy (RFC 1928, RFC 1929)
- tls_sockets: what tells a TLS socket from a plain one, while OpenSSL is not loaded
- trust: trust a certificate that a person names
- tunnel: copy bytes both ways between two connections
- url_opener: `urllib` over our own connections
"""
