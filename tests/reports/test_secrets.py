"""No secret is in anything that a command leaves behind or says, whatever the gateway says back."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from campaigns import free_address
from command_line import Called, call
from planted_secrets import (
    CREDENTIAL,
    FORMS,
    KEY,
    NAMELESS,
    QUICK,
    REDACTED,
    SECRET,
    TOKEN,
    Planted,
    dying_driver,
    echoing,
    errands,
    leaks,
    leaks_below,
    planted,
)
from seeded import fault

from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.mock.behaviour import BUILT_IN
from conformance.reports.files import REPORTS

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; what fails shows where."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATUM_CONFORMANCE_DEBUG", "1")
    monkeypatch.setenv("COLUMNS", "60")
    return tmp_path


def told(monkeypatch: pytest.MonkeyPatch, gateway: Planted) -> None:
    """The secrets are in the environment."""
    for name, value in gateway.variables.items():
        monkeypatch.setenv(name, value)


class Speaking:
    """Calls commands, and looks for secrets in what they say."""

    def __init__(self, capsys: Capsys) -> None:
        self.capsys = capsys

    def __call__(self, code: int, *arguments: str) -> Called:
        """Call one, which has to end so."""
        called = call(self.capsys, *arguments)
        assert code == called.code, called.out + called.err
        assert [] == leaks(called.out), arguments
        assert [] == leaks(called.err), arguments
        # A terminal breaks lines; nobody should have to look for what is broken over two of them.
        assert [] == leaks(re.sub(r"\s+", "", called.out + called.err).replace("planted", "")), arguments
        return called


@pytest.fixture
def says(capsys: Capsys) -> Speaking:
    """See there."""
    return Speaking(capsys)


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """Each form of each secret, in a file, beside others."""
    for number, form in enumerate(FORMS):
        (tmp_path / str(number)).write_text(f"before{form}after", encoding="utf-8")
    assert len(FORMS) == len(leaks_below(tmp_path))
    assert {SECRET, TOKEN, NAMELESS, REDACTED, CREDENTIAL} <= set(FORMS)


def test_nothing_of_a_conformant_run_holds_a_secret(
    says: Speaking, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports, journal, certificate, badge; nor what is made of them by other commands, nor what these say."""
    says(0, "keygen", "run.key")
    with planted() as gateway:
        told(monkeypatch, gateway)
        for arguments in errands(gateway):
            says(0, *arguments)

    assert {*REPORTS, campaign.JOURNAL, "certificate.json", "replay"} == {
        path.name for path in (here / "reports").iterdir()
    }
    assert {} == leaks_below(here)
    assert b"[REDACTED]" in (here / "reports" / "traffic.har").read_bytes(), "the gateway said them all"


def test_urls_to_register_are_shown_whole_where_that_is_asked_for(
    says: Speaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only there."""
    with planted() as gateway:
        told(monkeypatch, gateway)
        masked = says(0, "doctor", "--product=sms", *gateway.options)
        whole = call(says.capsys, "doctor", "--product=sms", "--show-callback-token", *gateway.options)
    url = f"{gateway.address.url}/hooks/callbacks/sms"

    assert f"  sms: {url}?…&token=…" in masked.out.splitlines()
    assert f"  sms: {url}?{NAMELESS}&token={TOKEN}" in whole.out.splitlines()


@pytest.mark.parametrize("name", ["status-code-as-string", "result-code-as-number"])
def test_nothing_of_a_run_that_fails_holds_a_secret(
    name: str, says: Speaking, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Findings show values, lines to repeat with and kept cases; on GitHub also annotations and a summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "step.md"))
    with planted(fault(name).change(BUILT_IN)) as gateway:
        told(monkeypatch, gateway)
        says(1, "run", *QUICK, *gateway.options, "--save-corpus=corpus", "--shrink-requests=20")
    says(1, "judge", "reports/journal.sqlite", "--report-dir=again")
    document = json.loads((here / "reports" / "report.json").read_bytes())

    assert "non-conformant" == document["verdict"]
    assert (here / "step.md").exists()
    assert list((here / "corpus").iterdir())
    assert {} == leaks_below(here)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        (3, ()),
        (2, ("--callback-url", f"http://127.0.0.1:9/hooks?token={TOKEN}#fragment")),
        (2, ("--callback-url", f"http://127.0.0.1:9/a|b?{NAMELESS}")),
        (2, ("--callback-url", f"ftp://127.0.0.1:9/?token={TOKEN}")),
        (2, ("--callback-token", f"{TOKEN}&")),
        (2, ("--consumer-key", SECRET)),
        (2, ("--callback-listen", f"{SECRET}:1:1")),
    ],
)
def test_what_cannot_be_used_is_told_without_the_secrets(
    code: int, options: tuple[str, ...], says: Speaking, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the traceback, too; an address where nobody listens among it."""
    closed = f"{free_address().url}/api/v2"
    monkeypatch.setenv("STATUM_CONFORMANCE_CONSUMER_SECRET", SECRET)
    for command in ("run", "doctor"):
        says(code, command, "--gateway", closed, "--consumer-key", KEY, "--redact", REDACTED, *options)
    assert {} == leaks_below(here)


def test_a_bug_of_the_suite_tells_no_secret(says: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its error says, in whatever form."""

    def fails(*_: object) -> Path:
        raise KeyError(echoing, " ".join(FORMS))

    monkeypatch.setattr(campaign, "run", fails)
    with planted() as gateway:
        told(monkeypatch, gateway)
        called = says(4, "run", *QUICK, *gateway.options)
    assert "Traceback (most recent call last):" in called.err


# --- Clients


def test_nothing_of_a_certification_holds_a_secret(says: Speaking, here: Path) -> None:
    """Of the driver's command line, and of each callback URL that it ever names, before it died and after.

    It is started again because it died, and because nothing listens at its callback URL.
    """
    (here / "driver.py").write_text(dying_driver("planted-{number}-Driver8z"), encoding="utf-8")
    program = f"{sys.executable} -S -E driver.py {free_address()}"
    line = f"{program} https://h.example/?planted-Given4q --password {SECRET}"
    given = ("--driver", line, "--redact", SECRET, "--product=sms", "--max-examples=0", "--seed=7")
    called = says(1, "certify", *given)
    says(1, "judge", "reports/journal.sqlite", "--report-dir=again")
    (here / "count").unlink()
    (here / "driver.py").unlink()
    tokens = (*(f"planted-{number}-Driver8z" for number in range(3)), "planted-Given4q")
    files = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}

    assert 5 < len(files)
    assert {} == leaks_below(here)
    assert [] == [(path, token) for path, content in files.items() for token in tokens if token.encode() in content]
    assert [] == [token for token in tokens if token in called.out + called.err]
    record = read_journal(here / "reports" / campaign.JOURNAL)
    assert 3 == sum(note.kind == "hello" for note in record.notes)
    assert any("listening at" in message.line for message in record.messages)


def test_a_driver_that_says_no_hello_is_told_without_its_secrets(says: Speaking, here: Path) -> None:
    """Its last words are shown."""
    (here / "driver.py").write_text("import sys; sys.exit('no ' + sys.argv[1])", encoding="utf-8")
    url = "https://h.example/hooks?token=planted-Given4q"
    called = says(3, "certify", "--driver", f"{sys.executable} -S -E driver.py {url}", "--product=sms")
    assert "  | no https://h.example/hooks?token=[REDACTED]" == called.err.splitlines()[-1]
    assert "planted-Given4q" not in called.err + called.out


def test_what_is_configured_for_a_driver_is_shown_without_its_tokens(says: Speaking, here: Path) -> None:
    """As the callback URL is."""
    (here / "statum-conformance.toml").write_text('driver = "python d.py https://h/?token=planted-Given4q"\n')
    shown = says(0, "config", "certify", "--format=json").out
    assert "python d.py https://h/?token=[REDACTED]" == json.loads(shown)["options"]["driver"]["value"]
