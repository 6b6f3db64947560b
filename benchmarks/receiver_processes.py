"""How many notifications a second one and two receivers of a load run take and journal, and whether any is lost.

    python -m benchmarks.receiver_processes

They serve behind one address, as in `load`. Senders are processes of their own, two for each receiver, and each
connection sends its next notification when the last is answered. A notification counts when its row is committed.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

from benchmarks.campaigns import KEY, SECRET
from benchmarks.receiver_rates import BODY, Outcome, Sending
from conformance.gateway.rig import rigged
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Redaction
from conformance.load.receivers import Receivers, measured
from conformance.wire.listening import Address

COUNTS = (1, 2)
SENDERS_EACH = 2
CONNECTIONS = 16
SECONDS = 4.0


def sustained(address: Address, sender: int) -> Outcome:
    """Runs in a sending process: some connections for `SECONDS`, with numbers of its own."""
    until = time.perf_counter() + SECONDS
    return Sending(address, CONNECTIONS, first=sender * 10**9).run(lambda _: time.perf_counter() < until)


def recorded(files: list[Path]) -> set[bytes]:
    """The bodies of all notifications in the files."""
    found: set[bytes] = set()
    for file in files:
        with closing(sqlite3.connect(file)) as connection:
            found.update(body for (body,) in connection.execute("SELECT body FROM notifications"))
    return found


def main() -> None:
    """Prints one line for each number of receivers; ends with status 1 if anything was lost."""
    missing = 0
    print(
        f"{'receivers':<12}{'taken a second':>15}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'canary p99':>12}{'lost':>6}"
    )
    for count in COUNTS:
        senders = SENDERS_EACH * count
        with (
            tempfile.TemporaryDirectory() as folder,
            ProcessPoolExecutor(senders, multiprocessing.get_context("spawn")) as pool,
        ):
            settings = Settings(KEY, SECRET, report_dir=Path(folder))
            with (
                rigged(settings) as rig,
                Journal.create(Path(folder, "journal.sqlite"), {}, Redaction.none()) as journal,
                Receivers(settings, rig, journal, count, Path(folder, "load"), 10**6) as receivers,
                measured(settings, rig) as delay,
            ):
                began = time.perf_counter()
                sending = [pool.submit(sustained, rig.receiver.address, n) for n in range(senders)]
                outcomes = [each.result() for each in sending]
                took = max(seconds for _, seconds, _ in outcomes)
                sent = set().union(*(numbers for numbers, *_ in outcomes))
                while receivers.taken < len(sent) and time.perf_counter() < began + 10 * SECONDS:
                    receivers.await_more(receivers.taken, 1.0)
            gone = len({BODY % number for number in sent} - recorded([shard.path for shard in receivers.shards]))
        missing += gone
        latencies = sorted(one for *_, many in outcomes for one in many)
        p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
        print(
            f"{count:<12}{len(sent) / took:>15,.0f}{p50:>9.2f}{p99:>9.2f}{1000 * latencies[-1]:>9.2f}"
            f"{1000 * delay.p99_s:>12.2f}{gone:>6}"
        )
    if missing:
        raise SystemExit(f"{missing} notifications were lost")


if __name__ == "__main__":
    main()
