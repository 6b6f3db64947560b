"""What reaches a receiver without being for it: kept as evidence, but not without end.

Anybody can send junk to an address on the internet, and each piece of it would become a row of the journal. Whatever
names a request_id may be a notification that went astray, so much more of that is kept than of the rest.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from conformance.callbacks.ledger import request_id_of
from conformance.traffic import Request

# A faulty gateway that sends every notification of a large run to a wrong place is still told exactly.
MOST_WITH_ID = 100_000
# Scanners try some hundred addresses.
MOST_WITHOUT_ID = 1_000
# Enough to see what it is.
KEPT_BODY = 16 * 1024


class Strays:
    """Counts strays and says which are kept; thread-safe. `left_out` are those that are not."""

    def __init__(self) -> None:
        self.left_out = 0
        self._kept = {True: 0, False: 0}
        self._lock = threading.Lock()

    def kept(self, request: Request) -> Request | None:
        """What is kept of a stray: the request, its body cut at KEPT_BODY, or None."""
        has_id = request_id_of(request.body) is not None
        most = MOST_WITH_ID if has_id else MOST_WITHOUT_ID
        with self._lock:
            if self._kept[has_id] >= most:
                self.left_out += 1
                return None
            self._kept[has_id] += 1
        return request if len(request.body) <= KEPT_BODY else replace(request, body=request.body[:KEPT_BODY])
