"""The defaults are part of the specification; so is that each says what it is for."""

from __future__ import annotations

import pytest

from teamclaude.routing.quota.rules import Rules
from teamclaude.settings import config_key
from teamclaude.values import fields

DEFAULTS = {
    "switchThreshold": None,
    "fiveHourSoftCeiling": None,
    "fiveHourWarnCeiling": 0.75,
    "maxInflightPerAccount": 5,
    "maxSessionsPerAccount": None,
    "slotWaitSec": None,
    "cacheAffinityWindowSec": 300,
    "bindingEvictSec": 1800,
    "paceTieBand": 0.10,
    "farOverLineThreshold": 0.10,
    "rampTiers": ((8, 100), (16, 8), (24, 4), (48, 2), (72, 1)),
    "backoffSec": 60,
    "backoffFactor": 4,
    "backoffCapSec": 900,
    "backoffJitter": True,
    "capEmaAlpha": 0.3,
    "capSoftCeiling": 0.75,
    "softConcurrencyPerAccount": 3,
    "ledgerRetentionHours": 168,
}


def test_the_defaults_are_the_specified_ones():
    assert {config_key(field): getattr(Rules(), field.name) for field in fields(Rules)} == DEFAULTS


@pytest.mark.parametrize("field", fields(Rules), ids=config_key)
def test_every_rule_says_what_it_is_for_and_in_which_unit(field):
    assert field.metadata["why"].endswith(".")
    assert field.metadata["unit"] or isinstance(field.default, bool)
