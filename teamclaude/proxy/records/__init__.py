"""What is known of each request while it runs, and what is kept of it afterwards.

Nothing here sends or receives: request threads fill the records, readers and background threads take them.

- background_queue: a worker thread with a bounded queue
- exchange: one request from its head to its recorded outcome
- hold_notices: log lines about held requests
- journal: requests in flight and the latest finished ones, for `explain` and the activity list
- login_notices: log lines about logins
- notice: one log line as a value
- notices: log lines about accounts, and the poll that finds all of them
- outages: APIs that can't be connected to: rows of the snapshot, and log lines
- request_log: one file per request, written by a background thread
- request_record: what the request log writes of one request
- request_wait: what a request waits for, and for how long
- traffic_recorder: recorded traffic for the lab: times and token counts, no text
- wait_texts: how waits are worded
"""
