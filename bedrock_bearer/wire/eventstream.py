"""The framing `application/vnd.amazon.eventstream`: an incremental decoder, and an encoder.

See https://smithy.io/2.0/aws/amazon-eventstream.html. A message is a prelude (its total length,
the length of its headers, a CRC of the two), headers, a payload and a CRC of all that.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import UUID
from zlib import crc32

from bedrock_bearer.errors import EventStreamDecodeError

MAX_HEADERS_BYTES = 128 * 1024
MAX_PAYLOAD_BYTES = 24 * 1024 * 1024
MAX_CACHED_HEADER_BLOCKS = 64
MAX_CACHED_HEADER_BLOCK_BYTES = 1024

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_read_prelude, _read_crc = _PRELUDE.unpack_from, _CRC.unpack_from
_PRELUDE_BYTES = _PRELUDE.size
_OVERHEAD = _PRELUDE_BYTES + _CRC.size
_MAX_REST = MAX_PAYLOAD_BYTES + _OVERHEAD


@dataclass(frozen=True, slots=True)
class Byte:
    """An 8-bit header value to encode."""

    value: int


@dataclass(frozen=True, slots=True)
class Short:
    """A 16-bit header value to encode."""

    value: int


@dataclass(frozen=True, slots=True)
class Integer:
    """A 32-bit header value to encode."""

    value: int


@dataclass(frozen=True, slots=True)
class Long:
    """A 64-bit header value to encode."""

    value: int


HeaderValue = bool | int | bytes | str | datetime | UUID
EncodableValue = HeaderValue | Byte | Short | Integer | Long


@dataclass(slots=True)
class EventStreamMessage:
    """One message: its headers and its payload."""

    headers: Mapping[str, HeaderValue]
    payload: bytes


class _MalformedError(Exception):
    """What is wrong with the bytes."""


class EventStreamDecoder:
    """Turns bytes, however they were cut, into messages. Once broken, it stays broken."""

    def __init__(self) -> None:
        # What has come of an incomplete message, and how many bytes are worth another look.
        self._buffer = bytearray()
        self._needed = _PRELUDE_BYTES
        self._problem: str | None = None
        # A stream repeats a handful of header blocks.
        self._parsed_headers: dict[bytes, Mapping[str, HeaderValue]] = {}

    def feed(self, data: bytes | bytearray | memoryview) -> list[EventStreamMessage]:
        """Return the messages that `data` completes.

        Messages before a broken one are returned first; the next call raises.

        Raises:
            EventStreamDecodeError: the bytes are not valid framing.
        """
        messages: list[EventStreamMessage] = []
        if self._problem is None:
            try:
                self._take(data, messages)
            except _MalformedError as malformed:
                self._problem = str(malformed)
                self._buffer.clear()
        if self._problem is not None and not messages:
            raise EventStreamDecodeError(self._problem)
        return messages

    def close(self) -> None:
        """Check that the bytes fed so far end between two messages.

        Raises:
            EventStreamDecodeError: they end inside a message, or were broken before.
        """
        if self._problem is None and self._buffer:
            self._problem = (
                f"The event stream ends inside a message: {len(self._buffer)} bytes of an "
                "incomplete one are left."
            )
        if self._problem is not None:
            raise EventStreamDecodeError(self._problem)

    def _take(
        self, data: bytes | bytearray | memoryview, messages: list[EventStreamMessage]
    ) -> None:
        """Move the messages that are whole to `messages`, and keep the rest."""
        buffer = self._buffer
        if buffer or len(data) < self._needed:
            buffer += data
            if len(buffer) < self._needed:
                return
            data = buffer
        whole = bytes(data)
        buffer.clear()
        rest = self._take_messages(whole, messages)
        buffer += memoryview(whole)[rest:]

    def _take_messages(self, data: bytes, messages: list[EventStreamMessage]) -> int:
        """Return where the first incomplete message starts."""
        start, length = 0, len(data)
        self._needed = _PRELUDE_BYTES
        parsed_headers = self._parsed_headers
        while length - start >= _PRELUDE_BYTES:
            total, headers_length, lengths_crc = _read_prelude(data, start)
            if crc32(data[start : start + 8]) != lengths_crc:
                raise _MalformedError(
                    "An event-stream message has a wrong checksum of its lengths."
                )
            # Refuse impossible lengths before memory is allocated for them.
            if not _OVERHEAD <= total - headers_length <= _MAX_REST or (
                headers_length > MAX_HEADERS_BYTES
            ):
                raise _MalformedError(
                    f"An event-stream message claims {headers_length} bytes of headers "
                    f"in a length of {total}."
                )
            end = start + total
            if end > length:
                self._needed = total
                break
            # The checksum of the lengths is that of the message as far as they go.
            (crc,) = _read_crc(data, end - 4)
            if crc32(data[start + 8 : end - 4], lengths_crc) != crc:
                raise _MalformedError("An event-stream message has a wrong checksum.")
            headers_end = start + 12 + headers_length
            block = data[start + 12 : headers_end]
            headers = parsed_headers.get(block) or self._read_headers(block)
            messages.append(EventStreamMessage(headers, data[headers_end : end - 4]))
            start = end
        return start

    def _read_headers(self, block: bytes) -> Mapping[str, HeaderValue]:
        headers = MappingProxyType(_parse_headers(block))
        has_room = len(self._parsed_headers) < MAX_CACHED_HEADER_BLOCKS
        if has_room and len(block) <= MAX_CACHED_HEADER_BLOCK_BYTES:
            self._parsed_headers[block] = headers
        return headers


_FIXED = {
    2: struct.Struct("!b"),
    3: struct.Struct("!h"),
    4: struct.Struct("!i"),
    5: struct.Struct("!q"),
}
_TRUE, _FALSE, _BYTE, _SHORT, _INTEGER, _LONG, _BYTES, _STRING, _TIMESTAMP, _UUID = range(10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _parse_headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    position = 0
    try:
        while position < len(block):
            name_end = position + 1 + block[position]
            name = _slice(block, position + 1, name_end).decode()
            value, position = _parse_value(block[name_end], block, name_end + 1)
            if not name or name in headers:
                raise _MalformedError(
                    "An event-stream message has a header without a name of its own."
                )
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError, OverflowError):
        problem = "An event-stream message has headers that cannot be read."
    else:
        return headers
    raise _MalformedError(problem)


def _parse_value(kind: int, block: bytes, start: int) -> tuple[HeaderValue, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, start
    if kind in _FIXED:
        return _FIXED[kind].unpack_from(block, start)[0], start + _FIXED[kind].size
    if kind == _TIMESTAMP:
        (milliseconds,) = _FIXED[_LONG].unpack_from(block, start)
        return _EPOCH + timedelta(milliseconds=milliseconds), start + 8
    if kind == _UUID:
        return UUID(bytes=_slice(block, start, start + 16)), start + 16
    if kind in (_BYTES, _STRING):
        (length,) = struct.unpack_from("!H", block, start)
        end = start + 2 + length
        data = _slice(block, start + 2, end)
        return (data if kind == _BYTES else data.decode()), end
    raise _MalformedError(f"An event-stream message has a header of the unknown type {kind}.")


def _slice(block: bytes, start: int, end: int) -> bytes:
    if end > len(block):
        raise IndexError(end)
    return block[start:end]


def encode_message(headers: Mapping[str, EncodableValue], payload: bytes = b"") -> bytes:
    """Return one message as bytes.

    A plain `int` becomes a 32-bit value, or a 64-bit one where it must. A `datetime` needs a time
    zone, and is cut to milliseconds.

    Raises:
        ValueError: a name, a value or the whole is larger than the framing takes.
    """
    block = b"".join(_encode_header(name, value) for name, value in headers.items())
    if len(block) > MAX_HEADERS_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError("the headers or the payload are larger than an event-stream message takes")
    lengths = struct.pack("!II", len(block) + len(payload) + _OVERHEAD, len(block))
    message = lengths + _CRC.pack(crc32(lengths)) + block + payload
    return message + _CRC.pack(crc32(message))


def _encode_header(name: str, value: EncodableValue) -> bytes:
    encoded_name = name.encode()
    if not 0 < len(encoded_name) < 256:
        raise ValueError("the name of an event-stream header has 1 to 255 bytes")
    try:
        return bytes([len(encoded_name)]) + encoded_name + _encode_value(value)
    except struct.error:
        problem = f"the value of the event-stream header {name!r} is out of its type's range"
    raise ValueError(problem)


_KINDS: dict[type, int] = {Byte: _BYTE, Short: _SHORT, Integer: _INTEGER, Long: _LONG}


def _encode_value(value: EncodableValue) -> bytes:
    if isinstance(value, bool):
        return bytes([_TRUE if value else _FALSE])
    if isinstance(value, int):
        value = Integer(value) if -(2**31) <= value < 2**31 else Long(value)
    if isinstance(value, (Byte, Short, Integer, Long)):
        kind = _KINDS[type(value)]
        return bytes([kind]) + _FIXED[kind].pack(value.value)
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        return (
            bytes([_STRING if isinstance(value, str) else _BYTES])
            + struct.pack("!H", len(data))
            + data
        )
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a timestamp in an event-stream header needs a time zone")
        milliseconds = (value - _EPOCH) // timedelta(milliseconds=1)
        return bytes([_TIMESTAMP]) + _FIXED[_LONG].pack(milliseconds)
    return bytes([_UUID]) + value.bytes
