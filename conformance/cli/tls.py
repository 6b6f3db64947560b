"""Files of certificates from options: whom to trust, and what the receiver shows of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conformance.model.errors import UsageError
from conformance.wire.asgi import Tls
from conformance.wire.streams import client_tls


def trusted(ca_file: Path | None) -> Path | None:
    """The file, which was seen to hold certificates. Raises UsageError if it does not."""
    if ca_file is not None:
        client_tls(ca_file)
    return ca_file


def tls_from(options: dict[str, Any]) -> Tls | None:
    """Certificate and key of the receiver. Raises UsageError for one without the other, and for what is neither."""
    certificate, key = options.get("callback_tls_cert"), options.get("callback_tls_key")
    if certificate is not None and key is not None:
        return Tls.of(certificate, key)
    if certificate is not None or key is not None:
        there, missing = ("cert", "key") if key is None else ("key", "cert")
        raise UsageError(f"--callback-tls-{there} is given without --callback-tls-{missing}; expected both")
    return None
