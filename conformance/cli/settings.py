"""The settings of a run from the options of its command, and for a recorded run from its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from conformance.cli.command import on_command_line
from conformance.cli.credentials import credential_from
from conformance.contract.contract import Contract
from conformance.gateway.case_files import CaseFolder
from conformance.gateway.settings import DEFAULT_CORPUS, RunLimits, Settings
from conformance.journal import Record
from conformance.journal.marks import MARKS
from conformance.model.errors import UsageError
from conformance.options import options_of, resumed
from conformance.wire.asgi import Tls
from conformance.wire.listening import Address
from conformance.wire.streams import client_tls


def given_settings(kind: type, command: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given for fields of a `kind` of settings, by the names of the fields."""
    names = {field.name for field in fields(kind)}
    rows = ((option.setting or option.recorded, options.get(option.key)) for option in options_of(command))
    return {name: value for name, value in rows if name in names and value is not None and value != ()}


def settings_from(options: Mapping[str, Any], *, looks_only: bool = False, is_sent: bool = True) -> Settings:
    """The settings of a run, from the options that the command has; those that it lacks have their defaults.

    `looks_only`: the command sends nothing but account-details. `is_sent`: whether it sends the credential at all.
    Raises UsageError for what cannot be used.
    """
    key, secret = credential_from(options, is_sent=is_sent)
    contract = options["contract"]
    settings = {
        **given_settings(Settings, "run", options),
        "consumer_key": key,
        "consumer_secret": secret,
        # Each once and in the order of the contract, so that another order sends the same.
        "products": tuple(product for product in contract.products if product in options["product"]),
        "callback_paths": dict(options.get("callback_path") or ()),
        "registered": {member: tuple(options[member]) for member in contract.members.registered if options.get(member)},
        "callback_tls": _tls(options.get("callback_tls_cert"), options.get("callback_tls_key")),
        "ca_file": trusted(options.get("ca_file")),
        "limits": RunLimits(**given_settings(RunLimits, "run", options)),
        "looks_only": looks_only,
        "corpus": None,
        "cases": None,
    }
    if "corpus" in options:
        settings |= _cases(options["corpus"], options["cases"], options["save_corpus"], contract)
    return Settings(**settings)


def _cases(corpus: Path | None, cases: Path | None, saved: Path | None, contract: Contract) -> dict[str, Any]:
    """The settings about case files. Raises UsageError for a file that is not one, before anything is sent."""
    if cases is not None and corpus is not None and on_command_line("corpus") and on_command_line("cases"):
        raise UsageError("--cases sends these cases and nothing else, and --corpus others first; give one of the two")
    if saved is not None and saved.exists():
        if not saved.is_dir():
            raise UsageError(f"--save-corpus {saved} is a file; expected a folder")
        CaseFolder.read(saved, contract)
    if corpus is None and Path(DEFAULT_CORPUS).is_dir():
        corpus = Path(DEFAULT_CORPUS)
    if corpus is not None and not corpus.is_dir():
        raise UsageError(f"--corpus {corpus} is no folder; expected one with case files in it")
    return {
        "corpus": CaseFolder.read(corpus, contract) if corpus is not None and cases is None else None,
        "cases": CaseFolder.read(cases, contract) if cases is not None else None,
    }


def trusted(ca_file: Path | None) -> Path | None:
    """The file, which was seen to hold certificates. Raises UsageError if it does not."""
    if ca_file is not None:
        client_tls(ca_file)
    return ca_file


def _tls(certificate: Path | None, key: Path | None) -> Tls | None:
    """Certificate and key of the receiver. Raises UsageError for one without the other, and for other files."""
    if certificate is not None and key is not None:
        return Tls.of(certificate, key)
    if certificate is not None or key is not None:
        there, missing = ("cert", "key") if key is None else ("key", "cert")
        raise UsageError(f"--callback-tls-{there} is given without --callback-tls-{missing}; expected both")
    return None


def as_recorded(
    record: Record,
    options: Mapping[str, Any],
    report_dir: Path,
    products: Sequence[str] = (),
    *,
    is_sent: bool = True,
) -> Settings:
    """Settings for the gateway of a recorded run; of all its products, unless some are named.

    The journal holds no secret, so that is one of the `options`; `is_sent`: to that gateway. Raises UsageError for what
    cannot be used, for a gateway that the secret is not known to be meant for, and for a callback URL whose token the
    journal keeps redacted.
    """
    recorded = record.settings
    if "callback_listen" not in recorded:
        raise UsageError("the journal does not tell where notifications were taken", "begin a new run")
    wanted = {
        "shrink_requests": 0,  # where the journal is of a time when failures were not looked into
        **resumed("run", recorded),
        "callback_listen": Address.parse(recorded["callback_listen"]),
    }
    # The built-in mock gateway has a name of its own; a gateway that was given is called by its URL.
    if recorded["subject_name"] != recorded["gateway"]:
        wanted["gateway"] = None
    if products:
        wanted["product"] = tuple(products)
    context = click.get_current_context()
    given = {
        name: value
        for name, value in options.items()
        if value not in (None, ()) and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    chosen = {**options, "consumer_secret": None, **wanted, **given, "report_dir": report_dir}
    url = chosen["callback_url"]
    if url is not None and any(mark in url for mark in MARKS):
        raise UsageError(
            f"--callback-url is missing; the journal keeps the token of {url} redacted",
            hint="give the URL as it is registered with the gateway",
        )
    return settings_from(chosen, is_sent=is_sent)
