"""What tests of the wire have in common: a journal for senders, and an environment without proxies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.journal import Journal, Redaction


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Where the senders under test record."""
    with Journal.create(tmp_path / "journal.sqlite", {}, Redaction.none()) as journal:
        yield journal


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names no proxies."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
