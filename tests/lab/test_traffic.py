from __future__ import annotations

import gzip
import json

import pytest

from teamclaude.errors import UsageError
from teamclaude.lab.recording import read_traffic as read_sessions
from teamclaude.lab.traffic import synthetic_sessions

ROWS = [[0.0, "opus", 1000, 50, 0, 4.0], [14.0, "opus", 1200, 60, 1000, 5.0]]


def test_a_file_is_read_plain_or_compressed(tmp_path):
    text = json.dumps({"id": "one", "requests": ROWS}) + "\n\n"
    (tmp_path / "plain").write_text(text)
    (tmp_path / "packed").write_bytes(gzip.compress(text.encode()))
    plain, packed = read_sessions(tmp_path / "plain"), read_sessions(tmp_path / "packed")
    assert plain == packed
    assert plain[0].requests[1] == (10.0, "opus", 1200, 60, 1000, 5.0)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "holds no sessions"),
        ("nonsense", "line 1"),
        ('{"id": "x", "requests": []}', "without requests"),
        ('{"id": "x", "requests": [[0, "opus", -1, 0, 0, 0]]}', "negative"),
        ('{"id": "x", "requests": [[0, "opus", 1e300, 0, 0, 0]]}', "too large"),
        ('{"id": "x", "requests": [[1e300, "opus", 1, 0, 0, 0]]}', "too large"),
        ('{"id": "x", "requests": [[0, "opus", 1, 0, 0, NaN]]}', "not finite"),
        ('{"id": "x", "requests": [[0, "opus", 1, 0, 0, 9e9]]}', "too long"),
        ('{"id": "x", "requests": [[0, "opus", 9, 0, 0, 1]]}\n{"id": "y", "requ', "line 2: not JSON"),
    ],
)
def test_what_is_no_trace_is_said_in_one_line(tmp_path, text, word):
    (tmp_path / "t").write_text(text)
    with pytest.raises(UsageError, match=word) as reported:
        read_sessions(tmp_path / "t")
    assert "\n" not in str(reported.value)


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="can't read"):
        read_sessions(tmp_path / "none")


def test_made_up_sessions_are_the_same_for_the_same_seed_and_have_the_quantiles():
    made = synthetic_sessions(200, 3)
    assert made == synthetic_sessions(200, 3) != synthetic_sessions(200, 4)
    requests = [request for session in made for request in session.requests]
    middle = len(requests) // 2
    assert 80_000 < sorted(r.input_tokens for r in requests)[middle] < 140_000
    assert 180 < sorted(r.output_tokens for r in requests)[middle] < 270
    assert 8 < sorted(r.gap for r in requests)[middle] < 12
    assert 0.93 < sum(r.cached_prefix for r in requests) / sum(r.input_tokens for r in requests) < 0.98


def test_a_cached_prefix_is_never_longer_than_the_input_before():
    for session in synthetic_sessions(50, 5):
        for before, after in zip(session.requests, session.requests[1:]):
            assert after.cached_prefix <= before.input_tokens
            assert after.cached_prefix <= after.input_tokens
