"""How far demand strays from what is expected: the quantiles of a gamma distribution.

Work comes in bursts: sessions that begin and end, each worth many tokens.  The sum of many bursts of random
size is close to gamma distributed, also for few of them, where it is far from normal: most likely nothing
comes, and perhaps much.  Thinning keeps it so: an account that gets every fourth burst has a sum of the same
kind with the same size of a burst.
"""

from __future__ import annotations

import math

__all__ = ["gamma_factor", "normal_level"]

SMALLEST_SHAPE = 0.08  # below it the approximation gives too little


def gamma_factor(z: float, shape: float) -> float:
    """Return the quantile of a gamma distribution with mean 1, at the level that is `z` of a normal one.

    `shape` is 1 / variance.  The cube root of a gamma distribution is nearly normal (Wilson and Hilferty,
    1931): the median of shape 0.25 is 0.17 by this, 0.17 in truth; its 90 % quantile 2.8 and 3.0.
    """
    shape = max(SMALLEST_SHAPE, shape)
    root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))
    return root * root * root if root > 0.0 else 0.0


def normal_level(z: float) -> float:
    """Return the share of a normal distribution below `z`."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))
