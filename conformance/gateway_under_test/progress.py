"""What a run tells while it goes on: see `conformance.progress`."""

from __future__ import annotations

from conformance.progress import Progress, Silent

__all__ = ["Progress", "Silent"]
