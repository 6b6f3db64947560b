"""Descriptions of exit codes, verdicts, files, notes and variables, of which `regenerate` makes the reference tables.

The keys come from the code: if it has one without a description here, `regenerate` and the test that compares the pages
end with a KeyError.
"""

from __future__ import annotations

from collections.abc import Mapping

from conformance.certificate.issuing import CERTIFICATE
from conformance.cli.configuration import ENV, variable
from conformance.gateway.campaign import JOURNAL
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.errors import SuiteError, UsageError

# ruff: noqa: INP001 - beside a script, not in a package

# Exit codes of the commands that give a verdict.
EXIT_CODES: Mapping[int, str] = {
    Conclusion.CONFORMANT.exit_code: "Conformant: every MUST that applied was exercised and passed; warnings are "
    "allowed. With `--expectations` also: it fails only as listed.",
    Conclusion.NON_CONFORMANT.exit_code: "Not conformant, whatever else went wrong; or an entry of the "
    "expectations file is stale.",
    UsageError.exit_code: "Wrong usage or configuration: one line names the given value and the expected one.",
    Conclusion.INCONCLUSIVE.exit_code: "Inconclusive: a MUST could not be exercised, or the run could not be made: the "
    "gateway was not reached or refused the credential, an address was taken, the machine lacked memory, threads, "
    "files or disk space, or Ctrl-C ended it.",
    SuiteError.exit_code: "The suite itself failed; please report it. Or its installation is broken, and says so.",
}

VERDICTS: Mapping[Verdict, str] = {
    Verdict.PASS: "Observed at least once, and never violated.",
    Verdict.FAIL: "A MUST failed at least once; in a [strict](#strict-runs) run, a MUST or a SHOULD.",
    Verdict.WARN: "A SHOULD failed at least once.",
    Verdict.KNOWN: "A failure that is listed in the [expectations file](expectations.md): the subject is not "
    "conformant for it, but the run does not fail.",
    Verdict.NOT_APPLICABLE: "It needs something that the client or its driver does not offer; the report names it. "
    "Never the verdict of a gateway.",
    Verdict.INCONCLUSIVE: "Never observed; the reason says why.",
}

CONCLUSIONS: Mapping[Conclusion, str] = {
    Conclusion.NON_CONFORMANT: "anything is `FAIL` or `KNOWN`; not for the three deaths of a driver that ended the run",
    Conclusion.INCONCLUSIVE: "else, if a MUST is `INCONCLUSIVE` (but for one whose condition never came about), or "
    "nothing passed at all",
    Conclusion.CONFORMANT: "else",
}

REASONS: Mapping[Reason, tuple[str, str]] = {
    Reason.NO_TRAFFIC: (
        "Nothing in the run concerns it; for a requirement with a condition, the condition did not occur.",
        "nothing, or bring the condition about",
    ),
    Reason.PRECONDITION: (
        "Something else failed before, such as the positive twin of a refusal.",
        "fix that first",
    ),
    Reason.ENVIRONMENT: (
        "The gateway was not reached or refused the credential; the callback path is unproven; the network failed.",
        "`statum-conformance doctor`; [a network that fails](sandbox.md#when-the-network-fails)",
    ),
    Reason.INTERRUPTED: (
        "The run was interrupted.",
        "[resume it](interrupted-runs.md#resume-a-run), or run again",
    ),
}

FILES: Mapping[str, tuple[str, str]] = {
    "report.json": ("the canonical result; every other report is made from it", "[members](#reportjson)"),
    "report.html": ("the result as one page that needs no network", "[how to read it](reading-a-report.md#reporthtml)"),
    "junit.xml": (
        "a test case for each requirement × command",
        "[how it is mapped](reading-a-report.md#junitxml)",
    ),
    "summary.md": ("the result on one page of Markdown", "[what is in it](reading-a-report.md#summarymd)"),
    "report.sarif": ("the findings as SARIF 2.1.0", "[how they are mapped](reading-a-report.md#reportsarif)"),
    "allure-results": (
        "a folder: a result and an attachment for each requirement × command, for Allure",
        "[how they are mapped](reading-a-report.md#allure-results)",
    ),
    "traffic.har": (
        "the HTTP traffic as HAR 1.2",
        "[`schemas/formats/har.json`](../schemas/formats/har.json)",
    ),
    JOURNAL: ("all evidence; all other files can be made from it again", "[tables](#journalsqlite)"),
    CERTIFICATE: (
        "of a conformant run with `--sign-key`: a signed statement",
        "[members](#certificatejson)",
    ),
}

# The notes of a journal beside the traffic: kind → description.
NOTES: Mapping[str, str] = {
    "samples": "before anything else, the suite judged the samples of the contract: how many requirements passed",
    "preflight": "a check of the set-up: which one, whether it passed, its result",
    "obstacle": "the reason why the run could not begin or go on, with a hint",
    "planned": "which groups of cases are sent alone, and which last; for resuming an interrupted run",
    "left-out": "a case that was not planned, such as a case file with a phone number that was not given, and why",
    "allowance": "the limits of the run, and what may have been accepted and spent at most",
    "refusals-distrusted": "a refused request got a notification of success: from then on refusals count as accepted",
    "planned-anew": "over a network: which case replaces one whose answer was lost",
    "undecodable": "an answer whose body could not be decoded as its headers say",
    "beyond-answer": "a gateway sent more bytes after its answer: after which one, and the first of them",
    "unsent": "not a byte of this request was sent",
    "unreadable": "bytes at the receiver, or a client's witness, that are not a request: why, and the first of them",
    "heartbeat": "a canary that was sent during the run, and whether it came back",
    "way-back": "canaries that were sent because notifications were missing: how many, and how many came back",
    "strays": "how many requests without an id of the run were dropped, because there were too many",
    "load": "how a load went: when, how many requests were sent and accepted, how late they and the receivers were",
    "shard": "the file of a worker or a receiver that was merged into this journal: its SHA-256, and how many rows",
    "lost": "a worker or a receiver that was lost, since when, and the cases that it may have sent unseen, by product",
    "clock": "the clock of another machine: the seconds added to its times, and the bound of their error",
    "refused-here": "the suite's own server could not take a request: why, and whether for good",
    "left-behind": "processes that outlived the driver that started them; null where the system does not tell",
    "settled": "no more notification is owed or awaited; of a client also how long it was watched",
    "shrink-begins": "the length of the journal when the search for causes began",
    "cause": "the cause of a failure, and its simplest request",
    "shrink": "the cost of the search for causes",
    "resumed": "another process resumes the run; since when no process was there",
    "listened": "`listen` takes late notifications; since when no process was there",
    "hello": "what the driver of a client declared",
    "death": "the driver did not answer exactly once: in which case, how, and in words",
    "gave-up": "the driver could not be kept running",
    "environment": "proxies that the environment of the driver names",
    "extra-call": "a further call, made to explain one that sent no request: which, why, and of which",
    "out-of-time": "the time of the certification was over, and how many planned cases were left",
    "receiver-died": "a receiver stopped: after which case, and for the notifications of which commands",
    "left-alone": "the suite stopped sending to the receiver of a command, and why",
    "interrupted": "a signal ended the run",
    "finished": "the end, and how many seconds it took",
}

OTHER_VARIABLES: Mapping[str, str] = {
    variable("debug"): "any value: adds the traceback to an error",
    variable(ENV): "the [named environment](configuration.md) to use, as `--env`",
    "GITHUB_ACTIONS": "`true`, as GitHub sets it: prints annotations; words of a gateway are no workflow commands",
    "GITHUB_STEP_SUMMARY": "as GitHub sets it: the file that `summary.md` is appended to",
    "HTTP_PROXY": "proxy for `http` URLs; also in small letters",
    "HTTPS_PROXY": "proxy for `https` URLs; also in small letters",
    "ALL_PROXY": "proxy for both; also in small letters",
    "NO_PROXY": "hosts that are reached without a proxy; this machine always is",
    "NO_COLOR": "any value: no colours",
    "CI": "as CI servers set it, any value but `0`, `false` or none: progress as plain lines",
    "COLUMNS": "the width of the terminal",
}

TABLES_OF_JOURNAL: Mapping[str, tuple[str, str | None]] = {
    "meta": ("The settings of the run, one a row, without secrets.", None),
    "cases": ("The planned cases, in order.", "case"),
    "sent": ("A request, before its bytes went out.", "request"),
    "answered": ("Its outcome, under the same number.", "answer"),
    "notifications": ("Requests that reached the callback receiver.", "notification"),
    "notes": ("Other events; `detail` is JSON. [The kinds](#kinds-of-notes).", "note"),
    "messages": ("Lines to and from the driver of a client.", "message"),
}

# The columns of `meta`, which the schema of a journal does not describe.
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "key": {"description": "The name of the setting; also the start of the run, and its addresses."},
    "value": {"description": "Its value, as JSON."},
}
