"""Trust a certificate that a person names, besides those that the context trusts already."""

from __future__ import annotations

import ssl

__all__ = ["trust_itself"]

PARTIAL_CHAIN = ssl.VerifyFlags(0x80000)  # X509_V_FLAG_PARTIAL_CHAIN; has a name since 3.10


def trust_itself(context: ssl.SSLContext, pem: str) -> None:
    """Trust each certificate in `pem` itself, also if it is no authority's; raises ssl.SSLError.

    What RFC 5280 wants of authorities beyond that (VERIFY_X509_STRICT, Python's default since 3.13) Claude
    Code does not ask for.
    """
    context.verify_flags |= PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=pem)
