"""The recorded exchanges of Converse and ConverseStream."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from botocore.eventstream import EventStreamBuffer

from support.shared import SHARED

TRAFFIC = SHARED / "data" / "traffic"


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange, as its row of the index and its file have it."""

    row: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.row["file"])

    @property
    def kind(self) -> str:
        return str(self.row["kind"])

    @property
    def has_request(self) -> bool:
        return not {"req:missing", "req:unparseable"} & set(self.row["tags"])

    def _file(self) -> dict[str, Any]:
        file: dict[str, Any] = json.loads((TRAFFIC / self.name).read_text())
        return file

    def request(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self._file()["request_body_text"])
        return body

    def response(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(base64.b64decode(self._file()["response_body_b64"]))
        return body

    def body(self) -> bytes:
        return base64.b64decode(self._file()["response_body_b64"])

    def events(self) -> list[tuple[str, bytes]]:
        """The event type and the payload of every event, exceptions left out."""
        buffer: Any = EventStreamBuffer()
        buffer.add_data(base64.b64decode(self._file()["response_body_b64"]))
        return [
            (message.headers[":event-type"], message.payload)
            for message in buffer
            if ":event-type" in message.headers
        ]


def exchanges(*kinds: str) -> list[Exchange]:
    """The recorded exchanges of these kinds; none where the recordings are absent."""
    if not TRAFFIC.is_dir():
        return []
    lines = (TRAFFIC / "index.jsonl").read_text().splitlines()
    return [each for line in lines if (each := Exchange(json.loads(line))).kind in kinds]
