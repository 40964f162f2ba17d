"""Content codings: which ones the upstream is offered, and how compressed copies are read."""

from __future__ import annotations

import gzip
import random
import zlib
from typing import Callable, Optional

import pytest

from teamclaude.proxy.http.content_coding import (
    Inflater,
    is_identity,
    offers_readable,
    readable_accept_encoding,
)

TEXT = b"event: ping\ndata: {}\n\n" * 200


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        # Claude Code, curl, browsers, Java, undici, httpx.
        (["gzip, deflate, br, zstd"], ["gzip, deflate"]),
        (["deflate, gzip, br, zstd"], ["deflate, gzip"]),
        (["gzip, deflate"], ["gzip, deflate"]),
        (["identity"], ["identity"]),
        (["br;q=1.0, gzip;q=0.8, *;q=0.1"], ["gzip;q=0.8, deflate;q=0.1, identity;q=0.1"]),
        # The codings in any case, with any blanks, in order, twice, and by its old name.
        (["GZIP , Br"], ["GZIP"]),
        (["br,zstd ,deflate\t; q=0.5,, gzip"], ["deflate\t; q=0.5, gzip"]),
        (["zstd, gzip, gzip;q=0.5"], ["gzip, gzip;q=0.5"]),
        (["x-gzip, compress"], ["x-gzip"]),
        # What the client excludes stays excluded.
        (["identity;q=0, br, gzip"], ["identity;q=0, gzip"]),
        (["gzip, br, *;q=0"], ["gzip, *;q=0"]),
        (["deflate;q=0, gzip, br"], ["deflate;q=0, gzip"]),
        (["gzip;q=0, br;q=0, *"], ["gzip;q=0, deflate, identity"]),
        (["*"], ["gzip, deflate, identity"]),
        # Several lines keep their places; one of which nothing is left does not go up.
        (["br", "gzip"], [None, "gzip"]),
        (["gzip, br", "zstd", "deflate"], ["gzip", None, "deflate"]),
    ],
)
def test_the_upstream_is_offered_what_the_tap_reads(offered: list[str], sent: list[Optional[str]]) -> None:
    assert readable_accept_encoding(offered) == sent


@pytest.mark.parametrize(
    "offered",
    [
        [],
        [""],
        ["br"],
        ["br, zstd"],
        ["br", "zstd;q=0.5"],
        ["gzip;q=0"],
        ["gzip;q=0, br"],
        ["gzip;Q=0.000 , x-gzip; q=0, br"],
        ["gzip;q=0, deflate;q=0, identity;q=0, *"],
        ["*;q=0"],
        ["compress, unheard-of"],
        ["gzip,, deflate "],
        ["gzip", "", "deflate;q=0"],
    ],
)
def test_an_offer_of_only_readable_or_no_readable_codings_passes_unchanged(offered: list[str]) -> None:
    assert readable_accept_encoding(offered) == offered


def test_nothing_is_offered_that_the_client_did_not_offer() -> None:
    """Over random lists: every coding sent is one that is listed, or covered by `*`, with the same weight."""
    rng = random.Random(7)
    names = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity", "*", "GZip"]
    for _ in range(2000):
        items = [
            rng.choice(names) + rng.choice(["", ";q=0", "; q=0.0", ";q=0.7"])
            for _ in range(rng.randrange(1, 6))
        ]
        cut = rng.randrange(len(items) + 1)
        lines = [", ".join(items[:cut]), ", ".join(items[cut:])]
        sent = [item for line in readable_accept_encoding(lines) if line for item in line.split(", ")]
        wild = {item[1:] for item in items if item[0] == "*"}
        for item in sent:
            coding, mark, weight = item.partition(";")
            assert item in items or (coding in ("gzip", "deflate", "identity") and mark + weight in wild)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, True),
        ("", True),
        (" Identity ", True),
        ("gzip", False),
        ("br", False),
        ("identity, gzip", False),
    ],
)
def test_identity_is_no_coding(value: Optional[str], plain: bool) -> None:
    assert is_identity(value) is plain


def raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def members(data: bytes) -> bytes:
    return b"".join(gzip.compress(data[i : i + 700]) for i in range(0, len(data), 700))


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100, 1 << 20])
@pytest.mark.parametrize("behind", [b"", b"\0" * 40, b"\x1f", b"garbage"], ids=["end", "zeros", "1f", "text"])
@pytest.mark.parametrize("squeeze", [gzip.compress, members, zlib.compress, raw])
def test_any_form_is_read_in_any_pieces_and_what_follows_it_is_ignored(
    squeeze: Callable[[bytes], bytes], behind: bytes, piece: int
) -> None:
    data = squeeze(TEXT) + behind
    inflater = Inflater(1 << 20)
    out = b"".join(inflater.inflate(data[i : i + piece]) for i in range(0, len(data), piece))
    assert out == TEXT


def test_a_truncated_body_gives_what_it_has() -> None:
    noise = random.Random(1).getrandbits(80_000).to_bytes(10_000, "big")
    out = Inflater(1 << 20).inflate(gzip.compress(noise)[:5000])
    assert 4000 < len(out) < 5000
    assert noise.startswith(out)


def test_a_zip_bomb_is_refused_or_cut() -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    with pytest.raises(ValueError, match="larger than the limit"):
        Inflater(1000).inflate(bomb)
    assert len(Inflater(1000).inflate_truncated(bomb)) == 1001


@pytest.mark.parametrize("data", [b"no gzip", b"\x1f\x8bxxxxxxxxxxx"])
def test_what_is_not_compressed_is_an_error(data: bytes) -> None:
    with pytest.raises(zlib.error):
        Inflater(1000).inflate(data)


@pytest.mark.parametrize(
    ("offered", "readable"),
    [
        ([], True),
        ([""], True),
        (["gzip, br"], True),
        (["br", "GZip;q=0.1"], True),
        (["*"], True),
        (["br"], False),
        (["zstd, br;q=0.5"], False),
        (["br, gzip;q=0"], False),
        (["br, *;q=0.0"], False),
    ],
)
def test_whether_an_offer_has_a_coding_that_can_be_read(offered: list[str], readable: bool) -> None:
    assert offers_readable(offered) is readable
