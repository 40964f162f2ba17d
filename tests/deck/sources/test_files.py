"""Other programs' files: bounded, cached by mtime and size, their texts made safe to print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamclaude.deck.sources.files import FileCache, clean_text, parse_time, read_start, stamp_of

NOW = 1_795_428_000.0


def test_a_file_is_parsed_once_for_each_state(tmp_path: Path) -> None:
    path, parsed = tmp_path / "f", []
    cache = FileCache(lambda raw: parsed.append(raw) or raw.decode())
    path.write_text("one")
    assert [cache.get(str(path)), cache.get(str(path))] == ["one", "one"]
    path.write_text("three")
    assert cache.get(str(path)) == "three"
    os.utime(path, (NOW, NOW))
    assert cache.get(str(path)) == "three"
    assert parsed == [b"one", b"three", b"three"]


def test_an_unusable_file_is_not_parsed_again(tmp_path: Path) -> None:
    tries = []

    def parse(raw: bytes) -> str:
        tries.append(raw)
        raise ValueError(raw)

    (tmp_path / "f").write_text("x")
    cache = FileCache(parse)
    assert [cache.get(str(tmp_path / "f")), cache.get(str(tmp_path / "f"))] == [None, None]
    assert len(tries) == 1


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    cache = FileCache(lambda raw: raw, limit=4)
    (tmp_path / "f").write_text("12345")
    assert cache.get(str(tmp_path / "f")) is None
    (tmp_path / "f").write_text("1234")
    assert cache.get(str(tmp_path / "f")) == b"1234"


def test_a_deleted_file_is_forgotten(tmp_path: Path) -> None:
    cache = FileCache(lambda raw: raw)
    (tmp_path / "f").write_text("x")
    assert cache.get(str(tmp_path / "f")) == b"x"
    (tmp_path / "f").unlink()
    assert cache.get(str(tmp_path / "f")) is None
    assert cache.get("bad\0name") is None


def test_only_regular_files_have_a_stamp(tmp_path: Path) -> None:
    assert stamp_of(str(tmp_path)) is None
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert stamp_of(str(tmp_path / "loop")) is None


def test_no_more_is_read_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 1000)
    assert len(read_start(str(tmp_path / "f"), 10)) == 10
    assert len(read_start(str(tmp_path / "f"), 5000)) == 1000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("two\nlines\tof \x1b[1mtext\x1b[0m", "two lines of text"),
        ("x" * 300, "x" * 200),
        ("\x1b[0m" * 100_000 + "late", ""),
        (None, ""),
        (7, ""),
        (["a"], ""),
    ],
)
def test_texts_are_one_safe_bounded_line(value: object, text: str) -> None:
    assert clean_text(value) == text


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (NOW, NOW),
        (int(NOW * 1000), NOW),
        ("2026-11-23T10:00:00.000Z", NOW),
        ("2026-11-23T12:00:00+02:00", NOW),
        ("2026-11-23T10:00:00", NOW),
        ("tomorrow", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_times_in_any_usual_form(value: object, at: float | None) -> None:
    assert parse_time(value) == at
