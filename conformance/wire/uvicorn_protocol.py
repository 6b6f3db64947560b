"""uvicorn's own protocol for one connection, which uvicorn does not offer to others: looked at before it is built on.

    HttpToolsProtocol   the class, with all that `reading_protocol` and `guarding` use of it

Another version of uvicorn may have it elsewhere, or change it. That is one clear line, and not a traceback in the
middle of a run.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from conformance.model.errors import EnvironmentFailure

HINT = "install the versions that the suite asks for, from where you have it: pip install --force-reinstall SOURCE"

# Called by it, or called on it.
USED = (
    "connection_made",
    "connection_lost",
    "data_received",
    "eof_received",
    "on_message_begin",
    "on_header",
    "on_headers_complete",
    "on_body",
    "on_message_complete",
    "on_response_complete",
    "shutdown",
    "_unset_keepalive_if_required",
)


def installed(package: str) -> str:
    """The version of a package, for people."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "no version at all"


def unusable(why: str) -> EnvironmentFailure:
    """What is told where the class cannot be built on."""
    return EnvironmentFailure(
        f"uvicorn {installed('uvicorn')} with httptools {installed('httptools')} cannot be served with: {why}", HINT
    )


def check_has(protocol: type, names: tuple[str, ...] = USED) -> None:
    """Raises EnvironmentFailure for a class without one of these."""
    if lacking := [name for name in names if not callable(getattr(protocol, name, None))]:
        raise unusable(f"its protocol has no {', '.join(lacking)}")


try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError as error:
    raise unusable(str(error)) from error

check_has(HttpToolsProtocol)

__all__ = ["HttpToolsProtocol"]
