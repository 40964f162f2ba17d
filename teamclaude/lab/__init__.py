"""Virtual weeks of a team's traffic through the real Fleet: which routing policy does how well.

traffic   sessions: read from a file, or made up
team      who works when, and starts which session
quota     what the API allows an account: windows, burst limit, prompt cache
agenda    events in virtual time
world     the team, the Fleet with its waiting line, and the API, put together
bound     what no scheduler can exceed
score     what came of a run
scene     a team, its accounts and what is wanted, before any policy acts
recording a scene from recorded traffic
study     one policy in one scene
film      how full the windows were: heat strips and SVG
table     many runs as a table
"""

from __future__ import annotations
