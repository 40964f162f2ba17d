"""A Stage whose clients speak TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

__all__ = ["tls_stage"]


def tls_stage(stage: Callable[..., Any], pem: Any) -> Callable[..., Any]:
    """Return what builds a Stage with proxy.tls; its `raw` connections speak TLS and want a regular end."""
    client = ssl.create_default_context(cafile=pem.cert)
    client.options &= ~0x80  # OP_IGNORE_UNEXPECTED_EOF: the default of some versions
    files = {"cert": pem.cert, "key": pem.key}

    def build(*names: str, **config: Any) -> Any:
        made = stage(*names, **{**config, "proxy": {**config.get("proxy", {}), "tls": files}})
        made.secure = client
        return made

    return build
