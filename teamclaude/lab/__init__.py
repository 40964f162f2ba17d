"""Weeks of a team's traffic in virtual time, through the proxy's own Fleet: how well each policy does.

No thread, socket or clock lives here, and nothing of the proxy: routing is driven directly.

- api_model: what the API allows an account: windows, burst limit, prompt cache
- clients: the event queue, and the sessions in progress as the clients' side drives them
- forecasts: how well the server's forecasts do
- foresight: the policy `price` with knowledge of what every conversation will use, for comparison
- heatmap: how full the windows were, as lines for a terminal or as SVG
- horizon: a policy that plans ahead, for comparison
- known_lengths: how long requests wait if the length of every conversation is known, for comparison
- other_use: what others use of the same accounts
- recording: a scenario or sessions from recorded traffic
- run: one policy in one scenario
- scenario: a team, its accounts and what is wanted, before any policy acts
- score: what came of a run
- simulation: clients, Fleet, wait queue and API put together
- study: many runs and their table, and the worlds of it
- traffic: sessions, read from a file or synthetic
- upper_bound: what is wanted without limits, and what no scheduler can exceed
- window_sizes: the sizes of recorded accounts' windows
- workload: who works when, and which sessions each person plans
"""
