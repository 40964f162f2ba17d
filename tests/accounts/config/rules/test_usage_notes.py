from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.config.rules.usage_notes import usage_notes


def notes(account: dict[str, Any], **top: Any) -> list[str]:
    login = {"apiKey": "k"} if account.get("type") == "apikey" else {"accessToken": "t"}
    raw = {"accounts": [{"name": "ann", "accessToken": "u"}, {"name": "bob", **login, **account}], **top}
    return list(usage_notes(parse_config(raw, "file")))


@pytest.mark.parametrize(
    ("account", "note"),
    [
        ({"maxUsage": 0}, 'accounts[1].maxUsage 0: bob gets no work, as with "disabled": true'),
        (
            {"type": "apikey", "maxSpend": {"month": 0}},
            "accounts[1].maxSpend 0: nothing of bob that is billed serves",
        ),
        (
            {"maxUsage": {"monthly": 0.5}},
            "accounts[1].maxUsage.monthly has no effect: no window has this name, as 5h, 7d and 7d_opus have",
        ),
        (
            {"maxUsage": {"\u0667d": 0.5}},  # another script's 7
            "accounts[1].maxUsage.\u0667d has no effect: no window has this name, as 5h, 7d and 7d_opus have",
        ),
        (
            {"maxUsage": {"tokens": 0.5}},
            "accounts[1].maxUsage.tokens has no effect: a subscription has no such window",
        ),
        (
            {"type": "apikey", "maxUsage": {"7d": 0.5}},
            "accounts[1].maxUsage.7d has no effect: an API key has no such window",
        ),
        (
            {"type": "apikey", "reserve": {"Fri": 0.5}},
            "accounts[1].reserve has no effect: an API key has no window that lasts until other hours",
        ),
        (
            {"maxUsage": 0.5, "reserve": {"Fri": {"7d": 0.5}}},
            "accounts[1].reserve keeps 50% of 7d, and 50% may be used: before these hours nothing",
        ),
        (
            {"reserve": {"Fri": 0.5, "Sat": 0.5}},
            "accounts[1].reserve keeps 100% of 5h, and 100% may be used: before these hours nothing",
        ),
        (
            {"reserve": {"Mon-Sun": 0.5}},
            'accounts[1].reserve["Mon-Sun"] has no effect: these hours are the whole week',
        ),
        ({"reserve": {"Fri": 0}}, 'accounts[1].reserve["Fri"] has no effect: it keeps nothing'),
        ({"reserve": {"Fri": {}}}, 'accounts[1].reserve["Fri"] has no effect: it keeps nothing'),
    ],
)
def test_a_limit_without_its_effect_is_one_line_with_its_path(account, note):
    assert notes(account) == [note]


def test_a_limit_of_all_accounts_counts_for_a_reserve():
    assert notes({"reserve": {"Fri": 0.4}}, maxUsage=0.4) != []
    assert notes({"maxUsage": 0.8, "reserve": {"Fri": 0.4}}, maxUsage=0.4) == []
    assert notes({}, maxSpend={"day": 0}) == [
        "maxSpend 0: nothing that is billed serves, API keys and extra usage"
    ]
    assert notes({}, maxSpend={"day": 50, "month": 40}) == [
        "maxSpend.day has no effect: it is more than the $40 of a month"
    ]
    assert notes({}, maxUsage=0) == ["maxUsage 0: accounts without a maxUsage of their own get no work"]


@pytest.mark.parametrize(
    "account",
    [
        {},
        {"maxUsage": {"5h": 0.8, "7d": 0.6, "7d_opus": 0.3}},
        {"maxUsage": 0.5, "reserve": {"Mon-Fri 9-17": 0.3, "Sat,Sun": {"7d": 0.1}}},
        {"type": "apikey", "maxUsage": {"tokens": 0.5}},
    ],
)
def test_what_has_its_effect_is_not_mentioned(account):
    assert notes(account) == []
