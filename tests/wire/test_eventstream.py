"""The event-stream framing, against AWS's own test messages, recorded streams and botocore."""

from __future__ import annotations

import base64
import json
import random
import struct
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from support.shared import SHARED, needs_shared
from support.traffic import TRAFFIC, Exchange, exchanges

from bedrock_bearer.errors import EventStreamDecodeError
from bedrock_bearer.wire.eventstream import (
    MAX_HEADERS_BYTES,
    MAX_PAYLOAD_BYTES,
    Byte,
    EncodableValue,
    EventStreamDecoder,
    EventStreamMessage,
    Integer,
    Long,
    Short,
    encode_message,
)

VECTORS = SHARED / "data" / "eventstream-vectors"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TEXT_HEADERS = {
    ":event-type": "contentBlockDelta",
    ":content-type": "application/json",
    ":message-type": "event",
}
TEXT_FRAME = encode_message(
    TEXT_HEADERS, b'{"contentBlockIndex":0,"delta":{"text":"Hello"},"p":"abcdefghijklmnop"}'
)


def decode(pieces: Iterable[bytes]) -> list[EventStreamMessage]:
    """Decode a whole body that comes in these pieces."""
    decoder = EventStreamDecoder()
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    decoder.close()
    return messages


def frame(block: bytes, payload: bytes = b"") -> bytes:
    """Return a frame with correct lengths and checksums around any header bytes."""
    return framed(len(block) + len(payload) + 16, len(block), block + payload)


def framed(total: int, headers_length: int, content: bytes) -> bytes:
    """Return a frame with correct checksums that claims these lengths."""
    lengths = struct.pack("!II", total, headers_length)
    message = lengths + struct.pack("!I", crc32(lengths)) + content
    return message + struct.pack("!I", crc32(message))


def plain(messages: Iterable[Any]) -> list[tuple[dict[str, Any], bytes]]:
    return [(dict(message.headers), message.payload) for message in messages]


def as_botocore(messages: Iterable[EventStreamMessage]) -> list[tuple[dict[str, Any], bytes]]:
    """Return messages with the header values botocore gives."""
    return [
        ({name: _as_botocore(value) for name, value in headers.items()}, payload)
        for headers, payload in plain(messages)
    ]


def _as_botocore(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    return value.bytes if isinstance(value, UUID) else value


def botocore_messages(body: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer: Any = EventStreamBuffer()
    buffer.add_data(body)
    return plain(buffer)


# ------------------------------------------------------------------------------- AWS's messages


def _vectors(valid: bool) -> list[Any]:
    if not VECTORS.is_dir():
        return []
    rows = json.loads((VECTORS / "manifest.json").read_text())
    return [
        pytest.param(row, id=row["file"] or row["name"]) for row in rows if row["valid"] is valid
    ]


VALID, INVALID = _vectors(True), _vectors(False)


def _vector_bytes(row: dict[str, Any]) -> bytes:
    if row["file"]:
        return (VECTORS / str(row["file"])).read_bytes()
    # The one message too large for a file; the manifest says how it is made.
    assert row["construct"] == "01800021 00000000 dd3f33b1 + b'0'*(24*1024**2+1) + 2ab4c5a5"
    return bytes.fromhex("0180002100000000dd3f33b1") + b"0" * 25165825 + bytes.fromhex("2ab4c5a5")


@needs_shared
def test_the_vectors_are_119_valid_messages_and_21_invalid_ones() -> None:
    assert (len(VALID), len(INVALID)) == (119, 21)


@needs_shared
@pytest.mark.parametrize("row", VALID)
def test_a_valid_vector_gives_the_message_botocore_gives(row: dict[str, Any]) -> None:
    body = _vector_bytes(row)
    messages = as_botocore(decode([body]))
    assert messages
    assert messages == botocore_messages(body)


@needs_shared
@pytest.mark.parametrize("row", VALID)
def test_a_valid_vector_gives_what_the_manifest_states(row: dict[str, Any]) -> None:
    messages = decode([_vector_bytes(row)])
    if "expect" not in row:
        assert f"{len(messages)} message(s)" == row["botocore_says"]
        return
    (message,) = messages
    headers, payload = _expected(row["expect"])
    assert dict(message.headers) == headers
    assert {name: type(value) for name, value in message.headers.items()} == {
        name: type(value) for name, value in headers.items()
    }
    assert message.payload == payload


def _expected(expect: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Read the three forms in which the manifest states a message."""
    if "smithy_case" in expect:
        headers = {name: _smithy_value(value) for name, value in expect["headers"].items()}
        return headers, (expect["body"] or "").encode()
    if "payload" in expect:
        headers = {each["name"]: _typed_value(each) for each in expect["headers"]}
        return headers, base64.b64decode(expect["payload"])
    headers = {name: _botocore_value(name, value) for name, value in expect["headers"].items()}
    return headers, base64.b64decode(expect["payload_b64"])


def _smithy_value(value: dict[str, str]) -> Any:
    ((kind, text),) = value.items()
    if kind == "timestamp":
        return datetime.fromisoformat(text)
    if kind == "blob":
        return base64.b64decode(text)
    if kind == "boolean":
        return text == "true"
    return text if kind == "string" else int(text)


def _typed_value(header: dict[str, Any]) -> Any:
    value = header["value"]
    match header["type"]:
        case 6:
            return base64.b64decode(value)
        case 7:
            return base64.b64decode(value).decode()
        case 8:
            return EPOCH + timedelta(milliseconds=value)
        case 9:
            return UUID(bytes=base64.b64decode(value))
    return value


def _botocore_value(name: str, value: Any) -> Any:
    """Botocore leaves the numbers of a timestamp and the bytes of a UUID as they are."""
    data = base64.b64decode(value["b64"]) if isinstance(value, dict) else value
    if name in ("8", "timestamp"):
        return EPOCH + timedelta(milliseconds=value)
    return UUID(bytes=data) if name in ("9", "uuid") else data


@needs_shared
@pytest.mark.parametrize("row", INVALID)
def test_an_invalid_vector_is_refused(row: dict[str, Any]) -> None:
    body = _vector_bytes(row)
    with pytest.raises(EventStreamDecodeError):
        decode([body])


# ------------------------------------------------------------------------------ recorded streams

STREAMS = [pytest.param(each, id=each.name) for each in exchanges("converse-stream")]


def _body(exchange: Exchange) -> bytes:
    file = json.loads((TRAFFIC / exchange.name).read_text())
    return base64.b64decode(file["response_body_b64"])


@needs_shared
def test_there_are_recorded_streams() -> None:
    assert STREAMS


@needs_shared
@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream_gives_botocores_messages_however_it_is_cut(exchange: Exchange) -> None:
    body = _body(exchange)
    expected = botocore_messages(body)
    assert expected
    assert plain(decode([body])) == expected
    assert plain(decode(body[at : at + 1] for at in range(len(body)))) == expected
    assert plain(decode(_random_cuts(body, random.Random(exchange.name)))) == expected


def _random_cuts(body: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        size = chance.choice((0, 1, 2, 7, 16, 100, 1000, 5000))
        yield body[at : at + size]
        at += size


@needs_shared
@pytest.mark.parametrize("exchange", STREAMS[::13])
def test_no_flipped_byte_of_a_recorded_stream_gives_a_wrong_message(exchange: Exchange) -> None:
    body = _body(exchange)
    expected = plain(decode([body]))
    frames = [encode_message(headers, payload) for headers, payload in expected]
    assert b"".join(frames) == body
    for count, whole in enumerate(frames):
        # What follows the frame shows whether a flipped length makes it swallow its neighbour.
        rest = b"".join(frames[count + 1 : count + 2])
        for at in range(len(whole)):
            flipped = bytearray(whole + rest)
            flipped[at] ^= 0xFF
            with pytest.raises(EventStreamDecodeError):
                assert not EventStreamDecoder().feed(flipped)


def test_no_flipped_bit_gives_a_message() -> None:
    for at in range(len(TEXT_FRAME)):
        for bit in range(8):
            flipped = bytearray(TEXT_FRAME)
            flipped[at] ^= 1 << bit
            with pytest.raises(EventStreamDecodeError):
                decode([bytes(flipped)])


# ------------------------------------------------------------------------------------ round trip

VALUES: st.SearchStrategy[EncodableValue] = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=40),
    st.text(max_size=40),
    st.uuids(),
    st.datetimes(
        min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
    ).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)),
    st.integers(-(2**7), 2**7 - 1).map(Byte),
    st.integers(-(2**15), 2**15 - 1).map(Short),
    st.integers(-(2**31), 2**31 - 1).map(Integer),
    st.integers(-(2**63), 2**63 - 1).map(Long),
)
NAMES = st.text(min_size=1, max_size=60)


@given(headers=st.dictionaries(NAMES, VALUES, max_size=6), payload=st.binary(max_size=300))
def test_what_is_encoded_is_decoded(headers: dict[str, EncodableValue], payload: bytes) -> None:
    (message,) = decode([encode_message(headers, payload)])
    expected = {name: getattr(value, "value", value) for name, value in headers.items()}
    assert dict(message.headers) == expected
    assert [type(value) for value in message.headers.values()] == [
        type(value) for value in expected.values()
    ]
    assert message.payload == payload


@given(headers=st.dictionaries(NAMES, VALUES, max_size=6), payload=st.binary(max_size=300))
def test_botocore_decodes_what_is_encoded(
    headers: dict[str, EncodableValue], payload: bytes
) -> None:
    body = encode_message(headers, payload)
    assert botocore_messages(body) == as_botocore(decode([body]))


@given(st.binary(max_size=300), st.integers(0, 1000))
def test_any_bytes_as_headers_give_a_message_or_the_documented_error(
    block: bytes, cut: int
) -> None:
    body = frame(block)
    try:
        messages = decode([body[:cut], body[cut:]])
    except EventStreamDecodeError:
        return
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("value", "kind", "size"),
    [
        (True, 0, 0),
        (False, 1, 0),
        (Byte(-1), 2, 1),
        (Short(-1), 3, 2),
        (Integer(-1), 4, 4),
        (Long(-1), 5, 8),
        (b"ab", 6, 4),
        ("ab", 7, 4),
        (EPOCH, 8, 8),
        (UUID(int=1), 9, 16),
        (2**31 - 1, 4, 4),
        (2**31, 5, 8),
    ],
)
def test_each_type_has_its_number_and_size(value: EncodableValue, kind: int, size: int) -> None:
    body = encode_message({"x": value})
    assert body[12:15] == bytes([1, ord("x"), kind])
    assert len(body) == 16 + 3 + size


def test_a_timestamp_is_an_aware_datetime_to_the_millisecond() -> None:
    moment = datetime(2026, 3, 1, 12, 30, 0, 123999, tzinfo=UTC)
    (message,) = decode([encode_message({"when": moment})])
    assert message.headers["when"] == datetime(2026, 3, 1, 12, 30, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"": "x"}, b""),
        ({"n" * 256: "x"}, b""),
        ({"x": Byte(128)}, b""),
        ({"x": Short(2**15)}, b""),
        ({"x": Integer(2**31)}, b""),
        ({"x": Long(2**63)}, b""),
        ({"x": 2**63}, b""),
        ({"x": "y" * 2**16}, b""),
        ({"x": datetime(2026, 3, 1)}, b""),
        ({str(number): "y" * 60_000 for number in range(3)}, b""),
        ({}, bytes(MAX_PAYLOAD_BYTES + 1)),
    ],
)
def test_what_the_framing_cannot_take_is_a_value_error(
    headers: dict[str, EncodableValue], payload: bytes
) -> None:
    with pytest.raises(ValueError, match="event-stream"):
        encode_message(headers, payload)


def test_the_headers_of_a_message_cannot_be_changed() -> None:
    (message,) = decode([TEXT_FRAME])
    with pytest.raises(TypeError):
        message.headers["x"] = "y"  # type: ignore[index]


# ---------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("total", "headers_length"),
    [
        (2**32 - 1, 0),
        (MAX_PAYLOAD_BYTES + 17, 0),
        (2**32 - 1, 2**32 - 1),
        (MAX_HEADERS_BYTES + 17, MAX_HEADERS_BYTES + 1),
        (15, 0),
        (0, 0),
        (20, 5),
    ],
)
def test_lengths_that_cannot_be_are_refused_at_the_prelude(total: int, headers_length: int) -> None:
    prelude = framed(total, headers_length, b"")[:12]
    decoder = EventStreamDecoder()
    assert decoder.feed(prelude[:11]) == []
    with pytest.raises(EventStreamDecodeError, match="claims"):
        decoder.feed(prelude[11:])


def test_a_prelude_with_a_wrong_checksum_is_refused_before_the_body_comes() -> None:
    prelude = bytearray(TEXT_FRAME[:12])
    prelude[0] = 1
    with pytest.raises(EventStreamDecodeError, match="checksum"):
        EventStreamDecoder().feed(prelude)


def test_the_largest_message_is_taken() -> None:
    payload = bytes(MAX_PAYLOAD_BYTES)
    (message,) = decode([encode_message({}, payload)])
    assert message.payload == payload


def test_a_claimed_length_takes_no_memory_before_the_bytes_come() -> None:
    prelude = framed(MAX_PAYLOAD_BYTES + 16, 0, b"")[:12]
    decoder = EventStreamDecoder()
    tracemalloc.start()
    try:
        decoder.feed(prelude)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000


def test_a_long_stream_leaves_nothing_behind() -> None:
    """Each message has other headers: what is kept of them must be bounded too."""
    decoder = EventStreamDecoder()
    tracemalloc.start()
    try:
        for number in range(5_000):
            (message,) = decoder.feed(encode_message({"number": number, "text": "x" * 200}))
            assert message.headers["number"] == number
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 200_000


# ------------------------------------------------------------------------------- malformed headers


def _header(name: bytes, kind: int, value: bytes = b"") -> bytes:
    return bytes([len(name)]) + name + bytes([kind]) + value


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(_header(b"a", 0) * 2, id="two headers of one name"),
        pytest.param(_header(b"", 0), id="no name"),
        pytest.param(_header(b"\xff", 0), id="a name that is not UTF-8"),
        pytest.param(_header(b"a", 7, b"\x00\x01\xff"), id="a text that is not UTF-8"),
        pytest.param(_header(b"a", 10), id="an unknown type"),
        pytest.param(b"\x05a", id="a name that runs over the end"),
        pytest.param(b"\x01a", id="no type"),
        pytest.param(_header(b"a", 4, b"\x00\x00\x00"), id="a number that runs over the end"),
        pytest.param(_header(b"a", 9, bytes(15)), id="a UUID that runs over the end"),
        pytest.param(_header(b"a", 6, b"\x00"), id="no length"),
        pytest.param(_header(b"a", 6, b"\x00\x02x"), id="bytes that run over the end"),
        pytest.param(_header(b"a", 8, b"\x7f" * 8), id="a time after the year 9999"),
    ],
)
def test_headers_that_cannot_be_read_are_refused(block: bytes) -> None:
    with pytest.raises(EventStreamDecodeError):
        # The payload is what a reader that overruns the headers would take.
        decode([frame(block, b"\x00" * 40)])


# ------------------------------------------------------------------------------- a broken stream


def test_messages_before_a_broken_one_are_still_given() -> None:
    broken = TEXT_FRAME[:-1] + bytes([TEXT_FRAME[-1] ^ 1])
    decoder = EventStreamDecoder()
    assert len(decoder.feed(TEXT_FRAME + TEXT_FRAME + broken)) == 2
    with pytest.raises(EventStreamDecodeError, match="checksum"):
        decoder.feed(b"")


def test_a_broken_decoder_stays_broken() -> None:
    decoder = EventStreamDecoder()
    for data in (b"not an event stream", TEXT_FRAME):
        with pytest.raises(EventStreamDecodeError, match="checksum"):
            decoder.feed(data)
    with pytest.raises(EventStreamDecodeError, match="checksum"):
        decoder.close()


@pytest.mark.parametrize("cut", [1, 11, 12, 13, len(TEXT_FRAME) - 1])
def test_a_stream_that_ends_inside_a_message_is_incomplete(cut: int) -> None:
    decoder = EventStreamDecoder()
    assert len(decoder.feed(TEXT_FRAME + TEXT_FRAME[:cut])) == 1
    with pytest.raises(EventStreamDecodeError, match="incomplete"):
        decoder.close()


def test_a_stream_that_ends_between_messages_is_complete() -> None:
    decoder = EventStreamDecoder()
    decoder.feed(TEXT_FRAME)
    decoder.close()


def test_an_empty_stream_is_complete() -> None:
    assert decode([]) == []


# ------------------------------------------------------------------------------------ linear work


class CountingBuffer(bytearray):
    """Counts the bytes that are copied out of it."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        result = super().__getitem__(key)
        CountingBuffer.copied += len(result) if isinstance(key, slice) else 1
        return result

    def __bytes__(self) -> bytes:
        CountingBuffer.copied += len(self)
        with memoryview(self) as view:
            return view.tobytes()


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_no_byte_is_read_again_while_a_message_is_incomplete(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = 0

    def counting_crc32(data: Any, value: int = 0) -> int:
        nonlocal checked
        checked += len(data)
        return crc32(data, value)

    monkeypatch.setattr("bedrock_bearer.wire.eventstream.crc32", counting_crc32)
    decoder = EventStreamDecoder()
    monkeypatch.setattr(CountingBuffer, "copied", 0)
    decoder._buffer = CountingBuffer()
    body = encode_message(TEXT_HEADERS, bytes(50_000)) * 2
    checked = 0
    messages = [
        message
        for at in range(0, len(body), size)
        for message in decoder.feed(body[at : at + size])
    ]
    assert len(messages) == 2
    assert checked < len(body) + 100
    assert 0 < CountingBuffer.copied < len(body) + 1000
    # Adding to it in place copies no more than what is added.
    assert isinstance(decoder._buffer, CountingBuffer)
