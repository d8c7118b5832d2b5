"""Which certificate authorities are trusted, and what TLS says when it fails."""

from __future__ import annotations

import os
import ssl

from bedrock_bearer.errors import ConfigurationError


def load_authorities() -> ssl.SSLContext:
    """Return a context that trusts `AWS_CA_BUNDLE`, `SSL_CERT_FILE` or `SSL_CERT_DIR`, or certifi.

    Raises:
        ConfigurationError: the file or directory that is named cannot be used.
    """
    context = _trusting()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _trusting() -> ssl.SSLContext:
    for variable in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        if path := os.environ.get(variable):
            return _context_of(variable, path)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _context_of(variable: str, path: str) -> ssl.SSLContext:
    try:
        if variable == "SSL_CERT_DIR":
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise ConfigurationError(f"{variable} names {path!r}, which cannot be used: {reason}.")


def reason_of(error: OSError) -> str:
    """Return the words of the operating system, or of TLS, for an error of the network."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}".rstrip(".")
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "the connection was closed"
        return f"TLS failed: {reason.replace('_', ' ').lower()}"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    # asyncio raises errors without a number, and some without a word.
    return str(error.strerror or "").rstrip(".") or str(error) or "the connection was closed"
