"""What the reference says of what the code has, in words: `regenerate` makes tables of them.

What there are words for is asked of the code. Where that has something which stands in none of these tables, making the
pages, and the test that compares them, ends with a KeyError: so nothing new goes without words.
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

# What an exit code means where a verdict is what the command is after.
EXIT_CODES: Mapping[int, str] = {
    Conclusion.CONFORMANT.exit_code: "Conformant: every MUST that applied was exercised and passed; warnings are "
    "allowed. With `--expectations` also: falls short only as listed.",
    Conclusion.NON_CONFORMANT.exit_code: "Not conformant, whatever else went wrong; or an entry of the "
    "expectations file is stale.",
    UsageError.exit_code: "Wrong usage or configuration: one line says what was given and what is expected.",
    Conclusion.INCONCLUSIVE.exit_code: "Inconclusive: a MUST could not be exercised. Also whatever kept the run from "
    "being made: a gateway that is not reached, a credential that is refused, an address that is taken, a machine that "
    "lacks memory, threads, files or room, Ctrl-C.",
    SuiteError.exit_code: "The suite itself failed; please report it. Or its installation is broken, and says so.",
}

VERDICTS: Mapping[Verdict, str] = {
    Verdict.PASS: "Observed at least once, and never seen to fall short.",
    Verdict.FAIL: "A MUST failed at least once; in a [strict](#strict-runs) run, a MUST or a SHOULD.",
    Verdict.WARN: "A SHOULD failed at least once.",
    Verdict.KNOWN: "A failure that is listed in the [expectations file](expectations.md): the subject is not "
    "conformant for it, but the run does not fail.",
    Verdict.NOT_APPLICABLE: "It rests on something that the client or its driver does not offer; the report names it. "
    "Never said of a gateway.",
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
        "Nothing in the run bears on it; for a requirement with a condition, that did not come about.",
        "nothing, or have it come about",
    ),
    Reason.PRECONDITION: (
        "Something else went wrong before: the positive twin of a refusal was not accepted, say.",
        "mend that first",
    ),
    Reason.ENVIRONMENT: (
        "The gateway was not reached or refused the credential; the callback path is not proven; the network failed.",
        "`statum-conformance doctor`; [a network that fails](sandbox.md#when-the-network-fails)",
    ),
    Reason.INTERRUPTED: (
        "The run was cut off.",
        "[go on with it](interrupted-runs.md#resume-a-run), or run again",
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
    JOURNAL: ("all evidence; the one file that the others can be made from again", "[tables](#journalsqlite)"),
    CERTIFICATE: (
        "of a conformant run with `--sign-key`: a signed statement",
        "[members](#certificatejson)",
    ),
}

# Of the notes that a journal holds beside the traffic: kind → what it tells.
NOTES: Mapping[str, str] = {
    "samples": "before anything else, the suite judged the samples of the contract: how many requirements these kept",
    "preflight": "a check of the set-up: which one, whether it went well, what was seen",
    "obstacle": "what kept the run from being held, or ended it, with a hint",
    "planned": "which groups of cases go out alone, and which last; so that a run that was cut off can go on",
    "left-out": "a case that was not planned, such as a case file with a phone number that was not given, and why",
    "allowance": "the limits of the run, and what may have been accepted and spent at most",
    "refusals-distrusted": "a refused request has a notification of success: from there on refusals count as accepted",
    "planned-anew": "over a network: which case stands for one whose answer was lost",
    "undecodable": "an answer whose body could not be decoded as its headers say",
    "beyond-answer": "a gateway sent on after its answer: after which one, and how that begins",
    "unsent": "not a byte of a request was sent after all: which one",
    "unreadable": "what reached the receiver, or the witness of a client, and is no request: why, and its first bytes",
    "heartbeat": "a canary that was sent while the run went on, and whether it came back",
    "way-back": "canaries that were sent because notifications are missing: how many, and how many came back",
    "strays": "how many requests without an id of the run were not kept, for there were too many",
    "refused-here": "the suite's own server could not take what came: why, and whether that was for good",
    "left-behind": "processes that outlived the driver that had started them; null where the system does not tell",
    "settled": "when nothing more was owed or waited for; of a client also how long was watched",
    "shrink-begins": "how far the journal went when failures began to be looked into",
    "cause": "on what a failure depends, and its simplest request",
    "shrink": "what looking into failures took",
    "resumed": "another process goes on with the run; since when nobody was there",
    "listened": "`listen` takes late notifications; since when nobody was there",
    "hello": "what the driver of a client declared",
    "death": "the driver did something else than answer once: in which case, how, and in words",
    "gave-up": "the driver could not be kept alive",
    "environment": "proxies that the environment of the driver names",
    "extra-call": "a further call that was made to look into one that became no request: which, why, and of which",
    "out-of-time": "the time of the certification was up, and how many of the planned cases were left",
    "receiver-died": "a receiver was no longer there: after which case, and for the notifications of which commands",
    "left-alone": "nothing more was sent to the receiver of a command, and why",
    "interrupted": "the run was told to end",
    "finished": "the end, and how many seconds it took",
}

OTHER_VARIABLES: Mapping[str, str] = {
    variable("debug"): "any value: adds the traceback to an error",
    variable(ENV): "the [named environment](configuration.md) that counts, as `--env`",
    "GITHUB_ACTIONS": "`true`, as GitHub sets it: annotations are printed, and what a gateway says gives no orders",
    "GITHUB_STEP_SUMMARY": "as GitHub sets it: the file that `summary.md` is appended to",
    "HTTP_PROXY": "proxy for `http` URLs; also in small letters",
    "HTTPS_PROXY": "proxy for `https` URLs; also in small letters",
    "ALL_PROXY": "proxy for both; also in small letters",
    "NO_PROXY": "hosts that are asked without a proxy; what is on this machine always is",
    "NO_COLOR": "any value: no colours",
    "CI": "as CI servers set it, any value but `0`, `false` or none: progress as plain lines",
    "COLUMNS": "how wide the terminal is taken to be",
}

TABLES_OF_JOURNAL: Mapping[str, tuple[str, str | None]] = {
    "meta": ("How the run was set, one setting a row; secrets are left out.", None),
    "cases": ("What was planned, in order.", "case"),
    "sent": ("A request, before its bytes went out.", "request"),
    "answered": ("What became of it, under the same number.", "answer"),
    "notifications": ("What reached the callback receiver.", "notification"),
    "notes": ("What else happened; `detail` is JSON. [The kinds](#kinds-of-notes).", "note"),
    "messages": ("Lines to and from the driver of a client.", "message"),
}

# The columns of `meta`, which is no kind of row that the schema knows.
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "key": {"description": "Which setting; also when the run began, and the addresses that it used."},
    "value": {"description": "What it was set to, as JSON."},
}
