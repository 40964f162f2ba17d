"""The proxy as a process: listening sockets, client connections, its own endpoints, its configuration.

What happens to one request lives in the folders below; nothing there imports a module of this folder.

- clients: requests in flight and usage of each named client key
- connect: the forward proxy: method CONNECT, and the requests inside its tunnels
- connection: one client connection, request after request
- connection_refuser: the 503 for connections there is no room for
- endpoints: the proxy's own paths: health, capacity, status, explain, operator controls
- forwarding: the way of one request: account, attempts, retries, response
- http: HTTP syntax without sockets
- listener: the listening sockets and the thread of each connection
- messages: what is read of requests and responses
- net: sockets, connection pools and the event loop
- records: what is known and kept of each request
- replies: responses of the proxy's own, as bytes
- runtime: what lives as long as the server, and configuration reloads
- server: the whole proxy: start, config watch, ordered shutdown
- state_file: the observations that survive a restart
- status_line: what a status line shows of one session
- warmup: the request that asks each account for its quota at the start
"""
