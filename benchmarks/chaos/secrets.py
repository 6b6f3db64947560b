"""Secrets that a gateway says back to whatever is called, each command in a process of its own.

planted_everywhere      every command that meets a gateway or its journal; a run that is killed, and goes on
spelled                 secrets of any characters, spelled by programs of every kind, of which nothing must be left
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from command_line import PATIENCE_S, finished, process
from hostile_writers import ALONE, CODINGS, FIRST, WRITERS, found_in, nested
from mock_rig import eventually
from planted_secrets import QUICK, SAID, Planted, errands, leaks, planted

from benchmarks.chaos.figures import Figures
from conformance.contract.contract import statum
from conformance.gateway.campaign import JOURNAL
from conformance.journal import Redaction, read_journal
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.faults import faults
from conformance.model.errors import UsageError

FAULTS = ("status-code-as-string", "result-code-as-number", "notification-contradicted")
SENT_BEFORE_KILL = 100
DEBUG = {"STATUM_CONFORMANCE_DEBUG": "1"}


def planted_everywhere(figures: Figures, rounds: int) -> None:
    """Files and whatever is said, of commands that end well, of runs that find something, and of one that is killed."""
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory, planted() as gateway:
            _called(figures, Path(directory), gateway, 0, "keygen", "run.key")
            for arguments in errands(gateway):
                _called(figures, Path(directory), gateway, 0, *arguments)
        for name in FAULTS:
            with (
                tempfile.TemporaryDirectory() as directory,
                planted(faults(statum())[name].change(BUILT_IN)) as gateway,
            ):
                _called(figures, Path(directory), gateway, 1, "run", *QUICK, *gateway.options, "--save-corpus=corpus")
        with tempfile.TemporaryDirectory() as directory, planted() as gateway:
            _killed(figures, Path(directory), gateway)


ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "abcABC0123456789+/=",
    "abc0123-_.~!*'();:@&=+$,/?#[]%<>\"\\",
    "aéüß€😀Ж日",
    "41%\\=&;#xu0023amp",
)


def spelled(figures: Figures, count: int) -> None:
    """Each secret by one writer or two, in a body that is coded or not; every decoder is tried on what is left."""
    later = [name for name in WRITERS if name not in FIRST | ALONE]
    for number in range(count):
        random = Random(number)
        alphabet = random.choice((*ALPHABETS, "".join(ALPHABETS)))
        secret = "".join(random.choices(alphabet, k=random.randrange(6, 40)))
        names = [random.choice([*WRITERS]), *random.choices(later, k=random.randrange(2))]
        names = names[:1] if names[0] in ALONE else names
        # A body of two bytes a character is read where it is ASCII.
        coding = random.choice(["as it is", *CODINGS]) if secret.isascii() else "as it is"
        text = f'{{"description": "before {nested(names, secret, random)} after"}}'
        hidden = Redaction.of(secret, "key").data(CODINGS[coding](text.encode(errors="surrogatepass")))
        figures.add("spellings of secrets tried", 1)
        left = b"REDACTED" not in hidden.replace(b"\0", b"") and b"hidden" not in hidden and b"*" not in hidden
        figures.add(
            "spellings of secrets not redacted", left or found_in(hidden, secret), f"{secret!r} {names} {coding}"
        )


def _called(figures: Figures, here: Path, gateway: Planted, code: int, *arguments: str) -> None:
    called = finished(process(here, *arguments, **gateway.variables, **DEBUG))
    figures.add("runs", arguments[0] in ("run", "replay"))
    if called.code != code:
        figures.add("wrong verdicts", 1, f"{' '.join(arguments[:2])} ended with {called.code}: {called.err}")
    said = leaks(called.out) + leaks(called.err)
    figures.add("secrets found in artefacts", len(said), f"{arguments[0]} said {said}")
    figures.search(here, *SAID)


def _killed(figures: Figures, here: Path, gateway: Planted) -> None:
    """Its log of writes is still there, and is searched before anybody tidies it up."""
    path = here / "reports" / JOURNAL
    with process(here, "run", *QUICK, *gateway.options, "--rate=200", **gateway.variables, **DEBUG) as running:
        far = eventually(lambda: path.exists() and _sent(path) >= SENT_BEFORE_KILL, PATIENCE_S)
        running.kill()
        out, err = running.communicate(timeout=PATIENCE_S)
    if not far:
        figures.add("wrong verdicts", 1, f"it did not get so far: {err}")
    said = leaks(out) + leaks(err)
    figures.add("secrets found in artefacts", len(said), f"a killed run said {said}")
    figures.search(here, *SAID)
    _called(figures, here, gateway, 0, "run", "--resume", str(path), *gateway.secrets)


def _sent(path: Path) -> int:
    try:
        return len(read_journal(path).exchanges)
    except UsageError:
        return 0
