"""When a quota is used up, as a range; pure: readings, demand and time in, quantiles out.

No clock, file or lock: the server gives it what history holds, the lab what a simulation has seen.

- bursts: courses of demand with bursts, for the pool
- calibration: how wide the ranges are
- courses: the used share of a window on its way to the reset
- demand: what the pool is going to burn
- forecaster: readings in, one view for each window and one for the pool out
- lasting: whether the pool lasts for some hours
- pool_paths: how the accounts' windows fill up under a given demand
- profile: the demand by the hour of the week
- progress: how each account stands between two answers
- readings: what the forecast is made from
- saved: what an earlier run has saved, read with care
- spread: how far demand strays from what is expected
- views: quantiles as what a reader sees
"""
