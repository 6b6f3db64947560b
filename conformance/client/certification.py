"""Certifications: of a client that is driven, of its receiver alone, and of a client that is run by hand.

`certify` greets the driver, carries out the plan, then watches for repeated requests. A driver that dies fails the
current case and is started again; the run ends after three deaths in a row, and when its time is used up. Requests that
the client may send again are watched for once, for all cases.

`observe` watches a client that is run by hand, or by its own tests, against an address that is shown. The gateway is
the mock one with its sample account. It keeps the contract; the phone number chooses other behaviours
(`conformance.mock.account.SCENARIOS`). The parameters of the calls and the client's reports are unknown. So each
request counts as one call, except that equal ones to such a number count as one call that is repeated.

Nothing is judged here.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import unquote

from conformance.client.calling import MOST_DEATHS, Bench, Caller, GivenUp
from conformance.client.driver import Death, Driver, can_look
from conformance.client.driver_messages import DriverLog, Hello, tokens_in
from conformance.client.examiner import examine
from conformance.client.plan import Cases, OutOfTime, Patience, account_of
from conformance.client.posting import check_reachable
from conformance.client.rules.calls import OBSERVED, STRAY
from conformance.client.rules.sending import as_text
from conformance.client.settings import JOURNAL, ClientSettings, program_of
from conformance.client.witness import Witness, WitnessRequest
from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.journal import INTERRUPTED_AT_ONCE, Journal, Redaction, earlier_run
from conformance.journal.redaction import without_credentials
from conformance.judging.reading import Content
from conformance.mock.account import Account, number_row
from conformance.mock.answering import Channel, put
from conformance.mock.behaviour import Wire
from conformance.mock.gateway import Gateway
from conformance.model.errors import EnvironmentFailure, UsageError, lack_of
from conformance.model.process import (
    Progress,
    Silent,
    clear_interruption,
    closed_at_second_signal,
    interrupts_allowed,
    interrupts_deferred,
    is_interrupted,
)
from conformance.model.traffic import Case, Kind, Request
from conformance.wire.ledger import Arrival
from conformance.wire.listening import Address
from conformance.wire.streams import client_tls

LEFT_BEHIND = "left-behind"
"""The kind of the note on processes that outlived the driver; `processes` is null where they cannot be found."""

# A few processes show what the driver leaves behind.
MOST_LEFT_NOTED = 20

PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy")
"""The variables by which HTTP clients take a proxy from the environment."""

# How NO_PROXY names the witness; not every client knows all of these.
NOT_FOR_THIS_MACHINE = {"*", "127.0.0.1", "127.0.0.0/8"}


def certify(settings: ClientSettings, progress: Progress | None = None) -> Path:
    """Run a certification; return the path of its journal.

    Raises UsageError for a driver that cannot be used (not there, another protocol, nothing declared), and
    EnvironmentFailure where the run cannot begin: a driver that does not say hello, a callback URL where nothing
    listens. Later failures are notes in the journal. One that ends before any traffic leaves the results of an earlier
    run, and raises EnvironmentFailure.
    """
    progress = progress or Silent()
    progress.phase("prepare")
    if settings.driver is None and settings.callback_url is None:
        raise UsageError("nothing is given to certify; expected --driver 'CMD ARGS', --callback-url URL or --observe")
    if settings.callback_url is not None:
        with interrupts_allowed():
            check_reachable(settings.callback_url, client_tls(settings.ca_file))
    begun = time.monotonic()
    with interrupts_deferred(), ExitStack() as stack:
        log, driver = DriverLog(settings.contract, settings.protected), None
        hello = Hello(f"the receiver at {(settings.callback_url or '').partition('?')[0]}")
        if settings.driver is not None:
            driver = Driver(program_of(settings.driver), log)
            stack.callback(driver.kill)
            hello = _greet(driver, log, settings)
        account = account_of(settings.seed, settings.contract)
        recorded = settings.of_run(hello.subject, account)
        tokens = tokens_in(settings.contract, *hello.callback_urls.values())
        redaction = Redaction.of_values(*settings.protected, *tokens)
        path = settings.report_dir / JOURNAL
        journal = stack.enter_context(Journal.create(path, recorded, redaction, spares_earlier=True))
        if driver is not None:
            log.release(journal)
            journal.note("hello", hello.recorded())
            stack.enter_context(closed_at_second_signal(driver.end_at_once))
        try:
            with Witness(journal, settings.contract) as witness:
                cases = Cases(settings.contract, settings.seed, witness.url)
                patience = Patience(settings, hello.lacks, begun)
                obstacle = _run(
                    Bench(settings, journal, log, witness, cases, account, hello, driver, progress, patience)
                )
        finally:
            if driver is not None:
                driver.kill()  # before the journal is closed, which gets its last lines
                note_left_behind(journal, driver)
        journal.note("finished", {"duration_s": round(time.monotonic() - begun, 3)})
    if journal.spared:
        message = INTERRUPTED_AT_ONCE if is_interrupted() else "nothing was sent to the client, and nothing came"
        raise EnvironmentFailure(obstacle.message if obstacle else message, earlier_run(path))
    return path


def _greet(driver: Driver, log: DriverLog, settings: ClientSettings) -> Hello:
    """Start the driver. Raises EnvironmentFailure if it does not say hello."""
    try:
        with interrupts_allowed(), closed_at_second_signal(driver.end_at_once):
            return driver.start()
    except Death as death:
        words = f"driver {settings.driver!r} did not say hello: {death}"
        hint = "docs/driver-protocol.md describes what is expected"
        raise _redacted([*settings.protected, *log.tokens], words, hint, log.last_lines) from None


def note_left_behind(journal: Journal, driver: Driver) -> None:
    """Note the processes that outlived the driver that had started them, or that they cannot be found."""
    if not can_look():
        journal.note(LEFT_BEHIND, {"processes": None})
    elif driver.left_behind:
        left = [asdict(each) for each in driver.left_behind[:MOST_LEFT_NOTED]]
        journal.note(LEFT_BEHIND, {"processes": left, "count": len(driver.left_behind)})


def _redacted(values: Iterable[str], message: str, hint: str, lines: Iterable[str]) -> EnvironmentFailure:
    redaction = Redaction.of_values(*values)
    return EnvironmentFailure(redaction.text(message), redaction.text(hint), list(map(redaction.text, lines)))


def _run(bench: Bench) -> EnvironmentFailure | None:
    """Carry out the plan; note its early end, if any. Returns the obstacle that ended it."""
    journal = bench.journal
    if bench.driver is not None and (proxies := proxies_in(os.environ)):
        journal.note("environment", {"proxies": proxies})
    journal.plan([Case(STRAY, None, Kind.INVOKE, STRAY, STRAY, Request("GET", bench.witness.url))])
    try:
        with interrupts_allowed():
            _carry_out(bench)
    except KeyboardInterrupt:
        journal.note("interrupted", {})
    except GivenUp as given_up:
        journal.note("gave-up", {"deaths": MOST_DEATHS, "detail": str(given_up.__cause__)})
    except Exception as error:
        failure = error if isinstance(error, EnvironmentFailure) else lack_of(error)
        if failure is None:
            raise
        journal.note("obstacle", {"message": failure.message, "hint": failure.hint})
        return failure
    return None


def _carry_out(bench: Bench) -> None:
    """The parts of a certification in their order; each plans its own cases first."""
    caller = Caller(bench)
    try:
        for url in sorted({url for url in bench.callbacks.values() if url.startswith("https:")}):
            check_reachable(url, client_tls(bench.settings.ca_file))
        caller.call_everything()
        examine(bench)
        caller.call_first_again()
        caller.call_postponed()
    except OutOfTime as out_of_time:
        bench.note_out_of_time(out_of_time)
    watch(bench)
    bench.close()


def watch(bench: Bench) -> None:
    """Wait once, for all cases, until a request that is sent again within the window would have arrived."""
    since = bench.witness.wait_for_resends(bench.settings.resend_window_s, bench.progress)
    bench.witness.note_rest()
    at = time.monotonic()
    bench.journal.note("settled", {"at": at, "waited_s": None if since is None else round(at - since, 3)})


def proxies_in(environ: Mapping[str, str]) -> list[str]:
    """The names of variables that may have a client send its requests to a proxy instead of this machine.

    They stay as they are: the client's users have them, too.
    """
    excepted = {name.strip() for variable in ("NO_PROXY", "no_proxy") for name in environ.get(variable, "").split(",")}
    return [] if excepted & NOT_FOR_THIS_MACHINE else [name for name in PROXIES if environ.get(name)]


def examine_driver(command_line: str, contract: Contract) -> Iterator[tuple[str, str]]:
    """Try a driver: yield the name and detail of each check that passed.

    Raises UsageError for a driver that cannot be used, EnvironmentFailure for one that does not say hello or stop.
    """
    log = DriverLog(contract)
    driver = Driver(program_of(command_line), log)
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
            fate = "which was ended" if left.ended else "which could not be ended, and goes on"
            yield "it has left a process behind", f"{left.command} (pid {left.pid}), {fate}"
    except Death as death:
        words, hint = f"driver {command_line!r} failed: {death}", "docs/driver-protocol.md describes what is expected"
        raise _redacted(log.tokens, words, hint, log.last_lines) from death
    finally:
        driver.kill()


# --- A client that is run by hand

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
        name = f"{OBSERVED}/{command.name}/{self._count + 1}"
        body = _lawful_body(command, request.body, self._contract)
        lawful = Request(command.method, f"{self.base}/{command.name}", (), body)
        self._journal.plan([Case(name, command.name, Kind.INVOKE, OBSERVED, name, lawful)])
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
    bound, and for a client that sends nothing where the report directory holds an earlier run, which stays as it is;
    UsageError where the settings name no address.
    """
    if settings.observe is None:
        raise UsageError("there is no address to observe a client at; expected --observe")
    progress = progress or Silent()
    progress.phase("prepare")
    account = Account.sample(contract=settings.contract)
    begun = time.monotonic()
    recorded = settings.of_run("the client that was observed", account)
    redaction = Redaction.of_values(*settings.protected)
    path = settings.report_dir / JOURNAL
    with interrupts_deferred(), Journal.create(path, recorded, redaction, spares_earlier=True) as journal:
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
    if journal.spared:
        raise EnvironmentFailure("the client sent nothing", earlier_run(path))
    return path
