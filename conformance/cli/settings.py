"""Options of commands → settings of a run: credentials, case files, TLS; for a recorded run from its journal.

    settings_from       the settings of a run
    as_recorded         the settings for the gateway of a recorded run
    credential_from     consumer key and secret, kept out of whatever is printed from there on

Of a credential, options and environment beat the files; the file with the secret beats the `.netrc`.

A credential is sent only to a gateway that its owner has named. A configuration file may come from a stranger, with a
clone, and so may a journal; either names a gateway, while the environment holds a credential for every folder. So a
gateway counts as named

- on the command line, in the environment, and by --credential-for there, for every credential;
- by a configuration file, for a credential in the same file;
- by a `.netrc` that has its host, if it is reached by https.

A gateway on this machine needs no name: only programs of this machine get the credential.
"""

from __future__ import annotations

import netrc
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from conformance.cli.command import CONFIGURED, Messages, on_command_line, warn_if_visible
from conformance.cli.configuration import Configured, variable
from conformance.cli.parameters import contract_in
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, Focus
from conformance.gateway.case_files import CaseFolder
from conformance.gateway.settings import (
    DEFAULT_CORPUS,
    MOCK_GATEWAY,
    RunLimits,
    Settings,
    check_gateway_url,
    is_loopback,
)
from conformance.journal import Record
from conformance.journal.marks import MARKS
from conformance.journal.redaction import is_own_word, tokens_of
from conformance.judging.verdicts import Verdict
from conformance.mock.account import Account
from conformance.model.errors import UsageError
from conformance.options import options_of, resumed
from conformance.reports.files import REPORT_JSON, read_report
from conformance.reports.folders import PART, folder_of, latest_folder
from conformance.reports.problems import shortfalls
from conformance.reports.report import Report, ReportEntry
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
    contract, gateway = options["contract"], options.get("gateway")
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
        "failed_by": options.get("failed_by", {}),
        "corpus": None,
        "cases": None,
    }
    if "corpus" in options:
        settings |= _cases(options["corpus"], options["cases"], options["save_corpus"], contract)
    built = Settings(**settings)
    return replace(built, report_dir=folder_of(built.report_dir, gateway or MOCK_GATEWAY, built.seed))


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
        raise UsageError(f"--corpus {corpus} is not a folder; expected one with case files in it")
    return {
        "corpus": CaseFolder.read(corpus, contract) if corpus is not None and cases is None else None,
        "cases": CaseFolder.read(cases, contract) if cases is not None else None,
    }


def limited(options: Mapping[str, Any], actors: Collection[Actor]) -> dict[str, Any]:
    """The options of a run that judges the requirements of --only, or those that failed last; the same for a whole run.

    The reports of such a run do not take the place of those of a whole one. Raises UsageError for requirements on
    anybody but the `actors`, and if nothing failed.
    """
    catalogue, directory = options["contract"].catalogue, options["report_dir"]
    only: Sequence[str] = options["only"]
    failed_by: dict[tuple[str, str | None], tuple[str, ...]] = {}
    if options["last_failed"]:
        if only:
            raise UsageError("--only and --last-failed are both given; give one of the two")
        directory = latest_folder(directory)
        if not (directory / REPORT_JSON).exists():
            raise UsageError(f"there is no {REPORT_JSON} of an earlier run in {directory}", "run it once as a whole")
        report = read_report(directory, options["contract"])
        failed = _failed(report, directory)
        failed_by = {(each.id, each.command): _cases_of(each) for each in failed}
        only = Focus.on(list(failed_by), catalogue).written()
    for id_, _ in Focus.of(only).entries:
        if (actor := catalogue[id_].actor) not in actors:
            raise UsageError(
                f"{id_} is about a {actor}; this command judges a {' or a '.join(sorted(actors))}",
                hint=f"`statum-conformance explain {id_}` tells which one does",
            )
    if not only:
        return dict(options)
    return {**options, "only": tuple(only), "failed_by": failed_by, "report_dir": directory / PART}


def _failed(report: Report, directory: Path) -> list[ReportEntry]:
    """The broken requirements of a run; where none was broken, those that were not exercised."""
    entries = [entry for each in shortfalls(report) for entry in each.entries]
    if not entries:
        raise UsageError(f"nothing failed in the run of {directory}, so nothing is sent", "leave out --last-failed")
    return [entry for entry in entries if entry.verdict is not Verdict.INCONCLUSIVE] or entries


def _cases_of(entry: ReportEntry) -> tuple[str, ...]:
    """The cases by which a requirement failed, or their kinds, as beginnings of ids; none if a finding names none.

    Another seed draws other payloads, so a failure that few cases show may take another case of their kind. Where more
    cases show it than the report names, one of each kind will do.
    """
    names: dict[str, None] = {}
    for finding in entry.findings:
        kinds = {case.rpartition("/")[0]: case for case in reversed(finding.cases)}
        if not kinds:
            return ()
        is_client = entry.actor is not Actor.GATEWAY  # its calls are numbered throughout, so another plan has others
        names |= dict.fromkeys(kinds if is_client or finding.count <= len(finding.cases) else kinds.values())
    return tuple(names)


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


OTHERS = stat.S_IRGRP | stat.S_IROTH
FOR = "credential_for"
CREDENTIAL = ("consumer_key", "consumer_secret", "consumer_secret_file", "netrc")
DEFAULT_PORTS = {"http": 80, "https": 443}


def credential_from(options: Mapping[str, Any], *, is_sent: bool = True) -> tuple[str, str]:
    """Consumer key and secret: as given, or those of the built-in mock gateway where no other is named.

    Raises UsageError if one of them is missing, and if it `is_sent` and not known to be meant for the gateway.
    """
    gateway, messages = options.get("gateway"), Messages.of()
    tokens = (options.get("callback_token") or "", *tokens_of(options.get("callback_url") or "", gateway or ""))
    secrets = (*options.get("redact", ()), *tokens)
    messages.protect(options["consumer_secret"] or "", options["consumer_key"] or "", *secrets)
    key, secret = credential_of(options)
    messages.protect(secret or "", key or "", *secrets)
    for path in _files(options):
        if path.is_file() and path.stat().st_mode & OTHERS:
            messages.warn(f"{path} holds the secret and can be read by others of this machine; chmod 600 {path}")
    warn_if_visible("consumer-secret")
    if gateway is not None:
        check_gateway_url(gateway)  # before the credential is asked for: a typo is the likelier mistake
        for name, value in (("--consumer-key", key), ("--consumer-secret", secret)):
            if not value:
                raise UsageError(f"{name} is missing; --gateway needs a credential", f"set {variable(name[2:])}")
        if is_sent:
            _check_meant_for(gateway, options)
    sample = Account.sample()
    return key or sample.consumer_key, secret or sample.consumer_secret


def credential_of(options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Key and secret, None for each that no option gives.

    Raises UsageError for a secret that is given twice, and for a file that cannot be read or has another form; warns of
    a secret that is a common word.
    """
    key, secret, secret_file, netrc_file = (options.get(name) for name in CREDENTIAL)
    if secret and secret_file is not None:
        raise UsageError("--consumer-secret and --consumer-secret-file are both given; give one of the two")
    if secret_file is not None:
        lines = _read(secret_file, "--consumer-secret-file").splitlines()
        if len(lines) != 1 or not lines[0].strip():
            raise UsageError(f"--consumer-secret-file {secret_file} has {len(lines)} lines; expected one, the secret")
        secret = lines[0].strip()
    if netrc_file is not None and not (key and secret):
        login, password = _looked_up(netrc_file, options.get("gateway"))
        if key and key != login:
            raise UsageError(
                f"--netrc {netrc_file} is of login {login!r}, but --consumer-key is {key!r}",
                hint="leave --consumer-key out, or give the secret of that key",
            )
        key, secret = login, secret or password
    contract = contract_in(click.get_current_context(silent=True))
    # A word of the suite's own cannot be taken out of its reports, and is what whoever guesses secrets begins with.
    if secret and (is_own_word(secret, contract) or is_own_word(secret[:-1], contract)):
        Messages.of().warn("--consumer-secret is a common word or a part of one, so it is not redacted in texts")
    return key, secret


def _looked_up(path: Path, gateway: str | None) -> tuple[str, str]:
    """Login and password for the gateway's host, as curl and others read such a file."""
    if gateway is None:
        raise UsageError("--netrc is given without --gateway; expected the gateway whose host is looked up in it")
    host = urlsplit(gateway).hostname or ""
    _read(path, "--netrc")
    try:
        found = netrc.netrc(path).authenticators(host)
    except netrc.NetrcParseError as error:
        # Only the line number: the message of the error quotes the file.
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
        raise UsageError(f"{option} {path} is not UTF-8 text") from None


def _files(options: Mapping[str, Any]) -> list[Path]:
    """The files with the secret that the options name."""
    return [path for path in (options.get("consumer_secret_file"), options.get("netrc")) if path is not None]


def _check_meant_for(gateway: str, options: Mapping[str, Any]) -> None:
    """Raise UsageError unless the credential is meant for this gateway."""
    context = click.get_current_context()
    configured: Mapping[str, Configured] = context.meta.get(CONFIGURED, {})
    in_file = {name: each.origin for name, each in configured.items() if each.in_file and not on_command_line(name)}
    bound = configured.get(FOR)
    if bound is not None and bound.in_file:
        raise UsageError(
            f"credential-for is in {bound.origin}, which may be anybody's; expected it where the credential is",
            hint=f"set {variable(FOR)}",
        )
    if is_loopback(gateway):
        return
    named = [*context.params.get(FOR, ())]
    if on_command_line("gateway"):
        named.append(context.params["gateway"])
    if "gateway" in configured and not configured["gateway"].in_file:
        named.append(configured["gateway"].value)
    scheme, host, port = origin = _origin_of(gateway)
    if origin in set(map(_origin_of, named)) or (scheme == "https" and _is_found_by_host(options)):
        return
    if "gateway" in in_file and _is_of_file(options, in_file):
        return
    host = f"[{host}]" if ":" in host else host
    shown = f"{scheme}://{host}" if port == DEFAULT_PORTS.get(scheme) else f"{scheme}://{host}:{port}"
    namer = in_file.get("gateway", "the journal")
    raise UsageError(
        f"{namer} names the gateway {gateway}, and the credential comes from elsewhere, so it is not sent",
        hint=f"if it is meant for it, say --gateway {gateway}, or set {variable(FOR)}={shown}",
    )


def _origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, which all have to match. Raises UsageError if it is not a URL."""
    check_gateway_url(url)
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or DEFAULT_PORTS.get(parts.scheme)


def _is_found_by_host(options: Mapping[str, Any]) -> bool:
    """Whether the secret is the one of the `.netrc` for this very host, not its default."""
    _, secret, secret_file, netrc_file = (options.get(name) for name in CREDENTIAL)
    if netrc_file is None or secret or secret_file is not None:
        return False
    return urlsplit(options["gateway"]).hostname in netrc.netrc(netrc_file).hosts


def _is_of_file(options: Mapping[str, Any], in_file: Collection[str]) -> bool:
    """Whether the whole credential is the configuration file's own, by the options that have their value `in_file`.

    A file with the secret that lies elsewhere is the user's, whoever names it.
    """
    here = Path.cwd().resolve()
    return all(name in in_file for name in CREDENTIAL if options.get(name)) and all(
        path.resolve().is_relative_to(here) for path in _files(options)
    )
