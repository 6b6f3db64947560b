"""`site`: static pages from saved reports and certificates of many subjects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from conformance.certificate.coverage import Policy
from conformance.cli.certificates import trust_of
from conformance.cli.command import ENGINE, ConformanceCommand, Messages
from conformance.contract.contract import Contract, contract_at, statum
from conformance.model.errors import UsageError
from conformance.register.certificates import Checks
from conformance.register.pages import INDEX, Layout, ReportPage, contents_of, files_of
from conformance.register.publishing import Published, publish
from conformance.register.reading import ReadResults, found_in
from conformance.register.results import RegisteredResult
from conformance.register.subjects import SUBJECTS, Register
from conformance.reports.console import print_line, remarks, results
from conformance.reports.files import REPORT_HTML, read_report
from conformance.reports.page import html
from conformance.reports.result import Reportable
from conformance.reports.text import counted

# Of subjects whose pages are removed.
MOST_NAMED = 5


@click.command("site", cls=ConformanceCommand, short_help="Make a register, as static pages, of many results.")
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="REPORTS...")
def site(reports: tuple[Path, ...], out: Path, **options: Any) -> int:
    """Make a register of many results: static pages for gateways, clients and receivers × requirements.

    REPORTS are reports (report.json), certificates (certificate.json), and folders, which are searched for both. All
    results of one name are one subject with a history. Each subject has a page and a badge at an address that stays the
    same: subjects/NAME/index.html and badge.svg. register.json has everything for programs.

    A certificate is shown as certified only if keys that you give with --key have signed it, and `verify` would find it
    valid. The same files give the same pages. In DIR only files of an earlier register are replaced or removed.

    Exit code: 0 written, 2 wrong usage or a file that is no result, 3 DIR cannot be written.
    """
    contracts = _contracts(options["contract"])
    policy = _policy(options["require"], contracts, strict=options["strict"])
    # Of many subjects, few have the same signers.
    threshold = 1 if options["threshold"] is None and options["key"] else options["threshold"]
    checks = Checks(trust_of(options["key"], threshold), policy, with_evidence=options["judge_again"])
    address = _address(options["site_url"])
    reading = ReadResults.of(found_in(reports, out), contracts, checks)
    if not options["skip_invalid"] or not reading.results:
        reading.check_complete()
    for each in reading.left_out:
        Messages.of().warn(f"{each.file} is left out: {each.reason}")
    for remark in reading.remarks:
        Messages.of().warn(remark)
    register = Register.of(reading, [*contracts.values()])
    page, with_page = _pages(options["report_pages"], register)
    layout = Layout(options["title"], address, with_page, page)
    published = publish(out, files_of(register, layout), contents_of(register, layout))
    _say(register, published, out, keys=bool(checks.trust.keys))
    return 0


def _contracts(folders: Sequence[Path]) -> Mapping[str, Contract]:
    """The built-in contract and those in the folders, by name. Raises UsageError for two of one name."""
    contracts = {statum().name: statum()}
    for folder in folders:
        contract = contract_at(folder, ENGINE)
        if contract.name in contracts:
            raise UsageError(
                f"--contract {folder} is called {contract.name!r}, as another one is; expected other names"
            )
        contracts[contract.name] = contract
    return contracts


def _policy(required: Sequence[str], contracts: Mapping[str, Contract], *, strict: bool) -> Policy:
    """The policy in names of the last contract that was given, else of the built-in one."""
    return Policy.of(required, [*contracts.values()][-1], strict=strict)


def _address(url: str | None) -> str | None:
    """The public address of the register, which ends with a slash."""
    if url is None:
        return None
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise UsageError(
            f"--site-url is {url!r}; expected the address where the pages are published",
            hint="such as https://example.github.io/register/",
        )
    return f"{url.rstrip('/')}/"


def _pages(how: str, register: Register) -> tuple[ReportPage, frozenset[str]]:
    """The report page of each result that gets one, and the subjects that have one."""
    of_reports = [subject for subject in register.subjects if subject.latest.has_report]
    if how == "made":
        return _made, frozenset(subject.slug for subject in of_reports)
    beside = frozenset(subject.slug for subject in of_reports if _page_beside(subject.latest).is_file())
    return lambda result: _page_beside(result).read_bytes(), beside if how == "copied" else frozenset()


def _page_beside(result: RegisteredResult) -> Path:
    return result.file.with_name(REPORT_HTML)


def _made(result: RegisteredResult) -> bytes:
    return html(Reportable(read_report(result.file, result.contract), result.contract))


def _say(register: Register, published: Published, out: Path, *, keys: bool) -> None:
    present = {subject.slug for subject in register.subjects}
    gone = dict.fromkeys(name.split("/")[1] for name in published.removed if name.startswith(f"{SUBJECTS}/"))
    gone_slugs = [slug for slug in gone if slug not in present]
    if gone_slugs:
        more = f" and {len(gone_slugs) - MOST_NAMED} more" if len(gone_slugs) > MOST_NAMED else ""
        Messages.of().warn(f"removed, for no result was given of: {', '.join(gone_slugs[:MOST_NAMED])}{more}")
    certificates = sum(subject.certificate is not None for subject in register.subjects)
    if certificates and not keys:
        print_line(
            remarks(), f"{counted(certificates, 'certificate')} not verified: give the signers' public keys with --key"
        )
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(register.verdicts.items()))
    print_line(
        results(),
        f"{counted(len(present), 'subject')}: {verdicts} · {register.number_certified} certified · "
        f"{counted(len(published.written), 'file')} · {out / INDEX}",
    )
