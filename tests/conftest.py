"""Settings of every test: the Hypothesis profile, the environment, signals, and no files left in the checkout."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from suite_plugins import ForgettingValues, KillTable, SharingWork

LEFTOVER = Path(__file__).parents[1] / ".hypothesis"

# Without a database nothing carries over from one run to the next; derandomized, a failure fails again. A deadline and
# the check for slowness would measure the machine.
settings.register_profile(
    "statum-conformance",
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("statum-conformance")


def pytest_configure(config: pytest.Config) -> None:
    """Give Hypothesis a home that is removed after the run: even without a database it caches Unicode tables."""
    home = TemporaryDirectory(prefix="statum-conformance-hypothesis-")
    config.add_cleanup(home.cleanup)
    set_hypothesis_home_dir(home.name)
    config.pluginmanager.register(ForgettingValues())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(KillTable())
        if config.pluginmanager.has_plugin("xdist"):
            config.pluginmanager.register(SharingWork())


@pytest.fixture(scope="session", autouse=True)
def not_on_github() -> Iterator[None]:
    """Keep runs of tests from annotating the build that they are part of, unless a test asks for it."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Handle signals as at a terminal, here and in the processes that tests start.

    Shells ignore SIGINT for programs in the background, `nohup` ignores SIGHUP, and their children inherit that.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a run that leaves a `.hypothesis` folder in the checkout: there is no hidden state."""
    was_there = LEFTOVER.exists()
    yield
    assert was_there == LEFTOVER.exists(), (
        f"{LEFTOVER} was made by a test (hint: draw in a subprocess or under tmp_path)"
    )
