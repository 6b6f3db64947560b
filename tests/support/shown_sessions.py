"""Sessions of the documentation, run in a shell and compared with what the pages show.

Compared is line by line. What cannot be the same twice is replaced on both sides (`VOLATILE`); a number of things
(`COUNTED`) may be off by a tenth, so that one more case does not break a page, and a page that is out of date does.
A command has to end with exit code 0, unless the next one is `echo $?`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path
from signal import SIGTERM

from markdown_pages import CHECKOUT, Block, Step, steps
from sockets import quiet_port

ELLIPSIS = "…"

# Longer than any command takes on a busy machine; one that hangs must not hang the build.
PATIENCE_S = 60.0

VOLATILE: Sequence[tuple[str, str]] = (
    # A port of five digits was drawn; those that a page chooses have four, and are compared.
    (r"127\.0\.0\.1:\d{5}\b", "127.0.0.1:PORT"),
    (r"\bseed \d+", "seed N"),
    (r"--seed \d+", "--seed N"),
    (r"\b\d+ notified, \d+ owed\b", "N notified, N owed"),
    (r"\bin \d+\.\d+s\b", "in N s"),
    # Whether a transaction fails is chance, and with it whether what is required of a failure is exercised.
    (r" · \d+ INCONCLUSIVE\b", ""),
)

COUNTED = re.compile(
    r"(?<![\w.-])\d[\d,]*(?= (?:of \d|PASS|FAIL|WARN|INCONCLUSIVE|MUST|exchange|notification|case|passed|failed|warning"
    r"|requests))|(?<= of )\d[\d,]*|(?<=(?:'accepted': |exchanges': ))\d+|(?<='notifications': )\d+"
    r'|(?<="observations": )\d+|(?<="failed": )\d+'
)
TOLERANCE = 0.1

_PORT = re.compile(r"127\.0\.0\.1:(\d{4})\b")

# What a session finds of a clone; and what it has besides where the code is changed.
PRESENT = (".gitignore", "examples", "reports/sample")
CODE = ("conformance", "schemas")


def run_session(blocks: Sequence[Block], directory: Path, not_run: frozenset[str] = frozenset()) -> None:
    """Run the blocks of one session in a clone at `directory`, leaving out the commands in `not_run`.

    Raises AssertionError, with the place in the page, for the first command that goes otherwise than shown, and for
    what the session leaves in the clone.
    """
    changes_code = any(block.change for block in blocks)
    _clone(directory, (*PRESENT, *(CODE if changes_code else ())))
    _run(
        blocks,
        Shell(directory, "".join(block.text for block in blocks), code=directory if changes_code else CHECKOUT),
        not_run,
    )
    left = _git(directory, "status", "--porcelain", "--untracked-files=all")
    assert not left, f"{blocks[0].place}: the session leaves in the clone\n{left}"


def judged_in(directory: Path) -> str:
    """The last line of `make run` in a clone, with the environment that is there already."""
    shell = Shell(directory, "", CHECKOUT)
    makefile = shlex.quote(str(CHECKOUT / "Makefile"))
    return shell.last_line(f'make -s -f {makefile} run READY= BIN="$(dirname "$(command -v statum-conformance)")"')


def _clone(directory: Path, names: Iterable[str]) -> None:
    """Make a repository at `directory` that holds these files and folders of the checkout; nothing, if it is one."""
    if (directory / ".git").exists():
        return
    for name in names:
        place = directory / name
        if (CHECKOUT / name).is_dir():
            # Bytecode that another process is about to put in its place is gone a moment later.
            shutil.copytree(CHECKOUT / name, place, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy(CHECKOUT / name, place)
    _git(directory, "init", "--quiet")
    _git(directory, "add", "--all")
    _git(
        directory,
        "-c",
        "user.name=reader",
        "-c",
        "user.email=reader@reader.invalid",
        "commit",
        "--quiet",
        "-m",
        "clone",
    )


def _git(directory: Path, *arguments: str) -> str:
    """What git prints. Raises CalledProcessError if it fails."""
    command = ("git", "-C", str(directory), *arguments)
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=True).stdout


def _run(blocks: Sequence[Block], shell: Shell, not_run: frozenset[str]) -> None:
    running: dict[str, ExitStack] = {}
    with ExitStack() as session:
        for block in blocks:
            if block.change:
                changed = shell.directory / block.change
                changed.write_text(with_change(changed.read_text(encoding="utf-8"), block), encoding="utf-8")
                continue
            if block.file:
                written = shell.directory / block.file
                written.parent.mkdir(parents=True, exist_ok=True)
                written.write_text(shell.with_free_ports(block.text), encoding="utf-8")
                continue
            planned = [step for step in steps(block) if step.command not in not_run]
            for step, following in zip_longest(planned, planned[1:]):
                if step.background:
                    # Shown again, it is started anew.
                    running.pop(step.command, ExitStack()).close()
                    running[step.command] = session.enter_context(ExitStack())
                    running[step.command].enter_context(shell.beside(step, block.place))
                else:
                    shell.go(step, block.place, any_code=following is not None and following.command == "echo $?")


def with_change(text: str, block: Block) -> str:
    """`text` as the block says that it is to be changed. AssertionError if a place is not there, or more than once."""
    for lines in block.text.split(f"{ELLIPSIS}\n"):
        marked = [(line[:1].strip(), line[1:] or "\n") for line in lines.splitlines(keepends=True)]
        before, after = ("".join(line for mark, line in marked if mark in ("", kept)) for kept in "-+")
        assert text.count(before) == 1, f"{block.place}: {block.change} has {text.count(before)} times\n{before}"
        text = text.replace(before, after)
    return text


class Shell:
    """A shell in which one command after the other is run: directory, variables and `$?` carry over.

    `text` is all that the session shows: for each port of 127.0.0.1 that it names, a free one is taken. `code` is where
    the suite is taken from, whatever is installed.
    """

    def __init__(self, directory: Path, text: str, code: Path) -> None:
        temporary = directory.parent / f"{directory.name}.temporary"
        temporary.mkdir(exist_ok=True)
        self._environment = {**_environment(code), "TMPDIR": str(temporary)}
        self._state = directory.parent / f"{directory.name}.environment"
        self._state.write_text("", encoding="utf-8")
        self._went_to = directory.parent / f"{directory.name}.directory"
        self._went_to.write_text(f"{directory}\n", encoding="utf-8")
        self._code = 0
        self._ports = {port: str(quiet_port()) for port in dict.fromkeys(_PORT.findall(text))}

    @property
    def directory(self) -> Path:
        """Where it is."""
        return Path(self._went_to.read_text(encoding="utf-8").removesuffix("\n"))

    def with_free_ports(self, text: str) -> str:
        """`text` with free ports in the place of those that the page shows."""
        return _PORT.sub(lambda match: f"127.0.0.1:{self._ports[match[1]]}", text)

    def _as_shown(self, output: str) -> list[str]:
        for shown, taken in self._ports.items():
            output = output.replace(f"127.0.0.1:{taken}", f"127.0.0.1:{shown}")
        return output.splitlines()

    def go(self, step: Step, place: str, *, any_code: bool = False) -> None:
        """Run a command to its end and compare what it prints."""
        script = (
            f'. "{self._state}"\n(exit {self._code})\n{self.with_free_ports(step.command)}\n'
            f'code=$?\nexport -p > "{self._state}"\npwd > "{self._went_to}"\nexit $code'
        )
        ended = self._run(script)
        self._code = ended.returncode
        printed = self._as_shown(ended.stdout)
        told = f"{place}: `{step.command}`"
        assert any_code or ended.returncode == 0, f"{told} ended with {ended.returncode}:\n{ended.stdout}"
        unlike = difference(step.shown, printed)
        assert not unlike, f"{told}: {unlike}\nIt printed:\n" + "\n".join(printed)

    def last_line(self, command: str) -> str:
        """The last line that a command prints. AssertionError if it fails."""
        ended = self._run(command)
        assert 0 == ended.returncode, f"`{command}` ended with {ended.returncode}:\n{ended.stdout}"
        return ended.stdout.splitlines()[-1]

    def _run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=False,
        )

    @contextmanager
    def beside(self, step: Step, place: str) -> Iterator[None]:
        """Start a command, wait until it has printed what is shown, and end it when the session ends."""
        script = f'. "{self._state}"\nexec {self.with_free_ports(step.command)}'
        process = subprocess.Popen(
            ["/bin/sh", "-c", script],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        watched = _Watched(process)
        try:
            unlike = watched.wait_for(lambda printed: difference([*step.shown, ELLIPSIS], self._as_shown(printed)))
            assert not unlike, f"{place}: `{step.command}`: {unlike}\nIt printed:\n{watched.printed}"
            yield
        finally:
            process.terminate()
            code = process.wait(PATIENCE_S)
            watched.close()
        assert code in (0, -SIGTERM), f"{place}: `{step.command}` ended with {code}:\n{watched.printed}"


class _Watched:
    """What a process prints, read as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._changed = threading.Condition()
        self._printed = ""
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def printed(self) -> str:
        with self._changed:
            return self._printed

    def wait_for(self, unlike: Callable[[str], str]) -> str:
        """Wait until `unlike` finds nothing, or nothing more comes; what it found last."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not unlike(self._printed), PATIENCE_S)
            return unlike(self._printed)

    def close(self) -> None:
        """Read the rest; to be called when the process has ended."""
        self._reader.join(PATIENCE_S)
        if self._process.stdout:
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            with self._changed:
                self._printed += line
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _environment(code: Path) -> dict[str, str]:
    """What a reader's shell would hold: this environment's commands, a terminal's width, nothing configured."""
    commands = Path(sys.executable).parent
    return {
        "PATH": f"{commands}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(code),
        "BROWSER": "true",  # opens nothing
    }


def difference(shown: Sequence[str], printed: Sequence[str]) -> str:
    """Why `printed` is not what is `shown`, in words; empty if it is."""
    reached = {0}
    for line in shown:
        before = reached
        if line.strip() == ELLIPSIS:
            reached = set(range(min(before), len(printed) + 1))
        else:
            reached = {at + 1 for at in before if at < len(printed) and alike(line, printed[at])}
        if not reached:
            instead = printed[min(before)] if min(before) < len(printed) else "(the end)"
            return f"shown is\n  {line}\nbut it printed\n  {instead}"
    if len(printed) not in reached:
        return f"more was printed than is shown, from\n  {printed[max(reached)]}"
    return ""


def alike(shown: str, printed: str) -> bool:
    """Whether a printed line is the one that is shown."""
    expected, counts = _normalised(shown)
    actual, actual_counts = _normalised(printed)
    pattern = ".*".join(map(re.escape, expected.split(ELLIPSIS)))
    if not re.fullmatch(pattern, actual):
        return False
    return ELLIPSIS in expected or all(map(_near, counts, actual_counts))


def _near(shown: int, actual: int) -> bool:
    return abs(shown - actual) <= TOLERANCE * shown


def _normalised(line: str) -> tuple[str, list[int]]:
    """The line without what varies, and the numbers of things in it."""
    for pattern, replacement in VOLATILE:
        line = re.sub(pattern, replacement, line)
    counts = [int(number.replace(",", "")) for number in COUNTED.findall(line)]
    return COUNTED.sub("N", line).rstrip(), counts
