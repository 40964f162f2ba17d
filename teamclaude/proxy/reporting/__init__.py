"""What is summed up while the server runs: off the request path, in one worker thread.

How it is kept, shown or sent is decided elsewhere (history/, metrics/, alerts/); here it gets its input.

- alerting: the alerts: looks, edges, deliveries
- forecaster: when quotas are used up, every half minute
- recent_trends: the last hour of each account, for the Deck
- history_feed: requests, quota readings and events for the history
- live_history: the history of a server that runs
- notice_poll: what the log lines of a server are found by
- observers: all observers of a server
- past_demand: what the pool burned before this start, for the forecast
- reporter: the worker thread, and what an observer is
- request_metrics: the counts of requests for /metrics
"""
