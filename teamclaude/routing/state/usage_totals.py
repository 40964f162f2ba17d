"""What an account or a conversation has used: the part that is the same of both."""

from __future__ import annotations

from typing import Optional

from ..quota.usage import Usage

__all__ = ["UsageTotals"]


class UsageTotals:
    """The base of `Account` and `Binding`, which declare these fields."""

    requests: int  # that were served
    usage: Usage
    cost: float  # dollars
    unpriced_tokens: int  # of unknown cost
    cost_estimated: bool  # some of it is by the price of another version of the model

    def count(self, usage: Usage, dollars: Optional[float], is_estimated: bool, served: bool) -> None:
        """Count what one request has used; `dollars` is None where its price or its tokens are unknown."""
        self.requests += served
        self.usage = self.usage.plus(usage)
        if dollars is None:
            self.unpriced_tokens += usage.total
        else:
            self.cost += dollars
            if is_estimated:
                self.cost_estimated = True
