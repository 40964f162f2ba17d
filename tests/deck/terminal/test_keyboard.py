"""Bytes from a terminal become keys, however they are split."""

from __future__ import annotations

import random

import pytest

from teamclaude.deck.terminal.keyboard import Key, KeyDecoder


def keys(data: bytes) -> list[Key]:
    return KeyDecoder().feed(data)


def names(data: bytes) -> list[str]:
    return [key.name for key in keys(data)]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"sR/?", ["s", "R", "/", "?"]),
        (b"\r\n\t\x7f\x08\x15\x0c", ["enter", "enter", "tab", "backspace", "backspace", "ctrl-u", "ctrl-l"]),
        (b"\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        (b"\x1b[5~\x1b[6~", ["pageup", "pagedown"]),
        (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~\x1bOH\x1bOF", ["home", "end"] * 4),
        (b"\x1b[Z\x1bOM", ["backtab", "enter"]),
        (b"\x1b[1;5A\x1b[6;2~", ["up", "pagedown"]),
        (b"\x1b[15~\x1b[2~\x1bOP\x1b[I", []),
        (b"\x1ba\x1b[[Aq", ["q"]),
        ("ü漢🦊".encode(), ["ü", "漢", "🦊"]),
        (b"\xff\xfea\xc3(b", ["a", "(", "b"]),
        (b"\x00\x01\x02", []),
        (b"\x1b[<64;10;5M\x1b[<65;10;5M", ["wheelup", "wheeldown"]),
        (b"\x1b[<80;10;5M", ["wheelup"]),
        (b"\x1b[<2;10;5M\x1b[<0;10;5m\x1b[<35;10;5M", []),
        (b"\x1b[M`!!q", ["wheelup", "q"]),
        (b"\x1b[<999999999;1;1M", []),
    ],
)
def test_keys(data: bytes, found: list[str]) -> None:
    assert names(data) == found


def test_a_click_tells_the_row() -> None:
    assert keys(b"\x1b[<0;10;5M") == [Key("click", row=4)]
    assert keys(b"\x1b[M !%") == [Key("click", row=4)]


def test_pasted_text_comes_whole_with_whatever_is_in_it() -> None:
    assert keys(b"a\x1b[200~sk-ant\nq\x1b[A\x1b[201~b") == [
        Key("a"),
        Key("paste", "sk-ant\nq\x1b[A"),
        Key("b"),
    ]


def test_any_cut_gives_the_same_keys() -> None:
    data = "x\x1b[A\x1b[200~paste ü\x1b[201~\x1b[<64;1;1M\x1bOB🦊\x1b[5~".encode()
    whole = keys(data)
    rng = random.Random(7)
    for _ in range(200):
        keyboard, found, rest = KeyDecoder(), [], data
        while rest:
            size = rng.randint(1, 4)
            found += keyboard.feed(rest[:size])
            rest = rest[size:]
        assert found == whole
        assert not keyboard.has_partial


def test_a_lone_escape_is_one_after_a_pause() -> None:
    keyboard = KeyDecoder()
    assert keyboard.feed(b"\x1b") == []
    assert keyboard.has_partial
    assert keyboard.flush() == [Key("esc")]
    assert not keyboard.has_partial
    assert keyboard.flush() == []


def test_two_escapes_are_not_lost() -> None:
    keyboard = KeyDecoder()
    assert keyboard.feed(b"\x1b\x1b") == [Key("esc")]
    assert keyboard.flush() == [Key("esc")]


def test_what_never_ends_does_not_wait_for_ever() -> None:
    keyboard = KeyDecoder()
    assert keyboard.feed(b"\x1b[" + b"1" * 80)[-1:] == [Key("1")]
    keyboard = KeyDecoder()
    assert keyboard.feed(b"\x1b[200~half") == []
    assert keyboard.flush() == [Key("paste", "half")]
    (paste, *_) = KeyDecoder().feed(b"\x1b[200~" + b"x" * 70_000)
    assert paste.name == "paste"


def test_any_bytes_are_accepted() -> None:
    rng = random.Random(3)
    for _ in range(300):
        keyboard = KeyDecoder()
        keyboard.feed(bytes(rng.choice(b"\x1b[<0;1~MOAq\xc3\xf0 \x00") for _ in range(40)))
        keyboard.flush()
        assert keyboard.feed(b"q")[-1:] in ([Key("q")], [])
