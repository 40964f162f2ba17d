"""The page as one HTML document: its style and scripts stand in it, and a policy lets nothing else run.

Read from this folder once, through the loader: a copied directory and a zip archive both work.  Nothing of
what a server knows is in the document, so it is the same for everybody.
"""

from __future__ import annotations

import base64
import hashlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from ..values import NamedTuple

__all__ = ["PageDocument", "assemble", "page_document"]

_LINK = re.compile(r'<link rel="stylesheet" href="([\w./-]+)">')
_SCRIPT = re.compile(r'<script src="([\w./-]+)"( defer)?></script>\n?')
_PACKAGE = __name__.rpartition(".")[0]


class PageDocument(NamedTuple):
    """The document, and the fields that are sent with it."""

    body: bytes
    headers: Sequence[tuple[str, str]]


@lru_cache(maxsize=1)
def page_document() -> PageDocument:
    """Return the document of this version."""
    return assemble(_asset)


def _asset(name: str) -> str:
    return (pkgutil.get_data(_PACKAGE, name) or b"").decode("utf-8")


def assemble(asset: Callable[[str], str]) -> PageDocument:
    """Put the files that page.html names into it; `asset` returns the text of a file of this folder.

    A script with `defer` moves to the end of the body.  Raises ValueError for a file that would end its own
    element.
    """
    styles: list[str] = []
    scripts: list[str] = []
    late: list[str] = []

    def style(found: re.Match[str]) -> str:
        styles.append(_inline(asset(found[1]), found[1]))
        return f"<style>{styles[-1]}</style>"

    def script(found: re.Match[str]) -> str:
        text = _inline(asset(found[1]), found[1])
        scripts.append(text)
        if found[2]:
            late.append(f"<script>{text}</script>\n")
            return ""
        return f"<script>{text}</script>\n"

    html = _SCRIPT.sub(script, _LINK.sub(style, asset("page.html")))
    if late:
        before, end, after = html.rpartition("</body>")
        html = before + "".join(late) + end + after
    return PageDocument(html.encode(), _headers(styles, scripts))


def _inline(text: str, name: str) -> str:
    if re.search(r"</(?:script|style)|<!--", text, re.I):
        raise ValueError(f"{name} holds what would end its element")
    return text


def _headers(styles: Sequence[str], scripts: Sequence[str]) -> Sequence[tuple[str, str]]:
    policy = [
        "default-src 'none'",
        f"style-src {_sources(styles)}",
        f"script-src {_sources(scripts)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text is ever read as HTML (Trusted Types, where the browser knows them).
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    return (
        ("Content-Security-Policy", "; ".join(policy)),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Embedder-Policy", "require-corp"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
        ("Cache-Control", "no-store"),
    )


def _sources(texts: Sequence[str]) -> str:
    """Return the hash of each text as CSP wants it (CSP3, 2.3.1)."""
    found = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{each}'" for each in found) or "'none'"
