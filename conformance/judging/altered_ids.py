"""Whose request_id a notification evidently means, though it does not carry it exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance.judging.remembered import Outcome

# An altered request_id is recognised only if so much of it is left that chance is ruled out: 12 characters of an
# alphabet of 10 or more. Ids of one length that merely look alike (counters) are never taken for altered ones.
RECOGNISABLE = 12
# How many characters may have been cut off an id, or added, for it to be recognised still.
CUT = 4


# What is longer is looked for as it is: ids in use have some thirty characters.
LONGEST = 1_000


def _bare(request_id: str) -> str:
    if len(request_id) > LONGEST:
        return request_id
    return "".join(character for character in request_id.casefold() if character.isalnum())


class AlteredIds:
    """Finds the accepted answer that an unknown id evidently means: same letters, or a little cut off or added.

    `untold`: the answers whose request_id no notification carries exactly. `unknown`: the ids that are asked for.
    """

    def __init__(self, untold: Iterable[Outcome], unknown: Iterable[str]) -> None:
        self._exactly: dict[str, Outcome] = {}
        for outcome in untold:
            if outcome.request_id is not None:
                self._exactly.setdefault(_bare(outcome.request_id), outcome)
        wanted = {_bare(request_id) for request_id in unknown}
        self._cut: dict[str, Outcome] = {}
        for bare, outcome in self._exactly.items():
            for part in _cuts(bare):
                if part in wanted:
                    self._cut.setdefault(part, outcome)

    def meant_by(self, request_id: str) -> Outcome | None:
        """The answer that one of the `unknown` ids means; None if there is none."""
        bare = _bare(request_id)
        found = self._exactly.get(bare) or self._cut.get(bare)
        return found or next((self._exactly[part] for part in _cuts(bare) if part in self._exactly), None)


def _cuts(bare: str) -> Iterator[str]:
    for length in range(1, CUT + 1):
        if RECOGNISABLE <= len(bare) - length < LONGEST:
            yield bare[:-length]
            yield bare[length:]
