"""What a run tells while it goes on: see `conformance.model.progress`."""

from __future__ import annotations

from conformance.model.progress import Progress, Silent

__all__ = ["Progress", "Silent"]
