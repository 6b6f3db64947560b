"""The mock gateway of a contract that is not Statum's: all that it says is made of the contract's folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from other_contracts import copied

from conformance.contract.contract import Contract, statum
from conformance.mock.account import TextShape, masked, retold, shape_of_ids, spelled
from conformance.model.errors import UsageError

SAMPLES = ("9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a", "2f1c7a0e9d3b4c5f8a6e0d1b2c3f4a5e", "Rm20180307054639H4adfKDJDKQ7H")


def with_ids(directory: Path, **stated: Any) -> Contract:
    """Statum's contract with other keywords of its ids, and their example in all messages."""
    folder = copied(directory)
    for path in folder.rglob("*.json"):
        text = path.read_text("utf-8")
        for sample in SAMPLES:
            text = text.replace(sample, stated["examples"][0])
        path.write_text(text, "utf-8")
    common = folder / "common.json"
    document = json.loads(common.read_text("utf-8"))
    kept = {key: value for key, value in document["$defs"]["request_id"].items() if key != "pattern"}
    document["$defs"]["request_id"] = kept | {"pattern": r"\S"} | stated
    common.write_text(json.dumps(document), "utf-8")
    return Contract.load(folder)


@pytest.mark.parametrize(
    ("stated", "digits"),
    [
        ({"pattern": "^[0-9]{12}$", "examples": ["730000000417"]}, 12),
        ({"pattern": "^REQ-[0-9]{6}$", "examples": ["REQ-004711"]}, 6),
        ({"pattern": "^[0-9a-f]{8}-[0-9a-f]{4}$", "examples": ["00000000-0000"]}, 12),
    ],
)
def test_ids_have_the_form_of_the_example(tmp_path: Path, stated: dict[str, Any], digits: int) -> None:
    """Whatever the pattern has, ids keep it, and differ in every place that may differ."""
    contract = with_ids(tmp_path, **stated)
    shape = shape_of_ids(contract)
    drawn = {shape.draw(random) for random in [Random(1)] for _ in range(100)}
    assert digits == len(shape.places)
    assert 100 == len(drawn)
    for one in drawn:
        assert [] == contract.schemas.violations("common#request_id", one)


def test_an_id_that_cannot_be_another_is_said(tmp_path: Path) -> None:
    """One clear error for a schema whose only id is its example."""
    contract = with_ids(tmp_path, pattern="^one$", examples=["one"])
    with pytest.raises(UsageError, match="request_id has no example whose letters or digits may be others"):
        shape_of_ids(contract)


def test_ids_of_statum_are_as_they_were() -> None:
    """32 letters and digits, the same for one seed as in every edition before."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert "".join(Random("0/ids").choices(alphabet, k=32)) == shape_of_ids(statum()).draw(Random("0/ids"))


@pytest.mark.parametrize(
    ("value", "example", "shown"),
    [
        ("254712345678", "2547*****149", "2547*****678"),
        ("255655000222", "2556*****222", "2556*****222"),
        ("QWERT", "INV", "QWERT"),
        ("12", "*", "*"),
    ],
)
def test_values_are_masked_as_the_example_is(value: str, example: str, shown: str) -> None:
    """As much of the beginning and the end as the example shows; all of it where it hides nothing."""
    assert shown == masked(value, example)


def test_texts_tell_of_the_request_at_hand() -> None:
    """Whole values are replaced, not parts of others."""
    before = {"phone_number": "254721553678", "amount": "50", "note": ""}
    told = retold("50 of 500 to 254721553678.", before, {"phone_number": "254712000001", "amount": "7"})
    assert "7 of 500 to 254712000001." == told


@pytest.mark.parametrize(
    "example", ["2024-07-27 14:05:09", "2031-07-04T16:20:00Z", "2031-07-04T16:20:00+03:00", "yesterday"]
)
def test_times_are_spelled_as_the_example_is(example: str) -> None:
    """With a T or a blank, with an offset or a Z or none; a time in no such form stays as it is."""
    shown = spelled(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), example)
    expected = {
        "2024-07-27 14:05:09": "2026-01-02 03:04:05",
        "2031-07-04T16:20:00Z": "2026-01-02T03:04:05Z",
        "2031-07-04T16:20:00+03:00": "2026-01-02T03:04:05+00:00",
    }
    assert expected.get(example, example) == shown


def test_a_shape_keeps_what_is_no_letter_and_no_digit() -> None:
    """Hyphens stay in their places."""
    shown = TextShape.of("00aa-11bb").draw(Random(3))
    assert (9, "-") == (len(shown), shown[4])
