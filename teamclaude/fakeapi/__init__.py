"""The fake API that the demo and the tests share: accounts with quotas that fill and reset, and exact faults.

It imports nothing else of this package; what only tests need (the authorization server) is in tests/fakeapi.

- answer: an answer as a value, and the steps that send it or break it off
- api: the server and its log of exchanges
- api_endpoints: credentials, messages, token counts, models
- api_script: which request meets which fault or gets which reply
- clock: a clock that runs faster than real time
- fake_account: quota windows, refusals and rate-limit headers of an account
- fault: every fault as a value
- key_limits: per-minute limits of API keys
- message_threads: conversations that the API keeps for one account
- prompt: a request body as a chain of prompt prefixes
- prompt_cache: what is read from and written to the prompt cache
- stream: a message as JSON and as events
- wire: a client connection: read requests, send exact bytes
"""
