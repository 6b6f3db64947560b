"""Watch a client that is run by hand, or by its own tests, against an address that is shown.

The gateway is the mock one with its sample account. It keeps the contract; the phone number chooses other behaviours
(`conformance.mock.account.SCENARIOS`). The parameters of the calls and the client's reports are unknown. So each
request counts as a call of its own, except that equal ones to such a number count as one call that is repeated.
"""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from conformance.client.rules.calls import STRAY
from conformance.client.rules.sending import as_text
from conformance.client.settings import JOURNAL, ClientSettings
from conformance.client.witness import Witness, WitnessRequest
from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.journal import Journal, Redaction
from conformance.journal.redaction import without_credentials
from conformance.judging.reading import Content
from conformance.mock.account import Account, number_row
from conformance.mock.answering import Channel, put
from conformance.mock.behaviour import Wire
from conformance.mock.gateway import Gateway
from conformance.model.errors import UsageError
from conformance.model.process import Progress, Silent, clear_interruption, interrupts_allowed, interrupts_deferred
from conformance.model.traffic import Case, Kind, Request
from conformance.wire.ledger import Arrival
from conformance.wire.listening import Address

ASPECT = "observed"

# Replaces a credential that is not the sample account's: it may be a real one, sent here by mistake.
STRANGE = "[another credential]"

_SCHEME = re.compile(r"[A-Za-z]+(?= )")


class ObservingWitness(Witness):
    """Serves one base URL and makes cases of the requests to it."""

    def __init__(self, journal: Journal, account: Account, seed: int, listen: Address) -> None:
        """Bind the address. Raises EnvironmentFailure if that fails."""
        super().__init__(journal, account.contract, listen)
        self._gateway = Gateway(account, seed=seed)
        pair = f"{account.consumer_key}:{account.consumer_secret}"
        self._own = b64encode(pair.encode()).decode()
        self._calls: dict[tuple[str, bytes], str] = {}
        self._count = 0
        self._lasting = threading.Condition()
        self._last_at = time.monotonic()

    @property
    def base(self) -> str:
        """The base URL for a client."""
        return self.url + self._contract.base_path

    @property
    def count(self) -> int:
        """How many requests to a command there were."""
        return self._count

    def wait(self, for_s: float | None, idle_s: float | None) -> None:
        """Return after `for_s` seconds, or once there were requests and then none for `idle_s` seconds."""
        begun = time.monotonic()
        with self._lasting:
            while True:
                ends = [] if for_s is None else [begun + for_s]
                if idle_s is not None and self._count:
                    ends.append(self._last_at + idle_s)
                left = min(ends) - time.monotonic() if ends else None
                if left is not None and left <= 0:
                    return
                self._lasting.wait(left)

    async def _answer_here(self, request: Request, channel: Channel) -> None:
        answer = self._gateway.answer(request, time.monotonic())
        if (
            not self._has_own_credential(request)
            and self._strays.kept(Arrival(None, request, time.monotonic(), time.time()), None) is None
        ):
            await put(answer.reply, Wire(), request, channel)
            return
        case_id = self._case_of(request)
        headers = tuple((name, _without_stranger(name, value, self._own)) for name, value in request.headers)
        number = self._arrived(case_id, replace(request, headers=headers))
        if case_id != STRAY or self._has_own_credential(request):  # scanners do not end the observation
            with self._lasting:
                self._count += 1
                self._last_at = time.monotonic()
                self._lasting.notify_all()
        await self._reply(WitnessRequest(number, request, channel), answer.reply, Wire())

    def _has_own_credential(self, request: Request) -> bool:
        return any(self._own in value for name, value in request.headers if name.lower() == "authorization")

    def _case_of(self, request: Request) -> str:
        """The id of the call that a request belongs to: a new one, or that of an equal request to a chosen number."""
        command = command_of(request.url, self._contract)
        if command is None:
            return STRAY
        key = (command.name, request.body)
        if _chooses_behaviour(request.body, self._contract) and key in self._calls:
            return self._calls[key]
        name = f"{ASPECT}/{command.name}/{self._count + 1}"
        body = _lawful_body(command, request.body, self._contract)
        lawful = Request(command.method, f"{self.base}/{command.name}", (), body)
        self._journal.plan([Case(name, command.name, Kind.INVOKE, ASPECT, name, lawful)])
        self._calls[key] = name
        return name

    def _shown_head(self, head: bytes) -> bytes:
        """Without credentials, of which an unreadable request may hold any."""
        return without_credentials(head.decode("latin-1")).encode("latin-1")


def _without_stranger(name: str, value: str, own: str) -> str:
    if name.lower() != "authorization" or own in value:
        return value
    scheme = _SCHEME.match(value)
    return f"{scheme.group()} {STRANGE}" if scheme else STRANGE


def command_of(target: str, contract: Contract) -> Command | None:
    """The command of a target, even if its case or path is misspelled."""
    path = unquote(target.partition("?")[0]).rstrip("/").lower()
    return next((command for name, command in contract.commands.items() if path.endswith(f"/{name.lower()}")), None)


def _lawful_body(command: Command, body: bytes, contract: Contract) -> bytes:
    """The body that a lawful client would have sent: the documented members, as strings."""
    members = Content.of(body).members
    if command.method == "GET" or members is None:
        return b""
    known = contract.schemas.resolved(f"{command.folder}/request")["properties"]
    lawful = {name: as_text(value) for name, value in members.items() if name in known}
    return json.dumps(lawful, ensure_ascii=False).encode(errors="backslashreplace")


def _chooses_behaviour(body: bytes, contract: Contract) -> bool:
    """Whether the recipient in the body chooses a behaviour."""
    members, recipient = Content.of(body).members, contract.members.recipient
    return members is not None and recipient is not None and number_row(contract, members.get(recipient)) is not None


Introduce = Callable[[str, Account], None]


def observe(settings: ClientSettings, introduce: Introduce, progress: Progress | None = None) -> Path:
    """Watch a client until interrupted, or as long as the settings say.

    `introduce` is called with the base URL and the account. Raises EnvironmentFailure for an address that cannot be
    bound, and UsageError where the settings name none.
    """
    if settings.observe is None:
        raise UsageError("there is no address to observe a client at; expected --observe")
    progress = progress or Silent()
    progress.phase("prepare")
    account = Account.sample(contract=settings.contract)
    begun = time.monotonic()
    recorded = settings.of_run("the client that was observed", account.consumer_key, account.consumer_secret)
    redaction = Redaction.of_values(*settings.protected)
    with interrupts_deferred(), Journal.create(settings.report_dir / JOURNAL, recorded, redaction) as journal:
        with ObservingWitness(journal, account, settings.seed, settings.observe) as witness:
            journal.plan([Case(STRAY, None, Kind.INVOKE, STRAY, STRAY, Request("GET", witness.url))])
            introduce(witness.base, account)
            ends = [] if settings.observe_for_s is None else [f"for {settings.observe_for_s:g} s"]
            if settings.observe_idle_s is not None:
                ends.append(f"until nothing has come for {settings.observe_idle_s:g} s")
            progress.phase("observe", " or ".join(ends) or "until Ctrl-C")
            if settings.observe_for_s is not None:
                progress.until(time.monotonic() + settings.observe_for_s)
            try:
                with interrupts_allowed():
                    witness.wait(settings.observe_for_s, settings.observe_idle_s)
                    witness.wait_for_resends(settings.advised_delay_s, progress)
            except KeyboardInterrupt:
                clear_interruption()  # that is how it is meant to end
            witness.note_rest()
            journal.note("settled", {"at": time.monotonic(), "waited_s": None})
        journal.note("finished", {"duration_s": round(time.monotonic() - begun, 3)})
    return settings.report_dir / JOURNAL
