"""Sockets, threads and the event loop: how bytes move between a client, the proxy and the upstream.

Nothing here may choose an account, know a credential, or read more of a message than its head and framing.

- body_limit: the memory that all request bodies may take together
- body_reader: reads one request body into memory or onto the disk
- client_connection: the client's connection: requests in, responses out
- connections: the accepted connections and the descriptors they may take
- coroutine: a request as a coroutine, and how a thread runs it
- dialer: opens connections to the upstream: look-up, HTTPS proxy, TLS
- event_loop: one epoll thread that runs tasks
- keepalive_task: small requests of one connection in the event loop
- peer_user: the user whose process is at the other end of a loopback connection
- relay: copies a response to the client, in a thread or in the event loop
- sock_diag: asks the Linux kernel for the owner of a socket
- socket_wait: waits while the client is watched: for a socket, a time or a function
- transport: sends a request over a pooled or fresh connection, and when it is repeated
- tunnel: copies bytes both ways after a protocol switch
- upstream_connection: one connection to the upstream and its response
"""
