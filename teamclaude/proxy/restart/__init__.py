"""The way from one process of a server to the next: what both do is decided in proxy/succession.py.

- channel: messages between a server and its successor
- departure: what a server does once another process serves in its place
- guard: the first process stays until its last successor has ended
- handover: the way from one process to the next, and back when that fails
- own_command: how this program was started, so that it can be started again
- predecessor: the process that this one takes over from
- successor: the next process, as the running server sees it
"""
