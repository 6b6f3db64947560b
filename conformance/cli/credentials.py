"""Where consumer key and secret come from: options, a file that holds the secret, a file of the form of `.netrc`.

    Given               what was given, and where
    credential_of       key and secret, as far as they were given
    is_found_by_host    whether a `.netrc` has the secret for the gateway's host

What stands in an option or in the environment beats the files; the file with the secret beats the `.netrc`.
"""

from __future__ import annotations

import netrc
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from conformance.cli.command import contract_in
from conformance.cli.complaints import Complaints
from conformance.journal.redaction import is_own_word
from conformance.model.errors import UsageError

OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Given:
    """What was given of a credential; `gateway` is the base URL whose host is looked up in the `.netrc`."""

    key: str | None = None
    secret: str | None = None
    secret_file: Path | None = None
    netrc_file: Path | None = None
    gateway: str | None = None

    def readable_by_others(self) -> Iterator[Path]:
        """The files that other users of this machine can read."""
        for path in (self.secret_file, self.netrc_file):
            if path is not None and os.name == "posix" and path.is_file() and path.stat().st_mode & OTHERS:
                yield path


def is_found_by_host(given: Given) -> bool:
    """Whether the secret is that which the `.netrc` has for the gateway's host, and not for any."""
    if given.netrc_file is None or given.secret or given.secret_file is not None:
        return False
    return urlsplit(given.gateway or "").hostname in netrc.netrc(given.netrc_file).hosts


def credential_of(given: Given) -> tuple[str | None, str | None]:
    """Key and secret, None for what was given nowhere.

    Raises UsageError for a secret that is given twice or is a common word, a file that cannot be read and one that is
    not of its form.
    """
    if given.secret and given.secret_file is not None:
        raise UsageError("--consumer-secret and --consumer-secret-file are both given; give one of the two")
    key, secret = given.key, given.secret
    if given.secret_file is not None:
        secret = _secret_in(given.secret_file)
    if given.netrc_file is not None and not (key and secret):
        login, password = _looked_up(given.netrc_file, given.gateway)
        if key and key != login:
            raise UsageError(
                f"--netrc {given.netrc_file} is of login {login!r}, but --consumer-key is {key!r}",
                hint="leave --consumer-key out, or give the secret of that key",
            )
        key, secret = login, secret or password
    if secret:
        _warn_of_common(secret)
    return key, secret


def _warn_of_common(secret: str) -> None:
    """A word of the suite's own cannot be taken out of its reports; whoever guesses secrets begins with such a word."""
    contract = contract_in(click.get_current_context(silent=True))
    if is_own_word(secret, contract) or is_own_word(secret[:-1], contract):
        complaints = click.get_current_context().find_object(Complaints) or Complaints()
        complaints.warn("--consumer-secret is a common word or a part of one, so it is not redacted in texts")


def _secret_in(path: Path) -> str:
    """The only line of a file."""
    lines = _read(path, "--consumer-secret-file").splitlines()
    if len(lines) != 1 or not lines[0].strip():
        raise UsageError(f"--consumer-secret-file {path} has {len(lines)} lines; expected one, the secret")
    return lines[0].strip()


def _looked_up(path: Path, gateway: str | None) -> tuple[str, str]:
    """Login and password for the gateway's host, as curl and others read such a file."""
    if gateway is None:
        raise UsageError("--netrc is given without --gateway; expected the gateway whose host is looked up in it")
    host = urlsplit(gateway).hostname or ""
    _read(path, "--netrc")
    try:
        found = netrc.netrc(path).authenticators(host)
    except netrc.NetrcParseError as error:
        # Of the error only the place: its words show what stands there.
        raise UsageError(
            f"--netrc {path} cannot be read at line {error.lineno}",
            hint=f"expected lines such as: machine {host} login KEY password SECRET",
        ) from None
    if found is None or not found[0] or not found[2]:
        raise UsageError(
            f"--netrc {path} has no login and password for {host}",
            hint=f"add a line: machine {host} login KEY password SECRET",
        )
    return found[0], found[2]


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{option} {path} is no text in UTF-8") from None
