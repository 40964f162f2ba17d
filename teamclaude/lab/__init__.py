"""Virtual weeks of a team's traffic through the real Fleet: which routing policy does how well.

traffic   sessions: read from a file, or made up
team      who works when, and starts which session
quota     what the API allows an account: windows, burst limit, prompt cache
agenda    events in virtual time
world     the team, the Fleet with its waiting line, and the API, put together
bound     what no scheduler can exceed
score     what came of a run
study     many runs, and their table
"""

from __future__ import annotations
