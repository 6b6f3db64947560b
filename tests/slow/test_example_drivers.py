"""The drivers in `examples/drivers/`: short, in the protocol, and conformant where their runtime is present."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.client.certification import certify
from conformance.client.settings import ClientSettings
from conformance.contract.contract import statum
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.account import Account
from conformance.mock.serving import serve_mock
from conformance.reports.result import judge

CHECKOUT = Path(__file__).parents[2]
DRIVERS = CHECKOUT / "examples" / "drivers"

# Longer than any of them takes on a busy machine; one that hangs must not hang the build.
PATIENCE_S = 60.0

# Their own limit: an example is read in one go.
MOST_LINES = 79


@dataclass(frozen=True, slots=True)
class Example:
    """A driver, the programs that it needs, whether it has a receiver, and for which products it is certified here."""

    file: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    receives: bool = False
    products: tuple[str, ...] = ("sms",)

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it."""
        return (*self.words, str(DRIVERS / self.file))


EXAMPLES = (
    Example("python_httpx.py", (sys.executable,), products=statum().products),
    Example("python_receiver.py", (sys.executable,), receives=True),
    Example("node_fetch.mjs", ("node",), ("node",)),
    Example("node_receiver.mjs", ("node",), ("node",), receives=True),
    Example("curl.sh", ("sh",), ("curl", "jq")),
)


def parametrized(*examples: Example) -> pytest.MarkDecorator:
    """The examples, those visibly skipped whose programs are not there."""
    return pytest.mark.parametrize(
        "example",
        [
            pytest.param(
                example,
                id=example.file,
                marks=[
                    pytest.mark.skipif(shutil.which(need) is None, reason=f"{need} is not installed")
                    for need in example.needs
                ],
            )
            for example in examples
        ],
    )


def conversation(example: Example, *messages: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The answers to those messages, and the exit code after them."""
    told = "".join(json.dumps(message, ensure_ascii=False) + "\n" for message in messages)
    ended = subprocess.run(
        example.command, input=told.encode(), stdout=subprocess.PIPE, timeout=PATIENCE_S, check=False
    )
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


def test_every_example_is_tried() -> None:
    """No driver lies in the folder without standing in the table above."""
    assert {path.name for path in DRIVERS.iterdir() if path.is_file()} == {example.file for example in EXAMPLES}


def test_an_example_is_read_in_one_go() -> None:
    """Each is under 80 lines, none of them wider than the code of the project."""
    sources = {example.file: (DRIVERS / example.file).read_text(encoding="utf-8").splitlines() for example in EXAMPLES}

    assert {} == {file: len(lines) for file, lines in sources.items() if len(lines) > MOST_LINES}
    assert [] == [line for lines in sources.values() for line in lines if len(line) > 120]


@parametrized(*EXAMPLES)
def test_an_example_reports_each_outcome(example: Example) -> None:
    """Accepted, refused by the gateway, not reached, refused locally, unsupported; then it ends with 0."""
    right = {"phone_number": "254711000001", "sender_id": "Statum", "message": MESSAGE}
    with serve_mock(Account.sample()) as gateway:
        answers, code = conversation(
            example,
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
    assert (1, {"sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"}) == (
        hello["protocol"],
        set(hello["commands"]),
    )
    assert (["callback", "results"] if example.receives else []) == hello["features"]
    assert ["1", "2", "3", "4", "5", "6"] == [answer["id"] for answer in answers[1:]]
    assert [("accepted", 200)] * 2 == [(answer["outcome"], answer["status_code"]) for answer in (accepted, details)]
    assert ("error", "http", 422) == (refused["outcome"], refused["error"], refused["status_code"])
    assert ["network", "rejected-locally"] == [answer["error"] for answer in (lost, local)]
    assert unsupported["unsupported"] is True
    assert all(answer["request_id"] for answer in (accepted, details, refused))


@parametrized(*EXAMPLES)
def test_an_example_is_conformant(example: Example, tmp_path: Path) -> None:
    """Every requirement that applies to it is exercised and kept."""
    settings = ClientSettings(
        driver=shlex.join(example.command),
        products=example.products,
        max_examples=0,
        seed=20261122,
        report_dir=tmp_path,
        timeout_s=1.0,
        resend_window_s=0.5,
        advised_delay_s=1.0,
    )

    judgement = judge(read_journal(certify(settings)))

    assert [] == [
        (verdict.requirement.id, verdict.command, verdict.verdict, verdict.findings or verdict.detail)
        for verdict in judgement.verdicts
        if verdict.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)
    ]
    assert Conclusion.CONFORMANT == judgement.conclusion


@parametrized(*EXAMPLES)
def test_an_example_ends_with_its_input(example: Example) -> None:
    """A driver whose suite has gone does not stay behind."""
    assert ([], 0) == conversation(example)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_without_jq_names_it(tmp_path: Path) -> None:
    """One line on standard error, and an exit code that is not 0."""
    (tmp_path / "curl").symlink_to(str(shutil.which("curl")))
    shell = shlex.split(str(shutil.which("sh")))

    ended = subprocess.run(
        [*shell, str(DRIVERS / "curl.sh")],
        env={"PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (1, "") == (ended.returncode, ended.stdout)
    assert "curl.sh: jq is needed and not there (hint: install it)\n" == ended.stderr
