"""The schemas of the suite's own files and messages: `schemas/formats/`."""

from __future__ import annotations

from conformance.contract.schema_set import BASE_URI, SchemaSet, built_in

FORMATS = SchemaSet(built_in("formats"), f"{BASE_URI}formats/")
