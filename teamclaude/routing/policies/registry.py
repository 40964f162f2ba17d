"""The policies `routing.policy` can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .base import Policy
from .pace import PacePolicy
from .price import PricePolicy
from .simple import DrainPolicy, LeastUsedPolicy, RoundRobinPolicy, StickyPolicy, ThresholdPolicy

__all__ = ["POLICIES"]

POLICIES: Mapping[str, Callable[[], Policy]] = {
    PacePolicy.name: PacePolicy,
    PricePolicy.name: PricePolicy,
    StickyPolicy.name: StickyPolicy,
    DrainPolicy.name: DrainPolicy,
    ThresholdPolicy.name: ThresholdPolicy,
    RoundRobinPolicy.name: RoundRobinPolicy,
    LeastUsedPolicy.name: LeastUsedPolicy,
}
