"""Does a driver work at all, and can it, or a receiver, be reached? Looked at before anything is judged.

proxies_in          variables that may lead a client's requests elsewhere
examine_driver      what works of a driver
reachable           EnvironmentFailure if nothing answers at a callback URL
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator, Mapping

import httpx

from conformance.client.driver import Death, Driver
from conformance.client.heard import Heard
from conformance.client.settings import program_of
from conformance.contract.contract import Contract
from conformance.journal import Redaction
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import shown_url
from conformance.wire.answers import CONNECT_TIMEOUT_S
from conformance.wire.proxies import proxy_for

PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy")
"""The variables by which HTTP clients take a proxy from the environment."""

# How NO_PROXY names the witness; not every client knows all of these.
NOT_FOR_THIS_MACHINE = {"*", "127.0.0.1", "127.0.0.0/8"}


def proxies_in(environ: Mapping[str, str]) -> list[str]:
    """The names of variables that may have a client send its requests to a proxy instead of this machine.

    They are left as they are: what a client makes of them is part of what its users meet.
    """
    excepted = {name.strip() for variable in ("NO_PROXY", "no_proxy") for name in environ.get(variable, "").split(",")}
    return [] if excepted & NOT_FOR_THIS_MACHINE else [name for name in PROXIES if environ.get(name)]


def examine_driver(command_line: str, contract: Contract) -> Iterator[tuple[str, str]]:
    """What works, name and detail, one after the other; what does not is raised.

    Raises UsageError for a driver that cannot be used, EnvironmentFailure for one that does not say hello or stop.
    """
    heard = Heard(contract)
    driver = Driver(program_of(command_line), heard.said, heard.redacted, contract)
    try:
        hello = driver.start()
        made_of = f" ({hello.language})" if hello.language else ""
        yield "driver says hello", f"{hello.subject}{made_of}"
        yield "commands", ", ".join(hello.commands) or "none"
        if hello.features:
            yield "features", ", ".join(sorted(hello.features))
        if hello.lacks:
            yield "not exposed by its API", ", ".join(sorted(hello.lacks))
        if proxies := proxies_in(os.environ):
            yield "proxies in its environment", f"{', '.join(proxies)}; NO_PROXY does not name 127.0.0.1"
        driver.stop()
        yield "driver stops", "exit code 0"
        for left in driver.left_behind:
            yield "it has left a process behind", f"{left.command} (pid {left.pid}), {left.fate}"
    except Death as death:
        redaction = Redaction.of_values(*heard.tokens)
        raise EnvironmentFailure(
            redaction.text(f"driver {command_line!r} failed: {death}"),
            "docs/driver-protocol.md describes what is expected",
            list(map(redaction.text, heard.last_lines)),
        ) from death
    finally:
        driver.kill()


def reachable(url: str, tls: ssl.SSLContext | None = None) -> None:
    """Raises EnvironmentFailure, in one line, if nothing listens where a callback URL leads, or nobody trustworthy.

    `tls`: whose certificates are trusted; without it, they are not looked at.
    """
    where = httpx.URL(url)
    if proxy_for(where) is not None:
        return  # what lies behind a proxy shows when it is asked
    shown = shown_url(url)
    port = where.port or (443 if where.scheme == "https" else 80)
    try:
        made = socket.create_connection((where.host, port), CONNECT_TIMEOUT_S)
    except TimeoutError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: no connection within {CONNECT_TIMEOUT_S:g} s",
            hint="is the receiver running, and may this machine connect to it?",
        ) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: {error.strerror or error}",
            hint="is the receiver running?",
        ) from error
    with made:
        if where.scheme == "https" and tls is not None:
            _shake_hands(made, where, shown, tls)


def _shake_hands(made: socket.socket, where: httpx.URL, shown: str, tls: ssl.SSLContext) -> None:
    try:
        tls.wrap_socket(made, server_hostname=where.raw_host.decode("ascii")).close()
    except ssl.SSLCertVerificationError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} has a certificate that is not trusted: {error.verify_message}",
            hint="give the authority that has signed it with --ca-file",
        ) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: no TLS connection: {getattr(error, 'reason', None) or error}",
            hint="does TLS listen at this port?",
        ) from error
