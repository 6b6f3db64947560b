"""Makes reports/sample, the reports of a run against a faulty mock gateway: `python examples/sample_report.py`."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.faults import faults
from conformance.reports.files import write_reports
from conformance.reports.result import Result

# ruff: noqa: INP001 - a script, not a module of a package

SAMPLE = Path(__file__).parents[1] / "reports" / "sample"

# A MUST about answers, one about notifications, and a SHOULD, so that the sample has a FAIL of each kind and a WARN.
FAULTS = ("accepts-null", "result-code-as-number", "no-challenge")
PRODUCTS = ("sms", "airtime")
SEED = 7
# For viewers rather than readers, and large.
UNREAD = ("traffic.har", "report.sarif")


def make(directory: Path) -> Result:
    """Hold the run, write its reports into `directory`, and give the result."""
    account = Account.sample()
    behaviour: Behaviour = reduce(lambda changed, name: faults(statum())[name].change(changed), FAULTS, BUILT_IN)
    with TemporaryDirectory() as aside:
        settings = Settings(
            account.consumer_key,
            account.consumer_secret,
            products=PRODUCTS,
            seed=SEED,
            report_dir=Path(aside),
        )
        result = Result.of(read_journal(campaign.run(settings, behaviour=behaviour)))
    write_reports(result, directory)
    for name in UNREAD:
        (directory / name).unlink()
    rmtree(directory / "allure-results")
    return result


if __name__ == "__main__":
    make(SAMPLE)
