"""Requests without the values of an account and the address of a gateway, so that any account can send them again.

No journal and no case file holds a credential, only a label: `right`, or the aspect and number of a wrong one, as in
the id of the case that sends it (`…/wrong-key/2`). Resuming, replaying, case files and the search for causes all use
templates. `conformance.gateway.case_labels` proves labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

from conformance import __version__
from conformance.contract.contract import Contract
from conformance.journal.marks import is_marked
from conformance.model.errors import UsageError
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Headers, Kind, Request, header
from conformance.payloads.probes import credential_probes

RIGHT, NONE = "right", "none"
USER_AGENT = f"statum-conformance/{__version__}"


@cache
def marker(contract: Contract) -> re.Pattern[bytes]:
    """Markers in a body for values of the account: ${sender_id} and other registered ones, and the ${phone_number}.

    That of the recipient may hold its first digits, and a number where there are several.
    """
    names = "|".join(map(re.escape, contract.members.registered))
    recipient = re.escape(contract.members.recipient or "")
    whose = rf"|(?P<recipient>{recipient})(?: (?P<prefix>[0-9]{{1,11}}))?(?: #[2-9])?" if recipient else ""
    return re.compile(rf"\$\{{(?:(?P<registered>{names}){whose})\}}".encode())


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """One request, for any account: `command`, `kind`, `aspect`, `member` and `keyword` as those of a Case.

    `path` follows the base URL. `credential` is a label. `headers` are all but that of the credential, or None for
    those of an ordinary request. `body` may hold markers, unless `as_is`.
    """

    command: str | None
    kind: Kind
    aspect: str
    method: str
    path: str
    credential: str = RIGHT
    headers: Headers | None = None
    body: bytes = b""
    as_is: bool = False
    member: str | None = None
    keyword: str | None = None

    @classmethod
    def of(cls, contract: Contract, case: Case, base_url: str) -> Self:
        """The template of a recorded case; `base_url` is that of its run.

        Raises UsageError if the journal keeps it redacted, so that its bytes are not known.
        """
        request = case.request
        if _is_redacted(contract, request) or not request.url.startswith(base_url):
            raise UsageError(
                f"case {case.id} cannot be sent again: the journal keeps it redacted, so its bytes are not known",
                hint="repeat the run with its seed instead",
            )
        return cls(
            case.command,
            case.kind,
            case.aspect,
            request.method,
            request.url.removeprefix(base_url.rstrip("/") + "/"),
            credential_label(contract, case),
            without_credential(contract, request.headers),
            request.body,
            not _is_text(request.body) or marker(contract).search(request.body) is not None,
            case.member,
            case.keyword,
        )

    def markers(self, contract: Contract) -> tuple[bytes, ...]:
        """The markers in the body, each once."""
        return () if self.as_is else tuple(dict.fromkeys(found[0] for found in marker(contract).finditer(self.body)))

    def filled(self, contract: Contract, values: Mapping[bytes, str]) -> Self:
        """The template with its markers replaced by their values."""
        if self.as_is:
            return self
        return replace(self, body=marker(contract).sub(lambda found: values[found[0]].encode(), self.body), as_is=True)

    def request(self, contract: Contract, base_url: str, key: str, secret: str) -> Request:
        """The request of the account with that credential, to the gateway at `base_url`.

        Raises UsageError if this account has no such wrong credential.
        """
        value = credential_value(contract, self.credential, key, secret)
        headers = ordinary_headers(contract, "") if self.headers is None else self.headers
        url = f"{base_url.rstrip('/')}/{self.path}"
        return Request(self.method, url, with_credential(contract, headers, value), self.body)


def sent_again(  # noqa: PLR0913, PLR0917 - the case as recorded, and its new address and account
    contract: Contract, case: Case, recorded_base: str, base_url: str, key: str, secret: str
) -> Case:
    """The recorded case for the gateway at `base_url`, with the credential of the account.

    Raises UsageError if its bytes are not known, or if this account has no such wrong credential.
    """
    template = RequestTemplate.of(contract, case, recorded_base)
    return replace(case, request=template.request(contract, base_url, key, secret))


def ordinary_headers(contract: Contract, credential: str) -> Headers:
    """The headers of a request with nothing unusual in it."""
    return (
        (contract.authentication.header, credential),
        ("Content-Type", JSON_MEDIA_TYPE),
        ("Accept", JSON_MEDIA_TYPE),
        ("Accept-Encoding", "gzip"),
        ("User-Agent", USER_AGENT),
    )


# --- Credentials by label


def credential_label(contract: Contract, case: Case) -> str:
    """The label of the credential of a case."""
    if case.kind is Kind.CREDENTIAL:
        number = case.id.rpartition("/")[2]
        return f"{case.aspect}/{number if number.isdecimal() and int(number) else 1}"
    return RIGHT if header(case.request.headers, contract.authentication.header) is not None else NONE


def credential_value(contract: Contract, label: str, key: str, secret: str) -> str | None:
    """The value of the header for an account; None for no header.

    Numbers go round: a follow-up of a probe has one beyond the last. Raises UsageError for an aspect that no wrong
    credential of this account has.
    """
    if label in (RIGHT, NONE):
        return contract.authentication.value(key, secret) if label == RIGHT else None
    aspect, _, number = label.rpartition("/")
    probes = credential_probes(contract, key, secret)
    of_aspect = [probe.header_value for probe in probes if probe.aspect == aspect]
    if not of_aspect:
        known = dict.fromkeys(probe.aspect for probe in probes)
        raise UsageError(
            f"credential {label!r} is none that this account can be probed with; expected {RIGHT}, "
            f"or {', '.join(known)} with a number, such as wrong-key/1"
        )
    return of_aspect[(int(number) - 1) % len(of_aspect)]


def with_credential(contract: Contract, headers: Headers, value: str | None) -> Headers:
    """`headers` with that credential: in the place of the old one, or else as the first."""
    others, name = without_credential(contract, headers), contract.authentication.header
    if value is None:
        return others
    place = next((i for i, (each, _) in enumerate(headers) if each.lower() == name.lower()), 0)
    return (*others[:place], (name, value), *others[place:])


def without_credential(contract: Contract, headers: Headers) -> Headers:
    """`headers` without the one that holds a credential."""
    return tuple(pair for pair in headers if pair[0].lower() != contract.authentication.header.lower())


def _is_redacted(contract: Contract, request: Request) -> bool:
    """Whether a part other than the credential is redacted."""
    headers = without_credential(contract, request.headers)
    texts = [request.url, *(f"{name}: {value}" for name, value in headers)]
    return is_marked("\n".join(texts).encode(errors="surrogatepass")) or is_marked(request.body)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
