"""For which gateway a credential is: for one that was named by whoever has given the credential.

    credential_for_option       --credential-for
    check_meant_for             refuses to send a credential anywhere else
    CONFIGURED                  where a command keeps what is configured for its options, and where that stands

A configuration file may be a stranger's, that was cloned, and so may a journal. Either names a gateway, and the
environment holds a credential, for every folder. So a gateway counts as named

- on the command line, in the environment, and by --credential-for there, for every credential;
- by a configuration file for a credential that stands in it, too;
- by a `.netrc` that has its host, if it is reached by https.

A gateway on this machine needs no name: what listens here is no stranger's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from conformance.cli.command import CONFIGURED, option
from conformance.cli.configuration import Configured, variable
from conformance.cli.credentials import Given, is_found_by_host
from conformance.gateway.settings import check_gateway_url, is_loopback
from conformance.model.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

OPTION = "credential-for"
DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


def credential_for_option(section: str) -> Callable[[F], F]:
    """--credential-for, below that heading."""
    return option(
        section,
        f"--{OPTION}",
        multiple=True,
        metavar="URL",
        help="Gateway, as https://HOST, that the credential is for. Needed where a configuration file or a journal "
        "names the gateway and the credential stands elsewhere; not for one on this machine. Repeatable.",
    )


def origin_of(url: str) -> Origin:
    """Scheme, host and port, of which each has to be the same; UsageError for what is no URL."""
    check_gateway_url(url)
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or DEFAULT_PORTS.get(parts.scheme)


def check_meant_for(gateway: str, given: Given) -> None:
    """UsageError unless the credential that is given is meant for this gateway."""
    context = click.get_current_context()
    where = _Where(context, context.meta.get(CONFIGURED, {}))
    bound = where.configured.get(OPTION.replace("-", "_"))
    if bound is not None and bound.in_file:
        raise UsageError(
            f"{OPTION} stands in {bound.origin}, which may be anybody's; expected it where the credential stands",
            hint=f"set {variable(OPTION)}",
        )
    if is_loopback(gateway):
        return
    wanted = origin_of(gateway)
    if wanted in set(map(origin_of, where.named())) or (wanted[0] == "https" and is_found_by_host(given)):
        return
    if where.stands_in_file("gateway") and where.is_of_file(given):
        return
    scheme, host, port = wanted
    host = f"[{host}]" if ":" in host else host
    shown = f"{scheme}://{host}" if port == DEFAULT_PORTS.get(scheme) else f"{scheme}://{host}:{port}"
    raise UsageError(
        f"{where.told('gateway')} names the gateway {gateway}, and the credential stands elsewhere, so it is not sent",
        hint=f"if it is meant for it, say --gateway {gateway}, or set {variable(OPTION)}={shown}",
    )


class _Where:
    """Where the options of the command at hand stand."""

    def __init__(self, context: click.Context, configured: Mapping[str, Configured]) -> None:
        self._context = context
        self.configured = configured

    def named(self) -> Iterator[str]:
        """The gateways that are named on the command line and in the environment."""
        if self._on_command_line("gateway"):
            yield self._context.params["gateway"]
        found = self.configured.get("gateway")
        if found is not None and not found.in_file:
            yield found.value
        yield from self._context.params.get(OPTION.replace("-", "_"), ())

    def stands_in_file(self, name: str) -> bool:
        """Whether an option has its value from the configuration file."""
        found = self.configured.get(name)
        return found is not None and found.in_file and not self._on_command_line(name)

    def is_of_file(self, given: Given) -> bool:
        """Whether all that is given of the credential is the configuration file's own.

        A file with the secret that lies elsewhere is the user's, whoever names it.
        """
        options = {
            "consumer_key": given.key,
            "consumer_secret": given.secret,
            "consumer_secret_file": given.secret_file,
            "netrc": given.netrc_file,
        }
        of_file = all(self.stands_in_file(name) for name, value in options.items() if value)
        files = (path.resolve() for path in (given.secret_file, given.netrc_file) if path is not None)
        return of_file and all(path.is_relative_to(Path.cwd().resolve()) for path in files)

    def told(self, name: str) -> str:
        """Where an option has its value from, in words."""
        return self.configured[name].origin if self.stands_in_file(name) else "the journal"

    def _on_command_line(self, name: str) -> bool:
        return self._context.get_parameter_source(name) is ParameterSource.COMMANDLINE
