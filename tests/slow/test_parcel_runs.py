"""Everything that the suite does, by the contract of an invented courier: his folder, and no Python of its own.

A run against the built-in mock gateway, its journal judged again, a case of it sent again, its reports, pytest, the
OpenAPI document, and the certification of a client with its receiver.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import CHECKOUT, call, process
from openapi_spec_validator import OpenAPIV31SpecValidator
from other_contracts import PARCEL, parcel

from conformance.contract.requirements import Actor, Level
from conformance.journal import Record, read_journal
from conformance.mock.account import Account
from conformance.reports.files import REPORTS

BY_PARCEL = ("--contract", str(PARCEL))
PYTEST = ("-p", "conformance.pytest.plugin", "-p", "no:cacheprovider", "-q", "--pyargs", "conformance.pytest")
CLIENT = shlex.join((sys.executable, str(Path(__file__).parents[1] / "support" / "parcel_client.py")))

# Longer than a certification takes on a busy machine.
LONG_S = 300.0

Capsys = pytest.CaptureFixture[str]

# What only the contract of Statum could have put into a report of a courier. Our own name is another matter.
FOREIGN = re.compile(
    r"\b(?:status_code|result_code|result_desc|phone_number|sender_id|short_code|airtime|mpesa|account-details)\b"
    r"|\bKES\b|shillings? of Kenya|\bsms\b|/api/v2",
    re.IGNORECASE,
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current directory: case files of another contract are none of the courier's."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run has left its reports."""
    there = tmp_path_factory.mktemp("parcel")
    _conformant(there, "run", "--max-examples", "2")
    return there


def _conformant(there: Path, command: str, *arguments: str) -> None:
    """A command that leaves its reports there, and whose subject has to be conformant."""
    options = (*BY_PARCEL, "--seed", "7", "--report-dir", str(there))
    running = process(there, command, *options, *arguments)
    out, err = running.communicate(timeout=LONG_S)
    assert 0 == running.returncode, out + err


@pytest.fixture(scope="module")
def report(directory: Path) -> Any:
    """What the run came to."""
    return json.loads((directory / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def record(directory: Path) -> Record:
    """What was sent and heard."""
    return read_journal(directory / "journal.sqlite")


def test_a_run_is_conformant_and_exercises_every_requirement(report: Any) -> None:
    """Each MUST and SHOULD of the courier, and none of anybody else's."""
    commands = tuple(parcel().commands.values())
    judged = [requirement for requirement, _ in parcel().catalogue.judged(Actor.GATEWAY, commands)]
    open_ones = {entry["id"] for entry in report["requirements"] if entry["verdict"] != "PASS"}

    assert "conformant" == report["verdict"]
    assert {r.id for r in judged} == {entry["id"] for entry in report["requirements"]}
    assert {r.id for r in judged if r.condition} >= open_ones


def test_requests_are_those_of_the_courier(record: Record) -> None:
    """His paths, his secret, and bodies by his schemas."""
    secret = Account.sample(contract=parcel()).consumer_secret
    requests = [exchange.request for exchange in record.exchanges]
    accepted = [e for e in record.exchanges if e.response and e.response.status == 202]

    assert {"/courier/v1"} == {re.sub(r"^https?://[^/]+(/courier/v1).*", r"\1", request.url) for request in requests}
    assert all(f"Bearer {secret}" not in str(request.headers) for request in requests)  # it is redacted
    assert accepted
    for exchange in accepted:
        answer = json.loads(exchange.response.body) if exchange.response else {}
        assert re.fullmatch("[0-9]{12}", answer["waybill"])
        assert 202 == answer["code"]
    assert {"PUT"} == {n.request.method for n in record.notifications}


def test_no_report_speaks_of_statums_contract(directory: Path) -> None:
    """Names of members, products and codes come from the folder; what is at fault would be looked for in vain."""
    found = {
        name: sorted(set(FOREIGN.findall((directory / name).read_text(encoding="utf-8"))))
        for name in REPORTS
        if (directory / name).is_file()
    }

    assert found
    assert {} == {name: words for name, words in found.items() if words}


def test_the_journal_is_judged_again(directory: Path, report: Any, tmp_path: Path, capsys: Capsys) -> None:
    """Offline, with the same verdicts."""
    again = call(capsys, "judge", str(directory / "journal.sqlite"), *BY_PARCEL, "--report-dir", str(tmp_path))

    assert 0 == again.code, again.err
    there = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["requirements"] == there["requirements"]


def test_a_case_is_sent_again(record: Record, directory: Path, tmp_path: Path, capsys: Capsys) -> None:
    """By itself, against the built-in mock gateway."""
    case = next(case.id for case in record.cases if case.command == "parcels/cash" and case.kind == "broken")

    there = ("--journal", str(directory / "journal.sqlite"), "--report-dir", str(tmp_path / "again"))
    again = call(capsys, "replay", case, *BY_PARCEL, *there)

    assert 0 == again.code, again.out + again.err
    assert case in again.out


def test_the_openapi_document_is_valid_and_the_couriers(capsys: Capsys) -> None:
    """Its paths, its scheme, its callbacks."""
    printed = call(capsys, "openapi", *BY_PARCEL)
    document = json.loads(printed.out)

    assert [] == list(OpenAPIV31SpecValidator(document).iter_errors())
    assert ["/parcels", "/parcels/cash"] == sorted(document["paths"])
    assert "bearer" == document["components"]["securitySchemes"]["credential"]["scheme"]
    (by_url,) = document["paths"]["/parcels"]["post"]["callbacks"].values()
    assert ["put"] == [method for by_method in by_url.values() for method in by_method]
    assert {"202"} == {status for status in document["paths"]["/parcels"]["post"]["responses"] if status < "300"}
    assert [] == sorted(set(FOREIGN.findall(printed.out)))


def test_the_catalogue_is_listed(capsys: Capsys) -> None:
    """With its own ids and quotes."""
    printed = call(capsys, "requirements", *BY_PARCEL, "--format", "json")

    assert [r.id for r in parcel().catalogue.requirements] == [entry["id"] for entry in json.loads(printed.out)]


def test_pytest_judges_by_the_folder(tmp_path: Path) -> None:
    """One item for each requirement × command, with the option of the same name."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PYTEST, *BY_PARCEL, "--product", "parcel", "--max-examples", "0"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    wanted = parcel().catalogue.judged(Actor.GATEWAY, parcel().commands_of(["parcel"]))
    assert passed
    assert int(passed[1]) >= sum(r.condition is None for r, _ in wanted)


# --- The mock gateway by itself


@contextmanager
def mock(directory: Path, *arguments: str) -> Iterator[str]:
    """The URL of the mock gateway of the courier, in a process of its own."""
    running = process(directory, "mock", *BY_PARCEL, "--listen", "127.0.0.1:0", *arguments)
    try:
        assert running.stdout is not None
        first = running.stdout.readline()
        for line in running.stdout:
            if line == "ready\n":
                break
        yield first.removeprefix("mock gateway at ").strip()
    finally:
        running.terminate()
        running.communicate(timeout=LONG_S)


def test_the_mock_gateway_is_the_couriers(tmp_path: Path) -> None:
    """It takes what the guide shows once, refuses it within a minute, and no other secret."""
    account = Account.sample(contract=parcel())
    right = {"Authorization": f"Bearer {account.consumer_secret}"}
    shown = parcel().schemas.schema("parcel/request")["examples"][0]

    with mock(tmp_path) as url, httpx.Client(base_url=url) as client:
        assert url.endswith("/courier/v1")
        answers = [
            client.post("/parcels", json=shown, headers=right),
            client.post("/parcels", json=shown, headers=right),
            client.post("/parcels", json={**shown, "reference": "ANOTHER1"}, headers=right),
            client.post("/parcels", json={**shown, "mobile": "0"}, headers=right),
            client.post("/parcels", json=shown, headers={"Authorization": "Bearer no-token"}),
        ]

    assert [202, 400, 202, 422, 401] == [answer.status_code for answer in answers]
    schemas = parcel().schemas
    for answer in answers:
        name = "response.success" if answer.status_code == 202 else "response.error"
        assert [] == schemas.violations(name, answer.json())
    assert ["mobile"] == list(answers[3].json()["refused_fields"])


# --- Clients


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the certification of a client with its receiver came to."""
    there = tmp_path_factory.mktemp("certified")
    _conformant(there, "certify", "--driver", CLIENT, "--max-examples", "0")
    return json.loads((there / "report.json").read_text(encoding="utf-8"))


def test_a_client_of_the_courier_is_certified(certified: Any) -> None:
    """Each requirement on clients and receivers of the folder is exercised; no MUST is left open."""
    wanted = {r.id for r in parcel().catalogue.requirements if r.actor is not Actor.GATEWAY and r.excluded is None}
    open_ones = {e["id"] for e in certified["requirements"] if e["verdict"] != "PASS" and e["level"] == Level.MUST}

    assert "conformant" == certified["verdict"]
    assert wanted == {entry["id"] for entry in certified["requirements"]}
    assert set() == open_ones
