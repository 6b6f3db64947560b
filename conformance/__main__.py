"""The console script, and `python -m conformance`.

It sets up streams and signal handlers, and only then imports the suite. A signal that comes meanwhile waits until the
imports are done: an exception in the middle of an import may get lost, or leave a half-made module.

Until then it needs nothing but Python itself, so that a broken installation is reported in one line, too.
"""

from __future__ import annotations

import signal
import sys

from conformance import NOT_ON_WINDOWS
from conformance.model.process import flush_output, is_interrupted, set_up_streams, signals_handled

INCONCLUSIVE = 3
BROKEN = 4

AT_LEAST = (3, 11)
LEAST_MEMORY_MB = 128  # importing the suite takes some 75; below it an import fails with whatever error comes first

REINSTALL = "install it again, from where you have it: pip install --force-reinstall SOURCE"


def main() -> None:
    """Do what the command line says, and end the process with its exit code."""
    if sys.platform == "win32":
        sys.exit(_ended(NOT_ON_WINDOWS))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is to be undone yet, so it ends the process, as SIGTERM does
    has_output = set_up_streams()
    with signals_handled(for_good=True):
        code = _called() if has_output else _ended("standard output is closed, so results have nowhere to go")
        try:
            flush_output()
        except BrokenPipeError:
            pass  # who reads it had enough
        except OSError as error:
            code = _ended(f"standard output cannot be written to: {error.strerror}")
    sys.exit(code)


def _called() -> int:
    """The exit code of the command."""
    if sys.version_info < AT_LEAST:
        wanted = ".".join(map(str, AT_LEAST))
        return _ended(f"this is Python {sys.version.split()[0]}; expected {wanted} or later", BROKEN)
    if (limit := _memory_limit_mb()) is not None and limit < LEAST_MEMORY_MB:
        return _ended(
            f"this process may have {limit} MB of memory; expected {LEAST_MEMORY_MB} MB or more"
            " (hint: raise the limit: `ulimit -v` and `ulimit -d` show it)"
        )
    try:
        from conformance.cli import outcome  # noqa: PLC0415 - what is missing is reported in one line
    except MemoryError:
        return _ended("there is not enough memory to begin with")
    except OSError as error:
        code = BROKEN if isinstance(error, FileNotFoundError) else INCONCLUSIVE
        return _ended(f"it cannot begin: {error.strerror or error}: {error.filename}", code)
    except Exception as error:  # noqa: BLE001 - a module that is missing, half there or of another version
        return _ended(f"the installation is broken: {error} (hint: {REINSTALL})", BROKEN)
    return _ended("interrupted before anything was done") if is_interrupted() else outcome()


def _memory_limit_mb() -> int | None:
    """The memory that the system lets this process have, in MB; None without a limit."""
    import resource  # noqa: PLC0415 - Windows lacks it, and is refused before this

    limits = [resource.getrlimit(which)[0] for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    return min((limit // 10**6 for limit in limits if limit != resource.RLIM_INFINITY), default=None)


def _ended(why: str, code: int = INCONCLUSIVE) -> int:
    """Say in one line why it ends; the exit code."""
    sys.stderr.write(f"error: {' '.join(why.split())}\n")
    return code


if __name__ == "__main__":
    main()
