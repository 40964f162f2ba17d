"""Host and Accept-Encoding of any content, each compared with an independent parser."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from teamclaude.accounts.config.config import ProxyConfig
from teamclaude.errors import BadRequestError, ForbiddenError, MisdirectedRequestError
from teamclaude.proxy.http.framing import BodyKind, Framing
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.header_rewrite import Credential, upstream_request_headers
from teamclaude.proxy.messages.access import AccessPolicy
from tests.fuzz.fuzz_random import FuzzRandom, assert_printable

__all__ = ["accept_encodings", "hosts"]

NAMES = [
    *("localhost", "127.0.0.1", "[::1]", "proxy.lan", "a.example", "evil.test", "localhost.evil.test", ""),
    *("127.0.0.1.evil.test", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]"),
    *("[::1%25lo]", "[fe80::1%lo]", "10.0.0.7", "example", ".example", "xn--lcalhost-d1a", "LOCALHOST."),
]
PORTS = ["", ":3456", ":", ":0", ":99999", ":+1", ":80:80", ": 80"]
HOST_WORDS = [bytes([code]) for code in b"@#?/\\%[]:. \t\xa0\xff,"]
OURS = {"localhost", "proxy.lan"}

CODINGS = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "identity", "*", "GZIP", "", "dcb", "gzip2"]
WEIGHTS = ["", ";q=0", ";q=0.000", "; q=1", ";Q=0.5", ";q=0.001", ";q=", ";q=nan", ";q=-1", ";x=9;q=0"]
CODING_WORDS = [b",", b";", b"q=", b"0", b".", b" ", b"\t", b'"', b"*", b"\xe9", b"=", b"gzip", b"br"]

_PLAIN = Framing(BodyKind.NONE)


def hosts(rng: FuzzRandom) -> None:
    """A request that is admitted without a key names this proxy, as another parser reads the name."""
    value = rng.choice(NAMES) + rng.choice(PORTS)
    if rng.chance(0.5):
        value = rng.mutated(value.encode("latin-1"), HOST_WORDS).decode("latin-1")
    values = [value] * rng.choice([1, 1, 1, 1, 2, 0])
    head = RequestHead("GET", "/health/ready", rng.choice([1, 1, 0]), [("Host", each) for each in values])
    policy = AccessPolicy(ProxyConfig(api_key="tc-fuzz-FAKE-key", host="proxy.lan"))
    try:
        policy.check_origin(head)
    except (BadRequestError, MisdirectedRequestError, ForbiddenError) as refusal:
        assert_printable(refusal)
        return
    if not values:
        assert head.minor == 0
        return
    assert len(values) == 1, "two Hosts"
    name = _host_of(value).rstrip(".")
    assert name in OURS or _is_loopback(name), f"{value!r} was admitted, which is {name!r}"


def _host_of(value: str) -> str:
    """Return the host as a URL parser reads it; of a bracketed literal the part before its zone."""
    if value.startswith("["):
        return value[1:].partition("]")[0].partition("%")[0]
    return urlsplit(f"http://{value}/").hostname or ""


def _is_loopback(name: str) -> bool:
    address = ipaddress.ip_address(name.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or bool(mapped and mapped.is_loopback)


def accept_encodings(rng: FuzzRandom) -> None:
    """The forwarded header asks for no coding that the client does not accept."""
    values = [_codings(rng) for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    fields = [
        ("Host", "localhost"),
        *((rng.choice(["Accept-Encoding", "accept-encoding"]), v) for v in values),
    ]
    head = RequestHead("POST", "/v1/messages", 1, fields)
    credential = Credential("oauth", "sk-ant-oat01-FAKE-fuzz")
    out = upstream_request_headers(head, credential, "api.test", _PLAIN, lambda value: False)
    asked = [value for name, value in out if name.lower() == "accept-encoding"]
    taken = _taken(values)
    if asked == values or "*" in taken:
        return
    assert _taken(asked) <= taken | {"identity"}, (values, asked)


def _codings(rng: FuzzRandom) -> str:
    parts = [rng.choice(CODINGS) + rng.choice(WEIGHTS) for _ in range(rng.up_to(5))]
    text = rng.choice([", ", ",", " , "]).join(parts)
    return rng.mutated(text.encode(), CODING_WORDS).decode("latin-1").strip() if rng.chance(0.3) else text


def _taken(values: Sequence[str]) -> set[str]:
    """Return the codings a client accepts: all that it names with a weight above zero."""
    found = set()
    for part in ",".join(values).lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [piece[2:].strip() for piece in parameters if piece.startswith("q=")]
        zero = any(weight and not weight.strip("0.") for weight in weights)
        if name and not zero:
            found.add(name)
    return found
