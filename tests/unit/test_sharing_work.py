"""How `make test` spreads its tests: a fixture that costs seconds is made once, not once in each worker."""

from __future__ import annotations

from suite_plugins import unit_of


def test_a_file_with_a_costly_fixture_is_one_unit() -> None:
    """All of its tests go to one worker."""
    assert "tests/docs/test_wheel.py" == unit_of("tests/docs/test_wheel.py::test_pytest_finds_the_installed_plugin")


def test_a_test_of_another_file_is_a_unit_of_its_own() -> None:
    """Rows of the kill matrix above all, which are to go side by side."""
    row = "tests/kill/test_kill_matrix.py::test_a_lawful_variant_breaks_nothing[lawful]"
    assert row == unit_of(row)
