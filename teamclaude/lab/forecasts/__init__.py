"""How well the server's forecasts do: the forecast's own code on weeks of the lab.

- play: the forecast against what became of it, in virtual time
- score: how well forecasts did, as sums and tables
"""
