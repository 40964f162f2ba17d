"""The address of a server as a person writes it: URL, `host:port`, or a URL with a path.  Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ...dial.authority import authority
from ...errors import UsageError
from ...values import NamedTuple

__all__ = ["ServerAddress", "parse_address", "parse_addresses"]

MAX_LENGTH = 2000  # characters
_BETWEEN = re.compile(r"[\s,]+")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+;=:@%-]+)*")  # RFC 3986 path-abempty, without empty segments
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){1,3}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")


class ServerAddress(NamedTuple):
    """Where a server is reached; `prefix` comes before its paths, where a reverse proxy has it below one."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def is_tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, by a name or address that needs no look-up."""
        return self.host in ("localhost", "::1") or bool(_LOOPBACK.fullmatch(self.host))

    @property
    def place(self) -> str:
        """Host and port, as in a URL."""
        return authority(self.host, self.port)

    @property
    def url(self) -> str:
        """The base URL, always with the port and without a slash at its end."""
        return f"{self.scheme}://{self.place}{self.prefix}"


def parse_address(text: str) -> ServerAddress:
    """Parse `http://host:port`, `https://host/path` or `host:port`; raise UsageError for anything else.

    Without a scheme it is http, without a port 80 or 443.
    """
    try:
        split = urlsplit(text if "://" in text else f"http://{text}")
        host, port, prefix = split.hostname or "", split.port, split.path.rstrip("/")
    except ValueError:
        raise _wrong(text) from None
    good = (
        len(text) <= MAX_LENGTH
        and text.isprintable()  # urlsplit removes line ends
        and split.scheme in ("http", "https")
        and _HOST.fullmatch(host)
        and port != 0
        and _PREFIX.fullmatch(prefix)
        and ".." not in prefix.split("/")
    )
    if split.username is not None or split.password is not None:
        # The text itself may be a secret: it is not shown.
        raise UsageError(
            "the address of a server holds no name or key: give the key in TEAMCLAUDE_KEY or --key-file"
        )
    if not good or split.query or split.fragment:
        raise _wrong(text)
    return ServerAddress(split.scheme, host, port or (443 if split.scheme == "https" else 80), prefix)


def parse_addresses(text: str) -> list[ServerAddress]:
    """Parse addresses separated by commas or blanks; each counts once."""
    return list(dict.fromkeys(parse_address(word) for word in _BETWEEN.split(text) if word))


def _wrong(text: str) -> UsageError:
    return UsageError(f'"{text[:200]}" is not the address of a server, like http://host:3456')
