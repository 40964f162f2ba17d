"""teamclaude/dial/trust.py."""

from __future__ import annotations

import ssl
from pathlib import Path

from teamclaude.dial.trust import trust_itself
from tests.proxy.conftest import Pem


def test_a_certificate_is_trusted_itself_and_strictness_is_left_out(pem: Pem) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    trust_itself(context, Path(pem.cert).read_text())
    assert context.cert_store_stats()["x509"] == 1
    assert context.verify_flags & 0x80000  # X509_V_FLAG_PARTIAL_CHAIN
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
