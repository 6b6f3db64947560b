"""The process that `--driver` starts: serves one variety by its name over standard input and output.

python tests/flawed_clients/driver.py NAME
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from flawed_clients.table import VARIETIES


def main(name: str) -> int:
    """Answers until told to stop; the exit code."""
    client = VARIETIES[name].client()
    client.started()
    for line in sys.stdin.buffer:
        message = json.loads(line)
        match message["cmd"]:
            case "hello":
                answer = client.hello()
            case "invoke":
                answer = client.invoke(message)
            case "result":
                answer = client.result(message)
            case _:
                return client.stopped()
        for told in client.lines(message, answer):
            sys.stdout.buffer.write(told + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
