"""Weeks of a team's traffic in virtual time, through the proxy's own Fleet: how well each policy does.

No thread, socket or clock lives here, and nothing of the proxy: routing is driven directly.

- api_model: what the API allows an account: windows, burst limit, prompt cache
- clients: the event queue, and the sessions in progress as the clients' side drives them
- heatmap: how full the windows were, as lines for a terminal or as SVG
- recording: a scenario or sessions from recorded traffic
- run: one policy in one scenario
- scenario: a team, its accounts and what is wanted, before any policy acts
- score: what came of a run, and the table of many
- simulation: clients, Fleet, wait queue and API put together
- traffic: sessions, read from a file or synthetic
- upper_bound: what is wanted without limits, and what no scheduler can exceed
- window_sizes: the sizes of recorded accounts' windows
- workload: who works when, and which sessions each person plans
"""
