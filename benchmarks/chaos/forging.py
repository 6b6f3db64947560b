"""Evidence that is forged: every member of a certificate, every table of a journal, and files that keep a reader busy.

forged      each in a process of its own, as many at a time as there are processors: none is taken for valid, none ends
            in an error of the suite's own, none takes more than 10 s of processor time or 300 MB

What is counted as taken for valid is a certificate with a lie in it whose last line does not name the lie as not borne
out, and a journal of another structure that is judged.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Timer

from certificates import BOMBS, CERTIFICATE, EVIDENCE, KNOWN, LIES, certified_in, resigned
from command_line import process
from forged_journals import COLUMNS, FOREIGN_VALUES, HUGE, STRUCTURE, Change, changed

from benchmarks.chaos.figures import Figures
from conformance.certificate.ed25519 import PrivateKey
from conformance.certificate.signing import Envelope, read_private_key

DRAWN = 20
MOST_S, MOST_BYTES = 10.0, 300 << 20
# Of the clock on the wall: the machine may be busy with something else.
HANGS_S = 120.0

JOURNAL = EVIDENCE[1]
VALID, USAGE, FAILED = 0, 2, 4

Trial = Callable[[Figures], None]


def forged(figures: Figures, seeds: int) -> None:
    """Certificates by the right key and by a stranger, journals, and bombs; of changed rows, so many for each seed."""
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(os.cpu_count()) as trying:
        good = certified_in(Path(directory))
        envelope = Envelope.parse((good / CERTIFICATE).read_bytes())
        rows = (partial(_row, good, *drawn) for seed in range(seeds) for drawn in _drawn(seed))
        for counted in trying.map(_counted, (*_certificates(good, envelope), *_structures(good), *rows)):
            figures.take(counted)


def _counted(trial: Trial) -> Figures:
    """What one trial came to."""
    figures = Figures()
    trial(figures)
    return figures


def _certificates(good: Path, envelope: Envelope) -> Iterator[Trial]:
    vendor, stranger = read_private_key(good / "vendor.key"), PrivateKey.generate()
    for number, (name, lie) in enumerate(LIES.items()):
        path = good / f"lie-{number}.json"
        path.write_bytes(resigned(envelope, lie, vendor))
        yield partial(_lie, path, name)
    path = good / "stranger.json"
    path.write_bytes(resigned(envelope, lambda _: None, stranger))
    for options in (KNOWN, EVIDENCE, ()):
        yield partial(_refused, path, "a stranger's", options)
    for number, (name, content) in enumerate(BOMBS.items()):
        path = good / f"bomb-{number}.json"
        path.write_bytes(content)
        yield partial(_refused, path, name, ("--key=vendor.key.pub",))


def _lie(path: Path, name: str, figures: Figures) -> None:
    code, last = _called(figures, path.parent, name, "verify", path.name, *KNOWN)
    _, _, named = last.partition("not borne out by the evidence: ")
    lied = name.removesuffix(" is another")
    figures.add("forgeries taken for valid", code == VALID and lied not in named.split(", "), f"{name}: {last}")


def _refused(path: Path, name: str, options: tuple[str, ...], figures: Figures) -> None:
    code, last = _called(figures, path.parent, name, "verify", path.name, *options)
    figures.add("forgeries taken for valid", code == VALID, f"{name}: {last}")


def _structures(good: Path) -> Iterator[Trial]:
    for name, change in {**STRUCTURE, **HUGE}.items():
        yield partial(_structure, good, name, change)


def _structure(good: Path, name: str, change: Change, figures: Figures) -> None:
    with _copy(good) as here:
        change(Path(here) / JOURNAL)
        code, _ = _called(figures, Path(here), name, "judge", JOURNAL)
    # Bytes behind the end that SQLite knows are not part of the journal.
    taken = code != USAGE and name != "ten gigabytes of nothing"
    figures.add("forgeries taken for valid", taken, f"{name}: judged, {code}")


def _row(good: Path, name: str, where: str, change: Change, figures: Figures) -> None:
    with _copy(good) as here, suppress(sqlite3.IntegrityError):
        change(Path(here) / JOURNAL)
        _called(figures, Path(here), f"{name} in {where}", "judge", JOURNAL)
        _called(figures, Path(here), f"{name} in {where}", "verify", CERTIFICATE, *KNOWN)


def _copy(good: Path) -> tempfile.TemporaryDirectory[str]:
    """A copy of what a vendor has, to be changed."""
    there = tempfile.TemporaryDirectory()
    shutil.copytree(good / "reports", Path(there.name) / "reports")
    shutil.copy(good / "vendor.key.pub", there.name)
    return there


def _drawn(seed: int) -> Iterator[tuple[str, str, Change]]:
    """Some of the foreign values, each in some column of one row or of all."""
    chance = random.Random(seed)
    for _ in range(DRAWN):
        table = chance.choice([*COLUMNS])
        column, name = chance.choice(COLUMNS[table]), chance.choice([*FOREIGN_VALUES])
        where = chance.choice(["true", "rowid % 7 = 1", f"rowid = (SELECT max(rowid) FROM {table})"])  # noqa: S608 - names of ours
        yield name, f"{table}.{column}, {where}", changed(table, column, FOREIGN_VALUES[name], where)


def _called(figures: Figures, here: Path, what: str, *arguments: str) -> tuple[int, str]:
    """Exit code and last line of a command; what it took is counted."""
    with process(here, *arguments) as running, ThreadPoolExecutor(2) as reading:
        out, err = (reading.submit(stream.read) for stream in (running.stdout, running.stderr) if stream)
        late = Timer(HANGS_S, running.kill)
        late.start()
        _, status, usage = os.wait4(running.pid, 0)
        late.cancel()
        running.returncode = os.waitstatus_to_exitcode(status)
    told = f"{what}: {' '.join(arguments)} ended with {running.returncode}: {err.result()[-500:]}"
    took = usage.ru_utime + usage.ru_stime
    figures.add("forgeries", 1)
    figures.add("forgeries that the suite failed over", running.returncode == FAILED, told)
    slow = took > MOST_S or running.returncode < 0
    figures.add("forgeries that took more than 10 s", slow, f"{took:.0f} s, {told}")
    large = usage.ru_maxrss * 1024 > MOST_BYTES
    figures.add("forgeries that took more than 300 MB", large, f"{usage.ru_maxrss // 1024} MB, {told}")
    return running.returncode, (out.result().splitlines() or [""])[-1]
