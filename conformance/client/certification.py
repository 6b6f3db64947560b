"""The certification of a client: greet its driver, carry out the plan, then watch for repeated requests.

Nothing is judged here. A driver that dies fails the current case and is started again; the run ends after three deaths
in a row, and when its time is used up. Requests that the client may send again are watched for once, for all cases.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from conformance.client.bench import MOST_DEATHS, Bench, GivenUp, OutOfTime, Patience
from conformance.client.calling import Caller
from conformance.client.driver import Death, Driver
from conformance.client.driver_log import DriverLog, tokens_in
from conformance.client.examiner import examine
from conformance.client.left_behind import can_look
from conformance.client.plan import Cases, Credential
from conformance.client.posting import check_reachable
from conformance.client.protocol import Hello
from conformance.client.rules.calls import STRAY
from conformance.client.settings import JOURNAL, ClientSettings, program_of
from conformance.client.witness import Witness
from conformance.contract.contract import Contract
from conformance.journal import Journal, Redaction
from conformance.model.errors import EnvironmentFailure, UsageError, lack_of
from conformance.model.process import Progress, Silent, closed_at_second_signal, interrupts_allowed, interrupts_deferred
from conformance.model.traffic import Case, Kind, Request
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
    listens. Later failures are notes in the journal.
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
        credential = Credential.of(settings.seed)
        recorded = settings.of_run(hello.subject, credential.key, credential.secret)
        tokens = tokens_in(settings.contract, *hello.callback_urls.values())
        redaction = Redaction.of_values(*settings.protected, *tokens)
        journal = stack.enter_context(Journal.create(settings.report_dir / JOURNAL, recorded, redaction))
        if driver is not None:
            log.release(journal)
            journal.note("hello", hello.recorded())
            stack.enter_context(closed_at_second_signal(driver.end_at_once))
        try:
            with Witness(journal, settings.contract) as witness:
                cases = Cases(settings.contract, settings.seed, witness.url)
                patience = Patience(settings, hello.lacks, begun)
                _run(Bench(settings, journal, log, witness, cases, credential, hello, driver, progress, patience))
        finally:
            if driver is not None:
                driver.kill()  # before the journal is closed, which gets its last lines
                note_left_behind(journal, driver)
        journal.note("finished", {"duration_s": round(time.monotonic() - begun, 3)})
    return settings.report_dir / JOURNAL


def _greet(driver: Driver, log: DriverLog, settings: ClientSettings) -> Hello:
    """Start the driver. Raises EnvironmentFailure if it does not say hello."""
    try:
        with interrupts_allowed(), closed_at_second_signal(driver.end_at_once):
            return driver.start()
    except Death as death:
        words = f"driver {settings.driver!r} did not say hello: {death}"
        hint = "docs/driver-protocol.md has what is expected"
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


def _run(bench: Bench) -> None:
    """Carry out the plan; note its early end, if any."""
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
            yield "it has left a process behind", f"{left.command} (pid {left.pid}), {left.fate}"
    except Death as death:
        words, hint = f"driver {command_line!r} failed: {death}", "docs/driver-protocol.md describes what is expected"
        raise _redacted(log.tokens, words, hint, log.last_lines) from death
    finally:
        driver.kill()
