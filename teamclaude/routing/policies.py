"""The policies `routing.policy` can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .pace import PacePolicy
from .policy import Policy

__all__ = ["POLICIES"]

POLICIES: Mapping[str, Callable[[], Policy]] = {PacePolicy.name: PacePolicy}
