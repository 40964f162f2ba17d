"""Several servers shown as one pool: each row says which server it is of.  Only feed has a thread.

- capacity: the verdict of all of them together
- feed: models from several servers that are polled
- labels: a short name for each server
- merging: their snapshots as one
- sums: sums of values of which some are not known
"""
