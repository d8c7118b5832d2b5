"""What reads bytes from outside raises nothing but its own errors, whatever the bytes are.

In the test run, some hundred examples each; by command as many as wanted:

    FUZZ_EXAMPLES=100000 python -m pytest tests/fuzz
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.clients import KEY
from support.replies import FRAMES, REPLY
from support.server import chunk, http_reply, stream_head

from bedrock_bearer import ApiKey, BedrockError, errors
from bedrock_bearer.stream_reader import StreamReader
from bedrock_bearer.wire.chunks import ChunkMerger
from bedrock_bearer.wire.classify import error_from_event, error_from_response
from bedrock_bearer.wire.decoding import decoder_for
from bedrock_bearer.wire.eventstream import EventStreamDecoder, encode_message
from bedrock_bearer.wire.http1 import Http1, ReplyError
from bedrock_bearer.wire.scrub import Scrubber

fuzzed = settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "200")))

WHOLE = [
    http_reply(REPLY),
    stream_head() + b"".join(map(chunk, FRAMES)) + chunk(b""),
    b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + http_reply(b"{}", status=503),
    b"HTTP/1.1 204 No Content\n\nsurplus",
]


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> list[bytes]:
    """Return something right with some bytes changed, cut into pieces."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    edges = [0, *places, len(data)]
    return [bytes(data[a:b]) for a, b in itertools.pairwise(edges) if a < b]


def read(pieces: list[bytes], merger: ChunkMerger | None) -> tuple[Any, bytes, bool]:
    """Return head and body as they are read, and whether a reply was broken."""
    http = Http1(merger)
    http.begin_request()
    received = iter([*pieces, b""])
    head, body = None, b""
    try:
        while (head := http.next_head()) is None:
            http.receive(next(received))
        while True:
            while (data := http.next_data()) is None:
                http.receive(next(received))
            if not data:
                http.end_cycle()
                return head, body, False
            body += data
    except ReplyError:
        return head, body, True


@fuzzed
@given(st.one_of(damaged(WHOLE), st.lists(st.binary(min_size=1), max_size=5)))
def test_a_reply_is_read_or_refused_with_the_merger_as_without(pieces: list[bytes]) -> None:
    assert read(pieces, ChunkMerger()) == read(pieces, None)


@fuzzed
@given(st.one_of(damaged([b"".join(FRAMES)]), st.lists(st.binary(), max_size=5)))
def test_an_event_stream_is_read_or_refused(pieces: list[bytes]) -> None:
    decoder = EventStreamDecoder()
    with suppress(errors.EventStreamDecodeError):
        for piece in pieces:
            decoder.feed(piece)
        decoder.close()


@fuzzed
@given(
    st.dictionaries(
        st.sampled_from([":message-type", ":event-type", ":exception-type", ":error-code"]),
        st.one_of(
            st.sampled_from(["event", "exception", "error", "messageStart", "metadata"]),
            st.text(max_size=20),
            st.binary(max_size=20),
            st.integers(-(2**63), 2**63 - 1),
            st.booleans(),
        ),
    ),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.one_of(st.none(), st.integers(), st.text(max_size=5)),
            lambda inner: st.dictionaries(
                st.sampled_from(["role", "delta", "text", "contentBlockIndex", "usage", "start"]),
                inner,
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_an_event_is_read_or_refused(headers: dict[str, Any], payload: bytes) -> None:
    reader = StreamReader(None, None)
    with suppress(BedrockError):
        reader.feed(encode_message(headers, payload))
        while reader.next_event() is not None:
            pass
        reader.feed(None)


json_texts = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["message", "Message", "error", "errors", "detail", "__type", "code"]),
            inner,
        ),
    ),
).map(lambda value: json.dumps(value).encode())


@fuzzed
@given(
    st.integers(100, 999),
    st.dictionaries(
        st.sampled_from(["x-amzn-errortype", "location", "retry-after", "x-amz-retry-after"]),
        st.text(max_size=30),
    ),
    st.one_of(st.binary(max_size=300), json_texts),
)
def test_any_answer_is_one_error_that_can_be_printed(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    error = error_from_response(status, headers, body, None)

    assert isinstance(error, errors.APIError)
    str(error).encode("utf-8", "surrogatepass")
    assert isinstance(error_from_event("anyException", body, None, None), errors.APIError)


@fuzzed
@given(damaged([gzip.compress(b"some text " * 100)]))
def test_a_compressed_body_is_decoded_or_refused(pieces: list[bytes]) -> None:
    decoder = decoder_for("gzip")
    assert decoder is not None
    with suppress(errors.ResponseDecodeError):
        for piece in pieces:
            decoder.feed(piece)
            while decoder.next_piece():
                pass
        decoder.finish()


@fuzzed
@given(
    st.integers(0, len(KEY) - 20),
    st.lists(
        st.sampled_from(["%", "%2", "&#", "&amp;", "\\u00", "\\", "\n", "<br>", "=\r\n", "x", "/"]),
        max_size=6,
    ),
    st.lists(st.sampled_from(["%", "3D", "&", ";", "\\n", " ", "\x00", "\xff"]), max_size=6),
)
def test_an_echo_is_found_whatever_is_around_it(
    start: int, before: list[str], after: list[str]
) -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(KEY))
    echo = KEY[start : start + 20]
    body = ("".join(before) + echo + "".join(after)).encode("latin-1")

    assert echo.encode() not in scrubber.bytes(body)
