"""Checks whether the gateway answers, before anything is judged, so that another server is not blamed in its place.

The account command goes first, and if its answer is right nothing else is sent. A gateway may be at fault there and
right elsewhere, and then it has to be judged. So the set-up is wrong only where all commands are answered like an
unknown path: with one redirect, one page, one error. To see that, each of them is sent a body that the probes of the
contract say is refused, and that reaches nobody if it is accepted. So is the first command of a contract without an
account command; where no probe has such a body, the request goes to an unknown path instead.
"""

from __future__ import annotations

import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from conformance.contract.command import Command, Outcome
from conformance.contract.contract import Contract
from conformance.gateway.settings import Settings
from conformance.judging.messages import ANSWERED_BETWEEN, UNAUTHORIZED
from conformance.judging.reading import Content, is_number
from conformance.model.errors import SuiteError
from conformance.model.traffic import CLOSED_ON_REUSE, JSON_MEDIA_TYPE, Kind, Request, Response, header, media_type
from conformance.wire.connection import Certificate, Connection, HttpAnswer, KeepAlive, Unanswered
from conformance.wire.pacing import retry_after_s, timestamp_of
from conformance.wire.sender import LONGEST_WAIT_S, TOO_MANY_REQUESTS, UNAVAILABLE, asked_to_stay_away, in_words
from conformance.wire.streams import client_tls

# How long the gateway may take to answer. Generous: here a false alarm costs a whole run.
ANSWER_TIMEOUT_S = 15.0
# A network that loses one in ten loses as many in a row once in a hundred thousand times.
TRIES_OVER_NETWORK = 5

# A certificate that runs out sooner is about to stop a nightly run.
FEW_DAYS = 14
SECONDS_OF_A_DAY = 86_400
# Answers carry whole seconds, and take a while; a larger difference is that of a wrong clock.
CLOCKS_DIFFER_S = 60.0

# A gateway that asks for a wait of no time at all is not asked again at once.
SHORTEST_WAIT_S = 1.0

# The name of the check that reports it.
ASKED_TO_WAIT = "asked to wait"

BAD_REQUEST, FORBIDDEN, NOT_FOUND = 400, 403, 404
REDIRECTS, ERRORS, SERVER_ERRORS = range(300, 400), range(400, 600), range(500, 1000)
# Ends of a URL in the place of the base path.
_OTHER_BASE = re.compile(r"(?<!/)(/api)?(/v\d+)?$")
# Of the three members of an envelope one may be missing by a fault; one alone is also in the errors of other programs,
# such as the request_id of an API proxy.
MEMBERS_OF_AN_ENVELOPE = 2
# Characters of a page's title or of an address that are shown.
SHOWN = 80
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
# OpenSSL's words for a certificate without a trusted signature, or of another host.
UNTRUSTED = "certificate verify failed"
OWN_AUTHORITY = "if an authority of your own has signed its certificate, name a file with that one's in --ca-file"
# h11's words for an answer that begins with a byte below the letters, as an alert of TLS does.
_BINARY = "illegal request line"


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One check of the set-up. `target`: for a canary, path and query at which it arrived.

    `warning`: it passed, and yet a person should look at it. `may_be_chance`: it may pass the next time.
    """

    name: str
    ok: bool
    detail: str
    hint: str | None = None
    target: str | None = None
    warning: bool = False
    may_be_chance: bool = False

    @classmethod
    def failed(cls, name: str, detail: str, hint: str | None) -> Self:
        """A check that ends the preflight."""
        return cls(name, ok=False, detail=detail, hint=hint)

    @classmethod
    def warned(cls, name: str, detail: str) -> Self:
        """A check that passed with a warning."""
        return cls(name, ok=True, detail=detail, warning=True)


def reached(
    settings: Settings, gateway: str, on_id: Callable[[str], None] = lambda _: None
) -> Iterator[PreflightCheck]:
    """Check after check of the gateway at the base URL `gateway`; the one that failed, if any does, is the last.

    `on_id` is called with each id that an answer gives, for a notification may follow.
    """
    asking = _Asking(settings, gateway, on_id)
    try:
        with asking.connection:
            yield from _reached(settings, asking)
    except Unanswered as unanswered:
        yield _unanswered(asking, unanswered)
    except SuiteError as error:  # such as a host name that is none
        detail = f"gateway {gateway} cannot be asked: {error.message}"
        yield PreflightCheck.failed("gateway reachable", detail, "is the URL right?")


def _reached(settings: Settings, asking: _Asking) -> Iterator[PreflightCheck]:
    first = asking.answered(asking.first)
    waited = 0.0
    while (asked := _asked_to_wait(first.response)) is not None:
        if asked > LONGEST_WAIT_S:
            failure = asked_to_stay_away(first.response.status, asked)
            yield PreflightCheck.failed("gateway reachable", failure.message, failure.hint)
            return
        if waited + asked > LONGEST_WAIT_S:
            break
        if not waited:  # it may ask so once a second
            detail = f"{asking.gateway} answered {first.response.status}, and asks to wait for {in_words(asked)}"
            yield PreflightCheck.warned(ASKED_TO_WAIT, detail)
        pause = max(asked, SHORTEST_WAIT_S)
        time.sleep(pause)  # the gateway has asked for just this
        waited += pause
        first = asking.answered(asking.first)
    answer = first.response
    yield PreflightCheck("gateway reachable", ok=True, detail=f"{asking.gateway} answered {answer.status}")
    yield from _lasting(first.certificate)
    yield from clock(answer, time.time())
    reading = asking.reading
    if reading.status(answer) == UNAUTHORIZED:
        beside = "" if reading.in_envelope(answer) else f" ({reading.described(answer)})"
        detail = f"gateway {asking.gateway} refused the credential with 401{beside}"
        yield PreflightCheck.failed("credential accepted", detail, "check --consumer-key and --consumer-secret")
        return
    if wanting := list(reading.wanting(answer)):
        obstacle = _elsewhere(asking, answer) if answer.status != TOO_MANY_REQUESTS else None
        if obstacle is not None:
            yield obstacle
            return
        detail = f"{asking.first.name} is answered {answer.status} {', '.join(wanting)}"
        yield PreflightCheck.warned(asking.first.name, detail)
    yield PreflightCheck("credential accepted", ok=True, detail=f"consumer key {settings.consumer_key}")


def _unanswered(asking: _Asking, unanswered: Unanswered) -> PreflightCheck:
    """The check of a first command without an answer: there is no gateway, or one that fails in that alone."""
    other = next((command for command in asking.commands if command is not asking.first), None)
    with suppress(Unanswered), asking.connection:
        if other and not unanswered.never_left and asking.reading.in_envelope(asking.answered(other).response):
            detail = f"{asking.first.name} is not answered: {unanswered}"
            return PreflightCheck.warned(asking.first.name, detail)
    detail = f"gateway {asking.gateway} cannot be reached: {unanswered}"
    return PreflightCheck.failed("gateway reachable", detail, _why_unreachable(asking.gateway, str(unanswered)))


class _Asking:
    """Asks on one connection, as the run does."""

    def __init__(self, settings: Settings, gateway: str, on_id: Callable[[str], None]) -> None:
        self.gateway = gateway
        secure = gateway.startswith("https:")
        tls = client_tls(settings.ca_file) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.connection = Connection(ANSWER_TIMEOUT_S, KeepAlive(), tls)
        contract = settings.contract
        self.commands = [command for command in contract.commands_of(settings.products) if command.product is not None]
        self.first = self.commands[0] if contract.account is None else contract.commands[contract.account.command]
        self.reading = _AnswerReader(contract)
        right = contract.authentication.value(settings.consumer_key, settings.consumer_secret)
        self._headers = ((contract.authentication.header, right), ("Content-Type", JSON_MEDIA_TYPE))
        self._tries = TRIES_OVER_NETWORK if settings.network_there else 1
        self._on_id = on_id
        self._refused = _refused_body(contract)
        # An unknown path, whatever the gateway.
        self._nonsense = f"no-such-command-{secrets.token_hex(4)}"

    def others(self) -> tuple[list[Response], dict[str, Response]]:
        """The answers to the commands of the run, and those to a path that is none of them, by method."""
        methods = dict.fromkeys(command.method for command in (self.first, *self.commands))
        nonsense = {method: self._got(method, self._nonsense).response for method in methods}
        return [self.answered(command).response for command in self.commands], nonsense

    def answered(self, command: Command) -> HttpAnswer:
        """The answer to a command without a payload, and the certificate of the server."""
        asked_for = self._nonsense if self._refused is None and command.method != "GET" else command.name
        return self._got(command.method, asked_for)

    def _got(self, method: str, path: str) -> HttpAnswer:
        """The answer. The request may go out twice: it names neither a phone number nor an amount."""
        body = b"" if method == "GET" else self._refused or b""
        answer = self._tried(Request(method, f"{self.gateway.rstrip('/')}/{path}", self._headers, body))
        given = self.reading.members(answer.response).get(self.reading.contract.answer.id)
        if isinstance(given, str):
            self._on_id(given)
        return answer

    def _tried(self, request: Request) -> HttpAnswer:
        for _ in range(self._tries - 1):
            with suppress(Unanswered):
                answer = self.connection.ask(request)
                if answer.response.status not in ANSWERED_BETWEEN:
                    return answer
        try:
            return self.connection.ask(request)
        except Unanswered as unanswered:
            if str(unanswered) != CLOSED_ON_REUSE:
                raise
        return self.connection.ask(request)  # on another connection: the one that stood was closed before


def _refused_body(contract: Contract) -> bytes | None:
    """A text that the contract says is refused, without a digit in it; None if no probe has one."""
    rows = (row for row in contract.probes.of(Kind.MALFORMED) if row.outcome is Outcome.REFUSED)
    texts = (making.text("text") for row in rows for making in row.made if making.by == "text")
    return next((text.encode() for text in texts if text.strip() and not any(map(str.isdigit, text))), None)


# --- Answers


def _asked_to_wait(answer: Response) -> float | None:
    """The seconds after which the gateway says that it would answer; None if it does not."""
    asks = answer.status in (TOO_MANY_REQUESTS, UNAVAILABLE)
    return retry_after_s(answer.headers, time.time()) if asks else None


@dataclass(frozen=True, slots=True)
class _AnswerReader:
    """Answers, read by the roles that their members have in a contract."""

    contract: Contract

    def members(self, answer: Response) -> Mapping[str, Any]:
        """Those of the body; none if it is not an object."""
        # Also of a body that is declared in a wrong coding: it shows who wrote it all the same.
        return Content.with_repeats(answer.body).members or {}

    def in_envelope(self, answer: Response) -> bool:
        """Whether it looks like an answer of such a gateway, complete or not."""
        roles, members = self.contract.answer, self.members(answer)
        return sum(name in members for name in (roles.code, roles.reason, roles.id)) >= MEMBERS_OF_AN_ENVELOPE

    def status(self, answer: Response) -> int | float:
        """The code of the answer, or else its HTTP status."""
        code = self.members(answer).get(self.contract.answer.code)
        return code if isinstance(code, int | float) and is_number(code) else answer.status

    def accepts(self, answer: Response) -> bool:
        """Whether it is in an envelope, and says that the request was accepted."""
        return self.in_envelope(answer) and self.status(answer) == self.contract.answer.success

    def wanting(self, answer: Response) -> Iterator[str]:
        """The faults of an answer to the first command, in words."""
        roles, account, members = self.contract.answer, self.contract.account, self.members(answer)
        if not members or answer.undecodable is not None:
            yield f"with {self.described(answer)}"
            return
        if account is None:
            if not self.in_envelope(answer):
                yield f"with {self.described(answer)}"
            return
        if (status := self.status(answer)) != roles.success:
            yield f"with {roles.code} {status}"
            return
        if answer.status != roles.success or roles.code not in members:
            yield f"without {roles.code} {roles.success}"
        if not isinstance(members.get(roles.id), str):
            yield f"without {_a(roles.id)}"
        _, outer, *inner = (account.balance or "").split("/") if account.balance else ("", "")
        if inner and not isinstance(members.get(outer), dict):
            yield f"without {_a(outer)}"

    def described(self, answer: Response) -> str:
        """An answer in few words; for a page its title."""
        if answer.undecodable is not None:
            return f"a body that cannot be read: {answer.undecodable}"
        if not answer.body.strip():
            return "no body"
        if self.in_envelope(answer):
            reason = self.members(answer).get(self.contract.answer.reason)
            return f"JSON: {_short(reason)}" if isinstance(reason, str) and reason.strip() else "JSON"
        title = _TITLE.search(answer.body)
        if title is not None:
            return f"a page: {_short(title[1].decode(errors='replace'))}"
        if Content.with_repeats(answer.body).error is None:
            return "JSON of another kind"
        declared = media_type(answer.headers)
        return "an HTML page" if declared == "text/html" or answer.body.lstrip()[:1] == b"<" else "no JSON"


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _elsewhere(asking: _Asking, answer: Response) -> PreflightCheck | None:
    """The failed check if it is another server, or a gateway that does nothing; None if it has to be judged."""
    reading, success = asking.reading, asking.reading.contract.answer.success
    if reading.accepts(answer):
        return None
    if reading.in_envelope(answer) and answer.status == success and reading.status(answer) not in ERRORS:
        return None
    try:
        commands, nonsense = asking.others()
    except Unanswered:  # of some it has answers: that it has none of others is for the run to judge
        return None
    answers = [answer, *commands]
    if any(map(reading.accepts, answers)):
        return None
    kinds = {_kind(each) for each in answers}
    asked = ((asking.first, answer), *zip(asking.commands, commands, strict=True))
    # The same, as far as one can tell without comparing texts.
    as_nonsense = all(
        each.status == nonsense[command.method].status
        and reading.in_envelope(each) == reading.in_envelope(nonsense[command.method])
        for command, each in asked
    )
    if not as_nonsense and (len(kinds) > 1 or kinds == {None}):
        return None
    detail = f"gateway {asking.gateway} answers every request with {_named(asking, answer, commands)}"
    return PreflightCheck.failed("the gateway answers", detail, _hint(asking, answer))


def _kind(answer: Response) -> str | None:
    """The kind of an answer that is the same for all commands; None for any other."""
    kinds = {"redirect": REDIRECTS, "server error": SERVER_ERRORS, "not found": (NOT_FOUND,)}
    return next((kind for kind, statuses in kinds.items() if answer.status in statuses), None)


# --- In words


def _named(asking: _Asking, answer: Response, others: Sequence[Response]) -> str:
    statuses = " or ".join(map(str, dict.fromkeys(each.status for each in (answer, *others))))
    if (target := _leads_to(asking, answer)) is not None:
        return f"a redirect ({statuses}), which leads to {target}"
    return f"{statuses} ({asking.reading.described(answer)})"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 1]}…"


def _leads_to(asking: _Asking, answer: Response) -> str | None:
    """The target of a redirect, without its possible secrets; None without one."""
    location = header(answer.headers, "Location")
    if not location or answer.status not in REDIRECTS:
        return None
    try:
        parts = urlsplit(urljoin(f"{asking.gateway.rstrip('/')}/{asking.first.name}", location))
        return _short(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl())
    except ValueError:
        return "an invalid URL"


def _hint(asking: _Asking, answer: Response) -> str:
    gateway = asking.gateway
    if (redirected := _hint_at_target(asking, answer)) is not None:
        return redirected
    if answer.status in SERVER_ERRORS:
        return "is it up, and all that it needs? nothing was judged"
    if answer.status == BAD_REQUEST and gateway.startswith("http:"):
        return "does that port speak TLS? then the URL begins with https://"
    if answer.status == FORBIDDEN:
        return "may this machine and this account use it?"
    path = urlsplit(asking.reading.contract.base_url).path
    if path not in gateway:
        base = _OTHER_BASE.sub("", gateway.rstrip("/")) + path
        return f"is that the base URL that commands are put behind? try {base}"
    return f"is that the base URL that commands are put behind, with its {path}?"


def _hint_at_target(asking: _Asking, answer: Response) -> str | None:
    """The hint for a redirect to the same command elsewhere; None for any other answer."""
    target, command = _leads_to(asking, answer), asking.first.name
    if target is None:
        return None
    if target == f"{asking.gateway.rstrip('/')}/{command}/":
        return "the contract has no slash behind a command; does a route or a proxy want one?"
    return f"try --gateway {target.removesuffix(f'/{command}')}" if target.endswith(f"/{command}") else None


def _why_unreachable(gateway: str, why: str) -> str:
    if UNTRUSTED in why:
        return OWN_AUTHORITY
    if why.startswith("no TLS connection"):
        return "does that port speak plain HTTP? then the URL begins with http://"
    if gateway.startswith("http:") and _BINARY in why:
        return "does that port speak TLS? then the URL begins with https://"
    return "is it running, and are host, port and scheme right?"


def _lasting(certificate: Certificate | None) -> Iterator[PreflightCheck]:
    """The check of how long the gateway's certificate is good for; nothing without TLS."""
    if certificate is None:
        return
    try:
        until = ssl.cert_time_to_seconds(certificate.content["notAfter"])
    except (ValueError, KeyError, OverflowError):
        return
    days = int((until - time.time()) // SECONDS_OF_A_DAY)
    detail = f"{certificate.tls_version}, its certificate is good for {days} days"
    yield PreflightCheck("certificate", ok=True, detail=detail, warning=days < FEW_DAYS)


def clock(answer: Response, now: float) -> Iterator[PreflightCheck]:
    """Whether both clocks agree: people compare times in the journal with the logs of the gateway."""
    theirs = timestamp_of(header(answer.headers, "Date") or "")
    if theirs is not None and abs(theirs - now) > CLOCKS_DIFFER_S:
        ahead = "ahead of" if theirs > now else "behind"
        detail = f"the gateway's clock is {abs(theirs - now):.0f} s {ahead} this machine's"
        yield PreflightCheck.warned("clock", detail)
