"""HTTP/1.1 as values: heads, framing, paths and codings, parsed and written by pure functions.

Nothing here may touch a socket, a thread, a file or a clock, or know of accounts.

- content_coding: which content codings the upstream is offered, and how they are inflated
- framing: where a message ends, whether the connection persists, chunked coding
- head: the parser of request heads, and what response heads have in common with them
- header_rewrite: the header fields that pass, in both directions, and how a head is written
- origin: scheme, host and port of a base URL
- path_kinds: the table of paths, and which credential each is sent with
- repeated_head: the request heads of one connection, of which most repeat the one before
- response_head: the parser of response heads
- sse: the parser of server-sent events
"""
