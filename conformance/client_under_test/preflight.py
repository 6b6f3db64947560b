"""Does a driver work at all? Looked at before anything is judged."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.client_under_test.driver import Death, Driver
from conformance.client_under_test.heard import Heard
from conformance.client_under_test.settings import program_of
from conformance.errors import EnvironmentFailure
from conformance.journal import Redaction


def examine_driver(command_line: str) -> Iterator[tuple[str, str]]:
    """What works, name and detail, one after the other; what does not is raised.

    Raises UsageError for a driver that cannot be used, EnvironmentFailure for one that does not say hello or stop.
    """
    heard = Heard()
    driver = Driver(program_of(command_line), heard.said)
    try:
        hello = driver.start()
        made_of = f" ({hello.language})" if hello.language else ""
        yield "driver says hello", f"{hello.subject}{made_of}"
        yield "commands", ", ".join(hello.commands) or "none"
        if hello.features:
            yield "features", ", ".join(sorted(hello.features))
        if hello.lacks:
            yield "not exposed by its API", ", ".join(sorted(hello.lacks))
        driver.stop()
        yield "driver stops", "exit code 0"
    except Death as death:
        redaction = Redaction.of_values(*heard.tokens)
        raise EnvironmentFailure(
            redaction.text(f"driver {command_line!r} failed: {death}"),
            "docs/driver-protocol.md describes what is expected",
            list(map(redaction.text, heard.last_lines)),
        ) from death
    finally:
        driver.kill()
