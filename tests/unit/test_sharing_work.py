"""How `make test` spreads its tests: a fixture that costs seconds is made once, not once in each worker."""

from __future__ import annotations

from suite_plugins import unit_of


def test_the_tests_of_a_file_that_share_a_costly_value_are_one_unit() -> None:
    """All of them go to one worker; rows of the kill matrix above all are to go side by side."""
    files = ["tests/docs/test_wheel.py", "tests/unit/test_plan.py"]
    row = "tests/kill/test_kill_matrix.py::test_a_lawful_variant_breaks_nothing[lawful]"

    assert [*files, row] == [unit_of(each) for each in (*(f"{file}::test_of_it" for file in files), row)]
