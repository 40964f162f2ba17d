"""The bodies of requests as they arrive: in memory, within its limit, or on the disk.

Nothing here reads what a body says.

- body_limit: the memory that all request bodies may take together
- body_reader: read one request body into memory or onto the disk
- spool: the disk as the place for large uploads
"""
