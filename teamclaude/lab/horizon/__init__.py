"""Receding-horizon control, a competitor of `price` that the lab alone plays.

- receding_horizon: the policy
- water_filling: its plan
"""
