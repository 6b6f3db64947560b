"""The drivers that `init` writes: short, in the protocol, and conformant where their runtime is present.

`.ci/runtimes/install` installs the runtimes from Debian; a driver whose runtime is missing is a visible skip.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from other_contracts import PARCEL
from starter_drivers import starter

from conformance.cli.init import languages
from conformance.client.certification import certify
from conformance.client.settings import ClientSettings
from conformance.contract.contract import Contract, contract_at, statum
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.account import Account
from conformance.mock.serving import serve_mock
from conformance.reports.result import judge

# Longer than any of them takes on a busy machine; one that hangs must not hang the build.
PATIENCE_S = 60.0
COMPILES_WITHIN_S = 240.0

# A driver is read in one go. The JDK has no JSON, so the one in Java brings some 120 lines of it.
MOST_LINES, WITH_A_RECEIVER, WITH_JSON = 220, 80, 120

WIDEST = 120


@dataclass(frozen=True, slots=True)
class Variety:
    """A driver in a language, with a receiver or without, for the contract in a folder (None: that of Statum)."""

    language: str
    receiver: bool = False
    folder: Path | None = None

    @property
    def id(self) -> str:
        """Its name among the tests."""
        parts = (self.language, "receiver" * self.receiver, self.folder.name if self.folder else "")
        return "-".join(filter(None, parts))

    @property
    def contract(self) -> Contract:
        """What it is a client of."""
        return contract_at(self.folder)

    @property
    def most_lines(self) -> int:
        """How long it may be."""
        return MOST_LINES + WITH_A_RECEIVER * self.receiver + WITH_JSON * (self.language == "java")

    def written(self, directory: Path) -> Path:
        """The file in that directory."""
        return starter(directory, self.language, self.contract, receiver=self.receiver)

    def command(self, directory: Path) -> tuple[str, ...]:
        """What starts it; built first where it has to be."""
        file = self.written(directory)
        row = languages()[self.language]
        if row.build:
            subprocess.run(shlex.split(row.build), cwd=directory, env=go(), timeout=COMPILES_WITHIN_S, check=True)
        if self.language == "python":
            return (sys.executable, str(file))
        program, *arguments = shlex.split(row.start)
        return (str(directory / program) if program.startswith("./") else program, *(str(file) for _ in arguments))

    @property
    def lacking(self) -> str | None:
        """The first program that it needs and that is not here; the interpreter of the tests stands in for python3."""
        needs = () if self.language == "python" else languages()[self.language].programs
        missing = next((need for need in needs if shutil.which(need) is None), None)
        return "curl for php" if missing is None and self.language == "php" and not php_has_curl() else missing


@cache
def php_has_curl() -> bool:
    """Debian has the extension in a package of its own."""
    return "curl" in subprocess.run(shlex.split("php -m"), capture_output=True, text=True, check=False).stdout.split()


def go() -> dict[str, str]:
    """The environment for Go: that of the test, without a network for modules."""
    return {**os.environ, "GO111MODULE": "off", "GOPROXY": "off", "GOFLAGS": ""}


VARIETIES = tuple(Variety(name) for name in languages())
WITH_RECEIVER = tuple(Variety(name, receiver=True) for name, row in languages().items() if row.receiver)
# One template serves all contracts; this one has another credential, other members, codes and methods. Without a
# receiver its HRD-10 has no traffic, so the driver in shell is not among them.
OF_PARCELS = tuple(Variety(name, receiver=True, folder=PARCEL) for name in ("python", "go", "php"))
OF_GO = (Variety("go"), Variety("go", receiver=True), Variety("go", receiver=True, folder=PARCEL))


def parametrized(*varieties: Variety) -> pytest.MarkDecorator:
    """The drivers, those visibly skipped whose programs are not there."""
    reason = "is missing (hint: .ci/runtimes/install)"
    return pytest.mark.parametrize(
        "driver",
        [
            pytest.param(each, id=each.id, marks=[pytest.mark.skip(f"{lacking} {reason}")] if lacking else [])
            for each in varieties
            for lacking in (each.lacking,)
        ],
    )


def conversation(command: tuple[str, ...], *messages: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The answers to those messages, and the exit code after them."""
    told = "".join(json.dumps(message, ensure_ascii=False) + "\n" for message in messages)
    ended = subprocess.run(command, input=told.encode(), stdout=subprocess.PIPE, timeout=PATIENCE_S, check=False)
    return [json.loads(line) for line in ended.stdout.decode().splitlines()], ended.returncode


def calling(number: str, base_url: str, command: str, **params: str) -> dict[str, Any]:
    """An `invoke` with the mock gateway's own credential."""
    account = Account.sample()
    return {
        "cmd": "invoke",
        "id": number,
        "command": command,
        "base_url": base_url,
        "consumer_key": account.consumer_key,
        "consumer_secret": account.consumer_secret,
        "timeout_s": 5,
        "params": params,
    }


HELLO = {"cmd": "hello", "protocol": 1}
STOP = {"cmd": "stop"}
# What shells, quotes, and readers of lines trip over.
MESSAGE = "Habari 'ya' \"leo\" $HOME `date` \\n\u2028😀\n\ttamu"


def test_a_driver_is_read_in_one_go(tmp_path: Path) -> None:
    """Each has few lines, none of them wider than the code of the project, and no mark of its template is left."""
    varieties = (*VARIETIES, *WITH_RECEIVER, *OF_PARCELS)
    sources = {each: each.written(tmp_path).read_text(encoding="utf-8").splitlines() for each in varieties}

    assert {} == {each.id: len(lines) for each, lines in sources.items() if len(lines) > each.most_lines}
    assert [] == [
        (each.id, line)
        for each, lines in sources.items()
        for line in lines
        if len(line) > WIDEST or "«" in line or line != line.rstrip()
    ]


@parametrized(*VARIETIES, *WITH_RECEIVER)
def test_a_driver_says_what_happened(driver: Variety, tmp_path: Path) -> None:
    """Accepted, refused by the gateway, not reached, refused locally, unsupported; then it ends with 0."""
    right = {"phone_number": "254711000001", "sender_id": "Statum", "message": MESSAGE}
    with serve_mock(Account.sample()) as gateway:
        answers, code = conversation(
            driver.command(tmp_path),
            HELLO,
            calling("1", gateway.url, "sms", **right),
            calling("2", gateway.url, "account-details"),
            calling("3", gateway.url, "sms", **{**right, "phone_number": "abc"}),
            calling("4", "http://127.0.0.1:1/api/v2", "sms", **right),
            calling("5", gateway.url, "sms", **{**right, "message": ""}),
            calling("6", gateway.url, "no-such-command"),
            STOP,
        )

    hello, accepted, details, refused, lost, local, unsupported = answers
    assert 0 == code
    assert (1, {*statum().commands}) == (hello["protocol"], set(hello["commands"]))
    assert (["callback", "results"] if driver.receiver else None) == hello.get("features")
    assert ["1", "2", "3", "4", "5", "6"] == [answer["id"] for answer in answers[1:]]
    assert [("accepted", 200)] * 2 == [(answer["outcome"], answer["status_code"]) for answer in (accepted, details)]
    assert ("error", "http", 422) == (refused["outcome"], refused["error"], refused["status_code"])
    assert ["network", "rejected-locally"] == [answer["error"] for answer in (lost, local)]
    assert unsupported["unsupported"] is True
    assert all(answer["request_id"] for answer in (accepted, details, refused))


@parametrized(*VARIETIES, *WITH_RECEIVER, *OF_PARCELS)
def test_a_driver_is_conformant(driver: Variety, tmp_path: Path) -> None:
    """Each requirement that applies to it passes, on clients and on receivers; none warns."""
    products = driver.contract.products
    settings = ClientSettings(
        driver=shlex.join(driver.command(tmp_path)),
        contract=driver.contract,
        # All of them in one language; a curl for each call, or a receiver, takes long enough for one.
        products=products if driver.language == "python" and not driver.receiver else products[:1],
        max_examples=0,
        seed=20261122,
        report_dir=tmp_path / "reports",
        timeout_s=1.0,
        resend_window_s=0.5,
        advised_delay_s=1.0,
    )

    judgement = judge(read_journal(certify(settings)), contract=driver.contract)

    assert [] == [
        (verdict.requirement.id, verdict.command, verdict.verdict, verdict.findings or verdict.detail)
        for verdict in judgement.verdicts
        if verdict.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)
    ]
    assert Conclusion.CONFORMANT == judgement.conclusion


@parametrized(*VARIETIES, *WITH_RECEIVER)
def test_a_driver_ends_with_its_input(driver: Variety, tmp_path: Path) -> None:
    """A driver whose suite has gone does not stay behind."""
    assert ([], 0) == conversation(driver.command(tmp_path))


@pytest.mark.parametrize("driver", [Variety("python"), Variety("python", receiver=True)], ids=lambda each: each.id)
def test_the_driver_in_python_is_as_linters_like_it(driver: Variety, tmp_path: Path) -> None:
    """By ruff, as people have it by default, and its formatter."""
    file = driver.written(tmp_path)
    ruff = (sys.executable, "-m", "ruff")

    for check in (("check", "--isolated", "--select=E,F,I,B,UP"), ("format", "--isolated", "--diff")):
        done = subprocess.run(
            [*ruff, *check, "--line-length=120", "--no-cache", str(file)], capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("gofmt") is None, reason="gofmt is missing (hint: .ci/runtimes/install)")
@pytest.mark.parametrize("driver", OF_GO, ids=lambda driver: driver.id)
def test_the_driver_in_go_is_formatted(driver: Variety, tmp_path: Path) -> None:
    """As gofmt has it, whatever names the contract has."""
    command = (*shlex.split("gofmt -d"), str(driver.written(tmp_path)))
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "" == done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing (hint: .ci/runtimes/install)")
def test_a_driver_says_what_it_lacks(tmp_path: Path) -> None:
    """One line on standard error, and an exit code that is not 0."""
    (tmp_path / "curl").symlink_to(str(shutil.which("curl")))
    shell = shlex.split(str(shutil.which("sh")))

    ended = subprocess.run(
        [*shell, str(starter(tmp_path, "shell"))],
        env={"PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (1, "") == (ended.returncode, ended.stdout)
    assert "driver.sh: jq is missing (hint: install it)\n" == ended.stderr
