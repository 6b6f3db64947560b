"""What differs between messages that tell of the same: members of one name with unequal values.

differing       of the bodies of a request, its answer and its notifications
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from conformance.judging.reading import Content

# The contract masks phone numbers in notifications with it; what is masked cannot be compared.
MASK = "*"


def differing(bodies: Sequence[bytes]) -> frozenset[str]:
    """JSON pointers of the members that several of the bodies have, and not all alike; of none that is no object.

    A number and the same number as a string are alike here: which of them it has to be is for the checks.
    """
    told: dict[str, set[str]] = {}
    for body in bodies:
        for name, value in _members(body).items():
            told.setdefault(name, set()).add(value)
    return frozenset(
        "/" + name.replace("~", "~0").replace("/", "~1") for name, values in told.items() if len(values) > 1
    )


def _members(body: bytes) -> dict[str, str]:
    members = Content.with_repeats(body).members or {}
    told = {name: member if isinstance(member, str) else json.dumps(member) for name, member in members.items()}
    return {name: text for name, text in told.items() if MASK not in text}
