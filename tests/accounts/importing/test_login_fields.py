"""Times, tokens and labels of a login as other programs write them."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.accounts.importing.login_fields import joined_lines, read_label, read_moment, read_token
from teamclaude.errors import ConfigError

AT = 1_764_000_000.0  # 2025-11-24T16:00:00Z
TIMES: list[tuple[Any, Optional[float]]] = [
    (1_764_000_000_000, AT),
    (1_764_000_000_000.0, AT),
    (1_764_000_000, AT),
    (1_764_000_000.5, AT + 0.5),
    ("1764000000000", AT),
    ("  1764000000000 ", AT),
    ("1764000000", AT),
    ("1.764e12", AT),
    ("2025-11-24T16:00:00Z", AT),
    ("2025-11-24T16:00:00.123Z", AT),
    ("2025-11-24T16:00:00.123456+00:00", AT),
    ("2025-11-24T18:00:00+0200", AT),
    ("2025-11-24 16:00:00", AT),
    ("2025-11-24T16:00:00", AT),
    (None, None),
    (0, None),
    ("0", None),
    ("", None),
    ("soon", None),
    (-1, None),
    (-1_764_000_000_000, None),
    (3600, None),
    (28_800, None),
    (True, None),
    (float("nan"), None),
    (float("inf"), None),
    ("NaN", None),
    ("-Infinity", None),
    (10**400, None),
    ("9" * 400, None),
    (1e300, None),
    (2**63, None),
    ("2025-13-41T99:99:99Z", None),
    ("0000-01-01T00:00:00Z", None),
    ([1_764_000_000_000], None),
    ({"ms": 1}, None),
]


@pytest.mark.parametrize(("value", "seconds"), TIMES, ids=[repr(value)[:40] for value, _ in TIMES])
def test_a_time_in_any_form_or_none(value: Any, seconds: Optional[float]) -> None:
    assert read_moment(value) == seconds


def test_a_wrapped_token_is_joined() -> None:
    assert read_token(" sk-ant-oat01-FAKE\r\n   rest\n", "x") == "sk-ant-oat01-FAKErest"
    assert joined_lines("a\n b \r\n\r\nc") == "abc"


@pytest.mark.parametrize("value", [None, ""])
def test_no_token(value: Any) -> None:
    assert read_token(value, "x") is None


@pytest.mark.parametrize(
    "value", [7, ["sk-FAKE"], {"a": "sk-FAKE"}, True, "sk-FAKE two", "sk-FÄKE", "sk\x00FAKE"]
)
def test_what_is_no_token_is_named_and_not_repeated(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^accessToken: ") as caught:
        read_token(value, "accessToken")
    assert "KE" not in str(caught.value)


def test_a_label_is_one_line_of_text() -> None:
    assert read_label(" max\n20x ") == "max 20x"
    assert [read_label(value) for value in (None, "", " \n", 7, ["max"])] == [None] * 5
