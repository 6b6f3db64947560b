"""A receiver of payments that customers start, cut into methods that a flaw can do otherwise.

Till        an address for what has been paid, and one for what is asked before
Paid        a client that makes no calls, and has one
"""

from __future__ import annotations

import json

from flawed_clients.client import Client
from flawed_clients.inbox import Inbox, Posted, Told

PAYMENTS, INQUIRIES = "mpesa-c2b", "mpesa-c2b/validation"


class Till(Inbox):
    """Keeps the contract. `asks`: it wants to be asked before."""

    thanks = 200
    served = frozenset({PAYMENTS})
    asks = True

    def urls(self, commands: tuple[str, ...]) -> dict[str, str]:
        """Those of payments, whatever else."""
        base = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        names = (PAYMENTS, INQUIRIES) if self.asks else (PAYMENTS,)
        return {name: f"{base}/{name}?token=s3cret" for name in names}

    def respond(self, posted: Posted) -> int:
        """The status that answers a request, be it an inquiry."""
        if posted.path.partition("?")[0] != f"/hooks/{INQUIRIES}" or posted.method != "POST":
            return super().respond(posted)
        return self.decide(json.loads(posted.body))

    def decide(self, content: Told) -> int:
        """An inquiry."""
        return 200


class Paid(Client):
    """Makes no calls, and keeps what it is paid."""

    commands = ()
    features = ("callback", "results")
    inbox: type[Inbox] = Till
