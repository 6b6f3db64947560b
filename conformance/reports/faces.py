"""Which face of the suite a record tells of: reports are made of both.

face_of     the face by which it is judged
is_client   whether it is a client, or its receiver, and not a gateway
judge       its verdicts
"""

from __future__ import annotations

from collections.abc import Mapping

from conformance.client.face import CLIENT
from conformance.contract.contract import Contract
from conformance.gateway.rules.checks import GATEWAY
from conformance.journal import Record
from conformance.judging.expectations import Expectations
from conformance.judging.verdicts import Face, Judged, judge_as

FACES: Mapping[str, Face] = {"gateway": GATEWAY, "client": CLIENT}


def face_of(record: Record) -> Face:
    """The face that a record tells of; a gateway where it does not say."""
    return FACES[record.settings.get("subject_kind", "gateway")]


def is_client(record: Record) -> bool:
    """Whether it is a client that a record tells of, or its receiver, and not a gateway."""
    return face_of(record) is CLIENT


def judge(
    record: Record,
    expectations: Expectations | None = None,
    *,
    contract: Contract | None = None,
    measured: bool = True,
    strict: bool | None = None,
) -> Judged:
    """Judge a record of either face, as `judge_as` does."""
    return judge_as(face_of(record), record, expectations, contract=contract, measured=measured, strict=strict)
