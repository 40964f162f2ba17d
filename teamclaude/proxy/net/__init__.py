"""Sockets, threads and the event loop: how bytes move between a client, the proxy and the upstream.

Nothing here may choose an account, know a credential, or read more of a message than its head and framing.

- accept_loop: the loop that accepts connections, and its pause
- bodies: the bodies of requests as they arrive
- client_connection: the client's connection: requests in, responses out
- connection_driver: who carries a connection: a thread or the event loop
- connection_task: small requests of one connection in the event loop
- connections: the accepted connections and which of them must make room
- coroutine: a request as a coroutine, and how a thread runs it
- dialer: open connections to the upstream: look-up, HTTPS proxy, TLS
- early_send: send a request while its body arrives
- event_loop: one epoll thread that runs tasks
- peer_user: the user whose process is at the other end of a loopback connection
- relay: copy a response to the client, in a thread or in the event loop
- sock_diag: ask the Linux kernel for the owner of a socket
- socket_wait: wait while the client is watched: for a socket, a time or a function
- tls_io: read and write a TLS socket without waiting
- transport: send a request over a pooled or fresh connection, and repeat it where that is safe
- upstream_connection: one connection to the upstream and its response
"""
