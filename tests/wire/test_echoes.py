"""What a server echoes of the key is shown nowhere, however it is written."""

from __future__ import annotations

import base64
import html
import json
import logging
import pickle
import textwrap
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clients import Colour
from support.keys import long_term_key, short_term_key
from support.replies import FRAMES, REPLY, START, delta, event
from support.server import Received, chunk, http_reply, serve, stream_head

from bedrock_bearer import ApiKey, BedrockError, RetryPolicy
from bedrock_bearer.errors import RequestTimeoutError
from bedrock_bearer.wire.attempt import Attempt
from bedrock_bearer.wire.eventstream import encode_message
from bedrock_bearer.wire.scrub import REPLACEMENT, WINDOW, Scrubber

ONCE = RetryPolicy(max_attempts=1)
LONG = long_term_key(secret="aB3/+" * 12)
SHORT = short_term_key()
KEYS = [LONG, SHORT]

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON, the slashes": lambda key: key.replace("/", "\\/").replace("=", "\\u003d"),
    "JSON, every character": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "hexadecimal escapes": lambda key: "".join(f"\\x{ord(c):02x}" for c in key),
    "HTML, every character": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "HTML in hexadecimal": lambda key: "".join(f"&#x{ord(c):X};" for c in key),
    "HTML by name": lambda key: (
        key.replace("=", "&equals;").replace("/", "&sol;").replace("+", "&plus;")
    ),
    "a URL": lambda key: quote(key, safe=""),
    "a URL, every character": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "a URL in a URL": lambda key: quote(quote(key, safe=""), safe=""),
    "HTML in JSON": lambda key: "".join(f"\\u0026#{ord(c)};" for c in key),
    "wrapped": lambda key: "\n".join(textwrap.wrap(key, 11)),
    "wrapped in JSON": lambda key: "\\r\\n".join(textwrap.wrap(key, 13)),
    "wrapped by HTML": lambda key: "<wbr>".join(textwrap.wrap(key, 9)),
    "wrapped by tags": lambda key: "<b></b>".join(textwrap.wrap(key, 8)),
    "in UTF-16": "\0".join,
    "the beginning": lambda key: key[:WINDOW],
    "the end": lambda key: key[-WINDOW:],
    "a part": lambda key: key[37 : 37 + WINDOW],
}


def leaks(text: str) -> list[str]:
    """Return what 20 characters of a key a text shows, whatever stands between them."""
    plain = html.unescape("".join(text.split())).replace("\\", "").replace("\0", "")
    return [
        key[start : start + WINDOW]
        for key in KEYS
        for start in range(len(key) - WINDOW + 1)
        if key[start : start + WINDOW] in text or key[start : start + WINDOW] in plain
    ]


def shown_of(error: BaseException) -> str:
    """Return everything that an error shows, and that can be got out of it."""
    pickled = pickle.dumps(error).decode("latin-1")
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    # A test knows the key.
    ours = [repr(frame.f_locals) for frame in frames if "/tests/" not in frame.f_code.co_filename]
    return "\n".join([repr(error), str(error), repr(vars(error)), pickled, *ours])


# ------------------------------------------------------------------------------------ the scrubber


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("key", KEYS, ids=["long-term", "short-term"])
def test_an_echo_is_taken_out_and_what_is_around_it_stays(
    key: str, spelling: Callable[[str], str]
) -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(key))
    body = f'{{"before": "it was {spelling(key)}", "after": "caf\u00e9 50%"}}'.encode()

    clean = scrubber.bytes(body).decode()

    assert REPLACEMENT in clean
    assert leaks(clean) == []
    assert clean.startswith('{"before": "it was ')
    assert clean.endswith('", "after": "caf\u00e9 50%"}')
    assert len(clean) < len(body) + len(REPLACEMENT)


def test_the_secret_inside_a_key_is_one_too() -> None:
    scrubber = Scrubber()
    for key in KEYS:
        scrubber.learn(ApiKey.parse(key))
    inner = base64.b64decode(LONG.removeprefix("ABSK")).decode().partition(":")[2]
    url = base64.b64decode(SHORT.removeprefix("bedrock-api-key-")).decode()
    signature = url.partition("X-Amz-Signature=")[2].partition("&")[0]

    assert scrubber.text(f"secret {inner}") == f"secret {REPLACEMENT}"
    assert signature not in scrubber.text(url)
    assert "bedrock.amazonaws.com/?Action=CallWithBearerToken" in scrubber.text(url)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_what_holds_no_echo_stays_as_it_is(text: str) -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(LONG))

    assert scrubber.text(text) == text
    assert scrubber.bytes(text.encode()) == text.encode()


@given(
    st.integers(0, len(LONG) - WINDOW),
    st.integers(WINDOW, 60),
    st.binary(max_size=70),
    st.binary(max_size=70),
)
def test_any_twenty_characters_are_found_wherever_they_are(
    start: int, length: int, before: bytes, after: bytes
) -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(LONG))
    echo = LONG[start : start + length].encode()

    assert scrubber.finds(before + echo + after)
    assert leaks(scrubber.bytes(before + echo + after).decode("latin-1")) == []


def test_an_echo_across_the_parts_that_are_looked_at_one_by_one_is_found() -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(LONG))
    for place in range(65_400, 65_600, 7):
        body = b" " * place + LONG.encode() + b"." * 200_000
        assert scrubber.bytes(body) == b" " * place + REPLACEMENT.encode() + b"." * 200_000


def test_a_long_row_of_backslashes_takes_no_time() -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(LONG))
    body = b"\\u0041" + b"\\" * 500_000
    began = time.monotonic()

    assert scrubber.bytes(body) == body
    assert b"\\" * 60_000 in scrubber.bytes(LONG.encode() + body)
    assert time.monotonic() - began < 5


def test_the_rest_of_a_body_that_is_full_of_echoes_is_taken_for_one() -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(LONG))
    clean = scrubber.bytes((LONG.encode() + b".") * 20_000)

    assert clean.endswith(b"." + REPLACEMENT.encode())
    assert leaks(clean.decode()) == []
    assert clean.count(b".") < 10_000


def test_a_scrubber_shows_and_keeps_no_key() -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(LONG))
    kept = repr([getattr(scrubber, name) for name in type(scrubber).__slots__])

    assert leaks(repr(scrubber) + kept) == []
    with pytest.raises(TypeError):
        pickle.dumps(scrubber)


# -------------------------------------------------------------------------------------- in replies


def in_error_body(key: str, spelled: str) -> bytes:
    body = f'{{"message": "You sent {spelled}."}}'
    return http_reply(body.encode("latin-1"), status=400)


def in_error_page(key: str, spelled: str) -> bytes:
    return http_reply(f"<html><body>{spelled}</body></html>".encode("latin-1"), status=502)


def in_headers(key: str, spelled: str) -> bytes:
    one_line = spelled.replace("\n", " ")
    headers = {
        "x-amzn-requestid": one_line,
        "x-amzn-errortype": one_line,
        "location": f"https://{one_line}/",
    }
    return http_reply(b"{}", status=307, headers=headers)


def in_text(key: str, spelled: str) -> bytes:
    reply = json.dumps(REPLY).replace("Hello there", spelled.replace("\n", "\\n"))
    return http_reply(reply.encode("latin-1"))


def in_broken_json(key: str, spelled: str) -> bytes:
    return http_reply(b"[" + spelled.encode("latin-1"))


def as_chunks(*frames: bytes) -> bytes:
    return stream_head() + b"".join(map(chunk, frames)) + chunk(b"")


def in_stream_exception(key: str, spelled: str) -> bytes:
    headers = {":message-type": "exception", ":exception-type": spelled}
    payload = json.dumps({"message": spelled}).encode()
    return as_chunks(START, encode_message(headers, payload))


def in_stream_error(key: str, spelled: str) -> bytes:
    headers = {":message-type": "error", ":error-code": spelled, ":error-message": spelled}
    return as_chunks(START, delta("Hi"), encode_message(headers))


def in_event_type(key: str, spelled: str) -> bytes:
    headers = {":message-type": "event", ":event-type": spelled}
    return as_chunks(START, encode_message(headers, b"not JSON"))


def in_event(key: str, spelled: str) -> bytes:
    payload = '{"contentBlockIndex":0,"delta":{"text":"' + spelled.replace("\n", "\\n") + '"}}'
    headers = {":message-type": "event", ":event-type": "contentBlockDelta"}
    return as_chunks(START, encode_message(headers, payload.encode("latin-1")), *FRAMES[3:])


PLACES = [
    in_error_body,
    in_error_page,
    in_headers,
    in_text,
    in_broken_json,
    in_stream_exception,
    in_stream_error,
    in_event_type,
    in_event,
]
# In an event, a text that is wrapped in short pieces is a text like any other.
SHORT_WRAPS = ("wrapped", "wrapped in JSON", "wrapped by HTML", "wrapped by tags")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("name", SPELLINGS)
def test_no_echo_reaches_errors_replies_records_or_logs(
    name: str,
    place: Callable[[str, str], bytes],
    colour: Colour,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if place is in_event and name in SHORT_WRAPS:
        pytest.skip("no 20 characters of it are in one piece")
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    records: list[Any] = []

    def answer(request: Received) -> bytes:
        key = request.headers["authorization"].removeprefix("Bearer ")
        return place(key, SPELLINGS[name](key))

    with serve(answer) as server:
        for key in KEYS:
            with colour.client(
                server.url, api_key=key, retry=ONCE, on_event=records.append
            ) as client:
                is_stream = "stream" in place.__name__ or "event" in place.__name__
                try:
                    if is_stream:
                        with client.stream() as stream:
                            shown += [repr(event) for event in stream]
                            shown.append(repr(stream.final_response()))
                    else:
                        shown.append(repr(client.converse()))
                except BedrockError as error:
                    shown.append(shown_of(error))

    everything = "\n".join([*shown, repr(records), caplog.text])
    assert len(everything) > 100
    assert leaks(everything) == []


@pytest.mark.parametrize("key", KEYS, ids=["long-term", "short-term"])
def test_pieces_of_a_key_are_not_joined_to_a_whole_one(key: str, colour: Colour) -> None:
    pieces = textwrap.wrap(key, 9)
    tool = {"toolUse": {"toolUseId": "id", "name": "tool"}}
    inputs = ['{"key": "', *pieces, '"}']
    body = as_chunks(
        START,
        *map(delta, pieces),
        event("contentBlockStart", {"contentBlockIndex": 1, "start": tool}),
        *(
            event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": i}}})
            for i in inputs
        ),
        *FRAMES[-2:],
    )
    with colour.streaming(body, api_key=key) as stream:
        reply = stream.final_response()

    assert reply.text == REPLACEMENT
    assert reply.tool_uses[0].input == {"key": REPLACEMENT}


@pytest.mark.parametrize("size", [1, 9, 19])
@pytest.mark.parametrize("key", KEYS, ids=["long-term", "short-term"])
def test_a_key_in_pieces_is_not_shown_by_the_texts_of_a_stream(
    key: str, size: int, colour: Colour
) -> None:
    pieces = [key[start : start + size] for start in range(0, len(key), size)]
    body = as_chunks(START, *map(delta, ["It is ", *pieces, " and more"]), *FRAMES[3:])
    with colour.streaming(body, api_key=key) as stream:
        text = "".join(stream.text_stream)

    assert leaks(text) == []
    assert text.startswith("It is " + key[:size])
    assert text.endswith(REPLACEMENT + " and more")
    assert stream.final_response().text == f"It is {REPLACEMENT} and more"


@pytest.mark.parametrize("before", ["", "Bearer ", "authorization: Bearer ", "x-api-key:"])
@pytest.mark.parametrize("key", KEYS, ids=["long-term", "short-term"])
def test_a_key_in_base64_is_an_echo_too(key: str, before: str, colour: Colour) -> None:
    encoded = base64.b64encode(f"{before}{key}!".encode()).decode()
    body = {"message": f"Header {encoded} is not valid."}
    with (
        serve([http_reply(body, status=400), http_reply(body, status=400)]) as server,
        colour.client(server.url, api_key=key, retry=ONCE) as client,
        pytest.raises(BedrockError) as caught,
    ):
        client.converse()

    assert REPLACEMENT in str(caught.value)
    assert not any(
        encoded[start : start + 27] in str(caught.value)
        for start in range(len(before) * 2, len(encoded) - 27)
    )


def test_a_reply_that_took_too_long_to_look_through_shows_no_key(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(attempt: Attempt) -> None:
        raise attempt.timeout_error("read")

    monkeypatch.setattr(Attempt, "whole_limit", too_late)
    with (
        serve([http_reply(LONG.encode())]) as server,
        colour.client(server.url, api_key=LONG, retry=ONCE) as client,
        pytest.raises(RequestTimeoutError) as caught,
    ):
        client.converse()

    assert leaks(shown_of(caught.value)) == []


def test_an_event_that_took_too_long_to_look_through_shows_no_key(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(attempt: Attempt) -> None:
        raise attempt.timeout_error("read")

    monkeypatch.setattr(Attempt, "whole_limit", too_late)
    body = as_chunks(START, delta(LONG), *FRAMES[-2:])
    with (
        pytest.raises(RequestTimeoutError) as caught,
        colour.streaming(body, api_key=LONG, retry=ONCE),
    ):
        pass

    assert leaks(shown_of(caught.value)) == []


@pytest.mark.parametrize("text", ["50 % off", "a < b & c", "line\nline", '\\ and "quotes"'])
def test_signs_that_spell_nothing_are_no_echo(text: str) -> None:
    scrubber = Scrubber()
    scrubber.learn(ApiKey.parse(LONG))

    assert not scrubber.finds_in_stream(json.dumps({"text": text}).encode(), bool)
