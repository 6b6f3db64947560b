"""How tests are shared out among the workers of pytest-xdist: those of a file with a costly fixture stay together.

A pytest plugin (`tests/conftest.py` loads it). Marks with `xdist_group` would say the same test by test, but have no
effect under pytest 9.2 and pytest-xdist 3.8, without a word of it; a fixture is then made once in each worker.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COSTLY = 'fixture(scope="module")'


@cache
def _has_costly_fixture(file: str) -> bool:
    return COSTLY in (ROOT / file).read_text(encoding="utf-8")


def unit_of(nodeid: str) -> str:
    """What a worker is given in one piece: the file, if its tests share a fixture of the module, or else the test."""
    file = nodeid.partition("::")[0]
    return file if _has_costly_fixture(file) else nodeid


class SharingWork:
    """Takes the place of xdist's own choice where tests are spread over workers."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """The scheduler; units with many tests go out first, so that no long one is begun last."""
        if config.getvalue("dist") != "load":
            return None
        scheduler = pytest.importorskip("xdist.scheduler").LoadScopeScheduling(config, log)
        scheduler._split_scope = unit_of  # noqa: SLF001 - the method that xdist's own schedulers replace
        return scheduler
