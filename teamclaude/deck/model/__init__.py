"""The model of one frame, computed from the proxy's snapshot and the sources on disk.

Pure: no clock, no I/O, no terminal; how a value looks is decided in `view`.

- accounts: rows of accounts with their nodes and quota bars
- build: the whole model of a frame; issues and alerts
- conversations: join proxy and disk to conversations; which are shown
- holds: what requests wait for, in words
- labels: what a session is called
- model: the types that the views draw
- needs_you: what waits for a person, and since when
- nodes: the shown conversations with names and states
- page_nodes: the conversations as rows of the web page
- tree: parents, trees and their sums
- usage_sum: sums of tokens and cost
"""
