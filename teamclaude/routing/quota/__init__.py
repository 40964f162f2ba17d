"""What an account has of quota and what has been used of it, with the settings that decide on it.

Nothing here knows accounts, conversations or requests.

- learned_caps: burned tokens, and what a window can take of them
- lenient_json: reading saved JSON that may be damaged
- model_prices: model families, versions and the price list
- rate_limit_headers: reading windows from a response's headers
- rules: the routing settings
- usage: token counts and what they cost
- usage_report: reading windows from an answer of the usage endpoint
- use_elsewhere: how fast others use an account
- windows: the windows of one account
"""
