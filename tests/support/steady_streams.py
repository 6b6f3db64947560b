"""Streams of notifications that go on while receivers change, and the numbers that arrived."""

from __future__ import annotations

import http.client
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from conformance.model.traffic import Request

WITHIN_S = 20.0


@dataclass
class Streams:
    """Senders of numbered notifications to one URL, each sending the next when the last is answered.

    `answered`: the numbers that were answered with 200. `broken`: those whose connection ended without an answer.
    """

    url: str
    answered: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _over: threading.Event = field(default_factory=threading.Event)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def await_more(self, more: int = 50) -> None:
        """Wait until so many more were answered."""
        with self._more:
            enough = len(self.answered) + more
            assert self._more.wait_for(lambda: len(self.answered) >= enough, WITHIN_S)

    def send(self, *, keep: bool) -> None:
        """Send until the streams are over, on one connection as far as the receiver goes along, or on one for each."""
        parts = urlsplit(self.url)
        line: http.client.HTTPConnection | None = None
        while not self._over.is_set():
            number = next(self._numbers)
            body = json.dumps({"request_id": f"id-{number}", "result_code": "200"}).encode()
            try:
                line = line or http.client.HTTPConnection(parts.netloc, timeout=WITHIN_S)
                line.request("POST", f"{parts.path}?{parts.query}", body)
                answer = line.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.broken.append(number)
                if line is not None:
                    line.close()
                line = None
                continue
            assert 200 == answer.status
            if answer.will_close or not keep:
                line.close()
                line = None
            with self._more:
                self.answered.append(number)
                self._more.notify_all()
        if line is not None:
            line.close()

    def stop(self) -> None:
        """Send no more."""
        self._over.set()


@contextmanager
def streaming(url: str) -> Iterator[Streams]:
    """Streams to `url`, two that keep their connections and one that does not, until the end of the block."""
    streams = Streams(url)
    threads = [threading.Thread(target=streams.send, kwargs={"keep": keep}) for keep in (True, True, False)]
    for thread in threads:
        thread.start()
    try:
        yield streams
    finally:
        streams.stop()
        for thread in threads:
            thread.join(WITHIN_S)


def number_in(request: Request) -> int:
    """The number of a notification of a stream."""
    return int(json.loads(request.body)["request_id"].removeprefix("id-"))


def numbers_in(file: Path) -> list[int]:
    """The numbers of the notifications in the file of a receiver."""
    with closing(sqlite3.connect(file)) as connection:
        bodies = connection.execute("SELECT body FROM notifications ORDER BY number").fetchall()
    return [int(json.loads(body)["request_id"].removeprefix("id-")) for (body,) in bodies]
