"""The proxy as a process: listening sockets, client connections, its own endpoints, its configuration.

What happens to one request lives in the folders below; nothing there imports a module of this folder.

- answers: what the proxy's own endpoints answer with
- balancer: what a proxy or balancer in front tells of a caller, and asks
- clients: usage and limits of each named client key
- connect: the forward proxy: method CONNECT, and the requests inside its tunnels
- connection: one client connection, request after request
- connection_refuser: the 503 for connections there is no room for
- endpoint_call: one call of the proxy's own endpoints: who calls, and the reply
- endpoints: the proxy's own paths: health, capacity, status, explain, operator controls
- forwarding: the way of one request: account, attempts, retries, response
- history_endpoints: usage, quota readings and events as answers
- http: HTTP syntax without sockets
- lifecycle: start and end of the server, as a service manager sees them
- listener: the listening sockets and the thread of each connection
- messages: what is read of requests and responses
- metrics_page: the reply to GET /metrics
- net: sockets, connection pools and the event loop
- records: what is known and kept of each request
- observed_state: what a server has observed, as one object for the state file and its successor
- operator_controls: pins, accounts in service and the recording, as changed while it runs
- own_requests: what the server asks the API by itself, if the config file wants it
- page_endpoints: the paths of the web page: its document, signing in and out, its stream
- replies: responses of the proxy's own, as bytes
- reporting: what is summed up while the server runs
- restart: the way from one process of a server to the next
- runtime: what lives as long as the server, and configuration reloads
- server: the whole proxy: start, config watch, ordered shutdown
- socket_handler: a new connection until its first request: PROXY header, TLS
- status_line: what a status line shows of one session
- succession: the announced drain, and the restart by which another process follows
"""
