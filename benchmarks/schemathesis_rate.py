"""How many cases a second schemathesis sends and judges, with the project's own OpenAPI document.

    schemathesis_rate(gateway_url, document_path) -> Rate(cases, seconds)
    write_document(directory, gateway_url) -> Path      the document, as `statum-conformance openapi` prints it
    run_schemathesis(gateway_url, document_path, options, ...) -> its JSON report
    python -m benchmarks.schemathesis_rate [EXAMPLES]   measured beside a mock gateway in a process of its own

Schemathesis lives in an environment of its own, `.venv-schemathesis`, for it depends on releases of Hypothesis and
jsonschema of its own choice: `make .venv-schemathesis/.ready` makes it from `[dependency-groups] schemathesis` of
pyproject.toml. Where it is missing, EnvironmentFailure is raised with that hint; `is_installed()` asks without raising.

What is counted is what schemathesis says itself: the cases that it generated (the mock gateway counts one request more,
a probe at the start), and its running time, without the start of the interpreter. It judges each answer by every check
that it has, except those two that call lawful answers wrong (see docs/openapi.md), and never shrinks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.campaigns import KEY, SECRET, gateway
from conformance.contract.contract import statum
from conformance.contract.openapi import openapi_document
from conformance.mock.behaviour import Behaviour
from conformance.model.errors import EnvironmentFailure, SuiteError

EXECUTABLE = Path(__file__).parents[1] / ".venv-schemathesis" / "bin" / "schemathesis"

# Cases for each of the five commands: enough that start and end do not count for much, little enough to wait for.
EXAMPLES = 400
# More do not help: the work is Python's, in threads of one process, and it fails now and then with several.
WORKERS = 1
# Longer than any measured run takes on a busy machine.
PATIENCE_S = 600.0

# What these two call wrong is lawful: a gateway may refuse names that are not registered, and accept what the contract
# leaves open.
LENIENT = ("--exclude-checks", "negative_data_rejection,positive_data_acceptance")
# Its exit codes for "all is well" and "there are failures"; any other means that it did not get through.
WENT_THROUGH = (0, 1)


@dataclass(frozen=True, slots=True)
class Rate:
    """Cases that were sent and judged, and the seconds that it took."""

    cases: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Cases a second."""
        return self.cases / self.seconds


def is_installed(executable: Path = EXECUTABLE) -> bool:
    """Whether there is a schemathesis to measure."""
    return executable.is_file()


def write_document(directory: Path, gateway_url: str) -> Path:
    """The OpenAPI document of the gateway at `gateway_url` (base URL), written to a file in `directory`."""
    path = directory / "openapi.json"
    path.write_text(json.dumps(openapi_document(statum(), gateway_url)), encoding="utf-8")
    return path


def run_schemathesis(  # noqa: PLR0913 - each is a part of the command line
    gateway_url: str,
    document_path: Path,
    options: Sequence[str] = (),
    *,
    credential: tuple[str, str] = (KEY, SECRET),
    executable: Path = EXECUTABLE,
    events: Path | None = None,
) -> Any:
    """Run it against `gateway_url`; its JSON report. `events`: where to write each request with its answer (NDJSON).

    EnvironmentFailure if it is not installed, SuiteError if it did not get through.
    """
    if not is_installed(executable):
        raise EnvironmentFailure(f"there is no {executable}", hint="make .venv-schemathesis/.ready")
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        command = (
            *(str(executable), "run", str(document_path), "--url", gateway_url, "--auth", ":".join(credential)),
            *("--no-color", "--no-shrink", "--continue-on-failure", "--generation-database", "none"),
            *("--report", "json,ndjson" if events else "json", "--report-json-path", str(report)),
            *(("--report-ndjson-path", str(events), "--output-sanitize", "false") if events else ()),
            *options,
        )
        done = subprocess.run(  # noqa: S603 - the command is put together above
            command, cwd=directory, capture_output=True, encoding="utf-8", timeout=PATIENCE_S, check=False
        )
        if done.returncode not in WENT_THROUGH or not report.exists():
            raise SuiteError(
                f"schemathesis ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}"
            )
        document = json.loads(report.read_text(encoding="utf-8"))
    if document["errors"]:
        raise SuiteError(f"schemathesis did not get through: {document['errors'][0]}")
    return document


def schemathesis_rate(  # noqa: PLR0913 - each is a knob of the measurement
    gateway_url: str,
    document_path: Path,
    *,
    credential: tuple[str, str] = (KEY, SECRET),
    examples: int = EXAMPLES,
    seed: int = 7,
    workers: int = WORKERS,
    executable: Path = EXECUTABLE,
) -> Rate:
    """Cases and seconds of one run against the gateway at `gateway_url`, by the document at `document_path`.

    `examples` is the most cases drawn for each command (a few systematic ones come on top). SuiteError if schemathesis
    finds fault with the gateway, for then it is measured at something else than sending and judging.
    """
    options = ("--max-examples", str(examples), "--seed", str(seed), "--workers", str(workers), *LENIENT)
    report = run_schemathesis(gateway_url, document_path, options, credential=credential, executable=executable)
    if report["failures"]:
        raise SuiteError(f"schemathesis found fault with the gateway: {report['failures'][0]['title']}")
    return Rate(report["test_cases"]["generated"], report["running_time"])


def main(examples: int = EXAMPLES) -> None:
    """Measure it beside a mock gateway."""
    with gateway({}, Behaviour()) as url, tempfile.TemporaryDirectory() as directory:
        rate = schemathesis_rate(url, write_document(Path(directory), url), examples=examples)
    print(f"schemathesis {rate.per_second:.0f} cases/s · {rate.cases} cases in {rate.seconds:.1f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
