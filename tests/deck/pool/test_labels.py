"""Short names of several servers."""

from __future__ import annotations

import pytest

from teamclaude.deck.pool.labels import server_labels


@pytest.mark.parametrize(
    ("urls", "labels"),
    [
        (["http://a:1"], ["a"]),
        (["http://box.example.com:1", "http://den.example.com:1"], ["box", "den"]),
        (["http://box.a.com:1", "http://box.b.com:1"], ["box.a.com", "box.b.com"]),
        (["http://10.0.0.1:1", "http://10.0.0.2:1"], ["10.0.0.1", "10.0.0.2"]),
        (["http://[fd00::1]:1", "http://[fd00::2]:1"], ["fd00::1", "fd00::2"]),
        (["http://h:1", "http://h:2"], [":1", ":2"]),
        (["http://h:1", "http://h:2", "http://b:1"], ["h:1", "h:2", "b:1"]),
        (["http://h:1/a", "http://h:1/b"], ["http://h:1/a", "http://h:1/b"]),
    ],
)
def test_the_shortest_that_tells_them_apart(urls: list[str], labels: list[str]) -> None:
    assert server_labels(urls) == labels
