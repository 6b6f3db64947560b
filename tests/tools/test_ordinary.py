"""Clients, receivers and gateways as a tutorial would write them are conformant; their warnings are listed.

They are in `tests/ordinary/`: requests and Flask, fetch and Express, net/http, the JDK, PHP, curl. Each is a process
of its own, and the command line judges it. `make test-ordinary` installs Flask and Express; Go, PHP, a JDK and curl
come from the system (`.ci/runtimes/install` installs them from Debian). What is missing is skipped.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from command_line import process
from markdown_pages import sessions
from six_defects import judge_six_defects
from sockets import quiet_port

CHECKOUT = Path(__file__).parents[2]
ORDINARY = CHECKOUT / "tests" / "ordinary"
PYTHON = CHECKOUT / ".venv-ordinary" / "bin" / "python"
NODE_MODULES = CHECKOUT / ".ci" / "ordinary" / "node_modules"

# A certification ends within 90 s whatever its client does; compiling a client takes some seconds more.
PATIENCE_S = 150.0

COMPILES_WITHIN_S = 240.0

# A process of somebody else's does not say when it listens.
POLL_S = 0.05

# Curl and PHP use a proxy that the environment names, as their users expect them to.
VARIABLES = {"EXPRESS_FROM": f"{NODE_MODULES.parent}/", "NO_PROXY": "127.0.0.1,localhost"}
BINARY = "client"


@dataclass(frozen=True, slots=True)
class Ordinary:
    """A program: its command line, the programs or folders that it needs, and the SHOULDs that it is known to break.

    `warned` maps requirement ids to the reason why its author would agree. `compiler` makes `BINARY`
    out of the file; then that is what runs.
    """

    name: str
    file: str
    words: tuple[str, ...]
    needs: tuple[str, ...]
    warned: dict[str, str] = field(default_factory=dict)
    compiler: tuple[str, ...] | None = None

    def command(self, directory: Path) -> tuple[str, ...]:
        """What starts it; compiled first, in `directory`, where it has to be."""
        if self.compiler is None:
            return (*self.words, str(ORDINARY / self.file))
        binary = directory / BINARY
        subprocess.run(
            [*self.compiler, str(binary), str(ORDINARY / self.file)],
            env={**os.environ, "GOCACHE": str(directory / "cache"), "HOME": str(directory)},
            timeout=COMPILES_WITHIN_S,
            check=True,
        )
        return (str(binary),)

    @property
    def missing(self) -> str | None:
        """The first thing that it needs and that is not here."""
        return next((need for need in self.needs if shutil.which(need) is None and not Path(need).exists()), None)


# What authors would say to a warning.
BY_BODY = {"RDG-13": "the body is read, as the guide has it, and the HTTP status is not looked at"}
BY_HEAD = {"RDG-08": "the time-out ends with the head, or begins again with each piece of the body"}
DEEP = {"OPN-01": "JSON that is nested ten thousand deep is more than the parser takes"}
BYTES = {"BOD-07": "the parser lets bytes through that are not UTF-8"}
FIRST_VALUE = {"RCV-14": "the decoder stops behind the first value, whatever follows"}

CLIENTS = (
    Ordinary("requests-flask", "requests_flask.py", (str(PYTHON),), (str(PYTHON),), BY_BODY | BY_HEAD),
    Ordinary("fetch-express", "fetch_express.mjs", ("node",), ("node", str(NODE_MODULES / "express")), BY_BODY),
    Ordinary("net-http", "nethttp.go", (), ("go",), BY_BODY | FIRST_VALUE, compiler=("go", "build", "-o")),
    Ordinary("jdk", "Jdk.java", ("java",), ("java",), BY_BODY | BY_HEAD),
    Ordinary("php", "curl_client.php", ("php",), ("php",), BY_BODY),
    Ordinary("curl", "curl.sh", ("sh",), ("curl", "jq"), BY_BODY),
)
GATEWAYS = (
    Ordinary("flask", "flask_gateway.py", (str(PYTHON),), (str(PYTHON),), BYTES | DEEP),
    Ordinary("express", "express_gateway.mjs", ("node",), ("node", str(NODE_MODULES / "express")), BYTES),
)


def marked(ordinary: Ordinary) -> Any:
    """The program as a parameter, skipped where something is missing."""
    missing = ordinary.missing
    reason = f"{missing} is missing (hint: make test-ordinary, .ci/runtimes/install)"
    return pytest.param(ordinary, id=ordinary.name, marks=pytest.mark.skipif(missing is not None, reason=reason))


def judged(directory: Path, *arguments: str) -> tuple[dict[str, Any], set[str], str]:
    """Run a command that judges: report.json, the ids that warn, and what the terminal showed."""
    running = process(directory, *arguments, "--seed", "20261129", **VARIABLES)
    out, err = running.communicate(timeout=PATIENCE_S)
    report = json.loads((directory / "reports" / "report.json").read_text(encoding="utf-8"))
    assert {"conformant": 0, "non-conformant": 1, "inconclusive": 3}[report["verdict"]] == running.returncode, out + err
    return report, {entry["id"] for entry in report["requirements"] if entry["verdict"] == "WARN"}, out + err


# The first requirement of each problem of `defective_fastapi.py`: of its six defects, and of FastAPI itself, which
# cannot write an error about NaN, or about bytes that are not UTF-8.
DEFECTS = {"RSP-05", "VAL-05", "ACC-03", "NTF-09", "NTF-11", "OPN-01"}
OF_FASTAPI = {"BOD-01", "BOD-08"}


@pytest.mark.skipif(not PYTHON.exists(), reason="FastAPI is missing (hint: make test-ordinary)")
def test_the_first_screen_names_six_defects_of_a_gateway_in_fastapi(tmp_path: Path) -> None:
    """Each as a problem, and nothing that FastAPI does well."""
    lines = judge_six_defects(tmp_path, (PYTHON, ORDINARY / "defective_fastapi.py")).out.splitlines()
    named = {line.split()[1] for line in lines if line.startswith(("FAIL ", "WARN "))}

    assert set() == DEFECTS - named
    assert set() == named - DEFECTS - OF_FASTAPI
    assert "  no error answer has status_code, description or request_id" in lines


# The tests of a webhook that docs/test-your-webhook.md shows: session, and what has to be installed for it.
WEBHOOKS = {"flask": "flask", "fastapi": "fastapi", "django": "django", "express": "express"}


def environment_for(session: str, directory: Path) -> tuple[list[str], dict[str, str]] | None:
    """Command and variables for a documented test of a webhook; None where its framework is not installed.

    Python's frameworks come from `.venv-ordinary`, all else from the environment of this test.
    """
    if session == "express":
        if shutil.which("node") is None or not (NODE_MODULES / "express").exists():
            return None
        (directory / "node_modules").symlink_to(NODE_MODULES)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return ["node", "--test"], {"PATH": path, "PYTHONPATH": str(CHECKOUT)}
    if not list(PYTHON.parents[1].glob(f"lib/python*/site-packages/{WEBHOOKS[session]}")):
        return None
    places = os.pathsep.join((str(CHECKOUT), sysconfig.get_path("purelib")))
    return [str(PYTHON), "-m", "pytest", "-q", "-p", "conformance.pytest.plugin"], {"PYTHONPATH": places}


@pytest.mark.parametrize("session", WEBHOOKS)
def test_a_documented_test_of_a_webhook_passes(session: str, tmp_path: Path) -> None:
    """As the page shows it, from its files alone."""
    for block in sessions(CHECKOUT / "docs" / "test-your-webhook.md")[session]:
        (tmp_path / str(block.file)).write_text(block.text, encoding="utf-8")
    found = environment_for(session, tmp_path)
    if found is None:
        pytest.skip(f"{WEBHOOKS[session]} is missing (hint: make test-ordinary)")
    command, variables = found
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("client", [marked(each) for each in CLIENTS])
def test_an_ordinary_client_is_conformant(client: Ordinary, tmp_path: Path) -> None:
    """No MUST fails and each was exercised; the broken SHOULDs are those that its author knows."""
    report, warned, told = judged(tmp_path, "certify", "--driver", shlex.join(client.command(tmp_path)))

    assert "conformant" == report["verdict"], told
    assert set(client.warned) == warned, told


def await_listener(port: int) -> None:
    """Return when somebody listens on that port of this machine."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(POLL_S)
    raise AssertionError(f"nobody listens on port {port}")


@contextmanager
def served(gateway: Ordinary, directory: Path, callbacks: str) -> Iterator[str]:
    """The base URL of that gateway, running as a process."""
    port = quiet_port()
    running = subprocess.Popen(
        [*gateway.command(directory), str(port), callbacks], env={**os.environ, **VARIABLES}, stderr=subprocess.DEVNULL
    )
    try:
        await_listener(port)
        yield f"http://127.0.0.1:{port}/api/v2"
    finally:
        running.terminate()
        running.wait(PATIENCE_S)


@pytest.mark.parametrize("gateway", [marked(each) for each in GATEWAYS])
def test_an_ordinary_gateway_is_conformant(gateway: Ordinary, tmp_path: Path) -> None:
    """The same for gateways."""
    callbacks = f"127.0.0.1:{quiet_port()}"
    with served(gateway, tmp_path, f"http://{callbacks}/callbacks") as url:
        credential = ("--consumer-key", "key", "--consumer-secret", "secret")
        report, warned, told = judged(tmp_path, "run", "--gateway", url, "--callback-listen", callbacks, *credential)

    assert "conformant" == report["verdict"], told
    assert set(gateway.warned) == warned, told


def test_every_file_is_judged() -> None:
    """No file lies in the folder without a row here."""
    judged_elsewhere = {"hook.php", "defective_gateway.py", "defective_fastapi.py"}
    named = {ordinary.file for ordinary in (*CLIENTS, *GATEWAYS)} | judged_elsewhere

    assert named == {path.name for path in ORDINARY.iterdir() if path.is_file()}
