"""What every test of the suite rests on: the house's Hypothesis profile, and no trace left in the checkout."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from suite_plugins import KillTable, SharingWork

LEFTOVER = Path(__file__).parents[1] / ".hypothesis"

# No database: nothing carries over from one run to the next. Derandomized: what fails, fails again. No deadline and
# no complaint about slowness: on busy cores both measure the machine.
settings.register_profile(
    "statum-conformance",
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("statum-conformance")


def pytest_configure(config: pytest.Config) -> None:
    """Gives Hypothesis a home that goes with the run: even without a database it caches Unicode tables."""
    home = TemporaryDirectory(prefix="statum-conformance-hypothesis-")
    config.add_cleanup(home.cleanup)
    set_hypothesis_home_dir(home.name)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(KillTable())
        if config.pluginmanager.has_plugin("xdist"):
            config.pluginmanager.register(SharingWork())


@pytest.fixture(scope="session", autouse=True)
def not_on_github() -> Iterator[None]:
    """Keeps what tests run from annotating the build that they are part of; who asks for it, gets it."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Has signals mean what they do at a terminal, here and in the processes that tests start.

    A shell starts what it runs in the background with SIGINT ignored, `nohup` with SIGHUP, and that is inherited.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails the run that leaves a `.hypothesis` folder in the checkout (rule 5 of the design: no hidden state)."""
    was_there = LEFTOVER.exists()
    yield
    assert was_there == LEFTOVER.exists(), (
        f"{LEFTOVER} was made by a test (hint: draw in a subprocess or under tmp_path)"
    )
