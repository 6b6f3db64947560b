"""A request for any account: what a case file holds, before an account's own names and numbers are put into it.

    Step        one request with its label
    marker      what stands in the text of a body for what belongs to an account

Whether the label is right is proved by `conformance.gateway.caselabels`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

from conformance.contract.contract import Contract
from conformance.gateway.credentials import RIGHT
from conformance.model.traffic import Headers, Kind


@cache
def marker(contract: Contract) -> re.Pattern[bytes]:
    """${sender_id} and whatever is registered; ${phone_number}, the recipient, with digits that it begins with.

    And with a number, of several.
    """
    names = "|".join(map(re.escape, contract.members.registered))
    recipient = re.escape(contract.members.recipient or "")
    whose = rf"|(?P<recipient>{recipient})(?: (?P<prefix>[0-9]{{1,11}}))?(?: #[2-9])?" if recipient else ""
    return re.compile(rf"\$\{{(?:(?P<registered>{names}){whose})\}}".encode())


@dataclass(frozen=True, slots=True)
class Step:
    """One request, for any account: `command`, `kind`, `aspect`, `member` and `keyword` as those of a Case.

    `path` follows the base URL. `credential` is a label (see `conformance.gateway.credentials`). `headers`
    are all but Authorization, or None for those of an ordinary request. `body` may hold markers, unless `as_is`.
    """

    command: str | None
    kind: Kind
    aspect: str
    method: str
    path: str
    credential: str = RIGHT
    headers: Headers | None = None
    body: bytes = b""
    as_is: bool = False
    member: str | None = None
    keyword: str | None = None

    def markers(self, contract: Contract) -> tuple[bytes, ...]:
        """The markers in the body, each once."""
        return () if self.as_is else tuple(dict.fromkeys(found[0] for found in marker(contract).finditer(self.body)))

    def filled(self, contract: Contract, values: Mapping[bytes, str]) -> Self:
        """The step with its markers replaced by their values."""
        if self.as_is:
            return self
        return replace(self, body=marker(contract).sub(lambda found: values[found[0]].encode(), self.body), as_is=True)
