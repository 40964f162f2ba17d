"""What the server asks the API by itself; without its setting none of it is sent.

- keep_warm: the smallest request at a time of day, to open an account's 5h window (keepWarm)
- quota_probe: the usage endpoint, asked for quotas that no answer told of (quotaProbeSec)
- warm_up: the smallest request, to know an account's windows at the start (warmOnStartup)
- worker: the thread that sends what is due
"""
