"""The HTTP clients that people have, as separate processes: what they post to each of the four servers arrives.

A runtime that is not there is a visible skip; `.ci/runtimes/install` installs those that Debian has. Their sources are
in `tests/runtimes/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from wire_servers import SERVERS

from conformance.model.traffic import Request, header

SOURCES = Path(__file__).parents[1] / "runtimes"

BODY = '{"phone_number": "254712345678", "message": "Habari ☀"}'

# To each server.
REQUESTS = 4

# A compiler on a busy machine takes its time; one that hangs must not hang the build.
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime: the `programs` that it needs, the words that start its source, and what only it has on the wire.

    `seen` is a sign by which one of its requests shows that it came in that form.
    """

    name: str
    programs: tuple[str, ...]
    command: tuple[str, ...]
    seen: Callable[[Request], bool]


def _offers_upgrade(request: Request) -> bool:
    return header(request.headers, "upgrade") == "h2c"


def _in_chunks(request: Request) -> bool:
    return header(request.headers, "transfer-encoding") == "chunked"


RUNTIMES = (
    # It is compiled and run once, so the compiler that makes it fast is not worth its start.
    Runtime("jdk", ("java", "javac"), ("java", "-XX:TieredStopAtLevel=1", "Notify.java"), _offers_upgrade),
    Runtime("curl", ("sh", "curl"), ("sh", "notify.sh"), _offers_upgrade),
    Runtime("node", ("node",), ("node", "notify.mjs"), _in_chunks),
    Runtime("go", ("go",), ("go", "run", "notify.go"), _in_chunks),
    Runtime("php", ("php",), ("php", "notify.php"), _offers_upgrade),
)


def _lacking(runtime: Runtime) -> str | None:
    """In words, what is not there; None if all is."""
    if missing := [name for name in runtime.programs if shutil.which(name) is None]:
        return f"there is no {', no '.join(missing)}"
    if runtime.name == "php" and "curl" not in _output("php", "-m").split():
        return "PHP has no curl extension"
    if runtime.name == "curl" and "HTTP2" not in _output("curl", "--version"):
        return "curl has no HTTP/2"
    return None


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S).stdout


def _environment(tmp_path: Path) -> dict[str, str]:
    """That of the test, without a proxy and without a network for Go's modules."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    cache = kept.get("GOCACHE") or str(Path(kept["HOME"]) / ".cache/go-build" if "HOME" in kept else tmp_path)
    return {**kept, "GO111MODULE": "off", "GOPROXY": "off", "GOFLAGS": "", "GOCACHE": cache}


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_requests_of_a_runtime_arrive(runtime: Runtime, tmp_path: Path) -> None:
    """Each body whole, in whatever form; and each request is answered."""
    if (lacking := _lacking(runtime)) is not None:
        pytest.skip(lacking)
    with ExitStack() as running:
        servers = {name: running.enter_context(served()) for name, served in SERVERS.items()}
        done = subprocess.run(
            [*runtime.command, BODY, *(server.url for server in servers.values())],
            cwd=SOURCES,
            env=_environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert 0 == done.returncode, done.stderr
        taken = {name: server.taken() for name, server in servers.items()}
        unread = {name: server.unread() for name, server in servers.items()}
    assert {name: [BODY] * REQUESTS for name in servers} == {
        name: [request.body.decode() for request in requests] for name, requests in taken.items()
    }
    # The receivers take it; the mock gateway and the witness of clients ask for a credential first.
    statuses = [200] * 2 * REQUESTS + [401] * 2 * REQUESTS
    assert statuses == [int(line) for line in done.stdout.split()]
    assert {name: [] for name in servers} == unread
    assert all(any(map(runtime.seen, requests)) for requests in taken.values())
