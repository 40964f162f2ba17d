"""What the configuration says of one account."""

from __future__ import annotations

from ...values import dataclass
from ..user_rules.caps import NO_CAPS, NO_RESERVES, Caps, Reserves
from ..user_rules.spend import NO_SPEND_LIMITS, SpendLimits

__all__ = ["AccountSpec"]


@dataclass(frozen=True)
class AccountSpec:
    """What the configuration says of an account; `key` is its identity, never its position."""

    key: str
    name: str
    kind: str = "oauth"  # oauth | apikey
    priority: int = 0  # smaller = preferred
    enabled: bool = True
    disabled_by: str = "disabled by its owner"  # why it is not enabled
    last_resort: bool = False  # a paid key that serves only when no other account can
    allow_extra_usage: bool = False  # once a window is full it goes on for money, as a last resort
    caps: Caps = NO_CAPS  # what may be used of its windows
    reserves: Reserves = NO_RESERVES  # what is kept of that for hours of the week
    max_spend: SpendLimits = NO_SPEND_LIMITS  # dollars for what is billed

    @property
    def is_paid(self) -> bool:
        """Whether it is a paid key of last resort."""
        return self.kind == "apikey" and self.last_resort

    def was_known_as(self, key: str, name: str) -> bool:
        """Return whether `key`, of an account then called `name`, is this identity as it was once known.

        That is by its name alone, or as a person without the organisation (`person` -> `person/org`).
        """
        return name == self.name if key == name else self.key.startswith(f"{key}/")
