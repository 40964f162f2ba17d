"""Which certificates of servers are trusted, and what is wrong with one in words.

The system's authorities and those of SSL_CERT_FILE are trusted, and besides them those in a file that the
person names: usually the server's own certificate, which it signed itself.
"""

from __future__ import annotations

import ssl
from typing import Optional

from ...dial.trust import trust_itself
from ...errors import TeamClaudeError

__all__ = ["check_ca_file", "client_context", "tls_problem"]

# Of OpenSSL, where the words differ between versions: x509_vfy.h.
_SELF_SIGNED, _IN_CHAIN, _NO_ISSUER, _EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = (
    18,
    19,
    20,
    10,
    9,
    62,
    64,
)
_UNTRUSTED = (_SELF_SIGNED, _IN_CHAIN, _NO_ISSUER, 2, 21)


def client_context(ca_file: Optional[str] = None) -> ssl.SSLContext:
    """Return the context of a client; raise TeamClaudeError for a file without certificates.

    A certificate in the file is trusted itself, also if it is no authority's.
    """
    context = ssl.create_default_context()
    if ca_file:
        trust_itself(context, check_ca_file(ca_file))
    return context


def check_ca_file(ca_file: str) -> str:
    """Return the certificates in a file as PEM; raise TeamClaudeError if there are none that can be used."""
    try:
        with open(ca_file, encoding="ascii", errors="ignore") as file:
            text = file.read(16 << 20)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except ssl.SSLError:
        problem = "there is no certificate in it that can be read (PEM)"
    except (OSError, ValueError) as error:
        problem = f"can't read it: {getattr(error, 'strerror', None) or error}"
    else:
        return text
    raise TeamClaudeError(f"--ca-file {ca_file}: {problem}")


def tls_problem(error: ssl.SSLError, url: str, host: str) -> str:
    """Return in one line why there is no TLS with a server, and what to do."""
    code = getattr(error, "verify_code", None)
    if code in _UNTRUSTED:
        return (
            f"nobody whom this machine trusts has signed the certificate of {url}: copy it here (the file "
            f"proxy.tls.cert of the server) and name it with --ca-file or TEAMCLAUDE_CA_FILE"
        )
    if code in (_EXPIRED, _NOT_YET):
        when = "has expired" if code == _EXPIRED else "is not valid yet"
        return f"the certificate of {url} {when}: renew it there, or set the clock of this machine"
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return (
            f"the certificate of {url} is not for {host}: use a name that it is for, or make one for {host}"
        )
    if code is not None:
        return f"the certificate of {url} is not accepted: {getattr(error, 'verify_message', '') or error}"
    if error.reason in (
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
        "UNEXPECTED_EOF_WHILE_READING",
    ):
        return f"no TLS with {url}: does it speak plain http? Then it is http://{url.partition('://')[2]}"
    return f"no TLS with {url}: {error.reason or error}"
