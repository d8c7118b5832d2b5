"""Each fault, as a client meets it, whatever carries it."""

from __future__ import annotations

import httpx
import pytest
from support.local import Caller

from bedrock_bearer.errors import EventStreamDecodeError
from bedrock_bearer.local import LocalBedrock, faults
from bedrock_bearer.local import replies as say
from bedrock_bearer.local.transport import LocalTransport
from bedrock_bearer.wire.eventstream import EventStreamDecoder, EventStreamMessage


def decoded(body: bytes) -> list[EventStreamMessage]:
    decoder = EventStreamDecoder()
    messages = decoder.feed(body)
    decoder.close()
    return messages


def names(body: bytes) -> list[object]:
    return [m.headers.get(":event-type") or m.headers.get(":exception-type") for m in decoded(body)]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 403),
        ("InternalServerException", 500),
        ("ModelErrorException", 424),
        ("ModelNotReadyException", 429),
        ("ModelTimeoutException", 408),
        ("ResourceNotFoundException", 404),
        ("ServiceQuotaExceededException", 400),
        ("ServiceUnavailableException", 503),
        ("ThrottlingException", 429),
        ("ValidationException", 400),
    ],
)
def test_an_error_has_the_status_that_aws_gives_it(
    bedrock: LocalBedrock, caller: Caller, code: str, status: int
) -> None:
    bedrock.inject(faults.error(code))

    response = caller.converse()

    assert response.status_code == status
    assert response.headers["x-amzn-ErrorType"].startswith(f"{code}:")
    assert list(response.json()) == ["message"]


def test_a_throttled_call_may_say_when_to_come_again(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.throttling(retry_after_ms=1500))

    assert caller.converse().headers["x-amz-retry-after"] == "1500"


def test_an_error_uses_up_no_scripted_reply(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.script(say.text_reply("first"))
    bedrock.inject(faults.throttling())

    caller.converse()

    assert "first" in caller.converse().text


def test_a_fault_can_be_a_step_of_a_script(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.script(faults.throttling(), say.text_reply("second"))

    assert [caller.converse().status_code for _ in range(2)] == [429, 200]


def test_a_fault_happens_as_often_as_it_is_told_to(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.throttling(), times=2)

    assert [caller.converse().status_code for _ in range(3)] == [429, 429, 200]


def test_a_fault_at_a_rate_is_spread_evenly(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject_at_rate(faults.throttling(), 0.1)

    statuses = [caller.converse().status_code for _ in range(20)]

    assert [n for n, status in enumerate(statuses) if status == 429] == [9, 19]


@pytest.mark.parametrize("rate", [0, -0.5, 1.1])
def test_a_rate_that_is_no_share_is_refused(bedrock: LocalBedrock, rate: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        bedrock.inject_at_rate(faults.throttling(), rate)


def test_a_key_that_is_refused_is_refused_whatever_the_fault(bedrock: LocalBedrock) -> None:
    bedrock.inject(faults.throttling())

    assert Caller(bedrock, "sk-another").converse().status_code == 403


def test_a_gateway_answers_with_a_page(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.gateway_page())

    response = caller.converse()

    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")
    assert response.text.startswith("<html>")


def test_a_body_may_be_empty(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.empty_body())

    response = caller.converse()

    assert (response.status_code, response.content) == (503, b"")


def test_the_right_body_may_come_under_a_wrong_content_type(
    bedrock: LocalBedrock, caller: Caller
) -> None:
    bedrock.inject(faults.wrong_content_type())

    response = caller.converse()

    assert response.headers["content-type"] == "text/html"
    assert response.json()["stopReason"] == "end_turn"


@pytest.mark.parametrize(
    "fault",
    [
        faults.close_before_headers(),
        faults.close_in_headers(),
        faults.close_after_headers(),
        faults.close_at_frame_boundary(),
        faults.close_mid_frame(),
        faults.oversized_headers(),
    ],
    ids=lambda fault: fault.name,
)
@pytest.mark.parametrize("verb", ["converse", "converse-stream"])
def test_a_broken_connection_is_a_protocol_error(
    bedrock: LocalBedrock, caller: Caller, fault: faults.Fault, verb: str
) -> None:
    bedrock.inject(fault)

    with pytest.raises(httpx.RemoteProtocolError):
        caller.post(verb, {"messages": [{"role": "user", "content": [{"text": "a b c d"}]}]})


@pytest.mark.parametrize(
    "fault", [faults.latency(30), faults.slow_first_byte(30)], ids=["latency", "slow-first-byte"]
)
def test_what_comes_too_late_is_a_timeout_at_once_in_process(fault: faults.Fault) -> None:
    bedrock = LocalBedrock()
    passed: list[float] = []
    client = httpx.Client(
        transport=LocalTransport(bedrock, on_delay=passed.append), timeout=httpx.Timeout(5)
    )
    bedrock.inject(fault)

    with pytest.raises(httpx.ReadTimeout):
        Caller(bedrock, bedrock.mint_key(), client=client).converse()

    assert passed == [5]


def test_what_comes_late_but_in_time_comes_at_once_in_process() -> None:
    bedrock = LocalBedrock()
    passed: list[float] = []
    client = httpx.Client(transport=LocalTransport(bedrock, on_delay=passed.append), timeout=5)
    bedrock.inject(faults.latency(4))

    response = Caller(bedrock, bedrock.mint_key(), client=client).converse()

    assert (response.status_code, passed) == (200, [4])


def test_a_slow_response_is_waited_for_on_a_socket(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.slow_first_byte(0.01))

    assert caller.converse().status_code == 200


def test_frames_that_come_slowly_all_come(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.slow_frames(0.001))

    assert names(caller.stream("a").content)[-1] == "metadata"


def test_a_stream_may_end_before_its_message_stops(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.end_early(frames=2))

    assert names(caller.stream().content) == ["messageStart", "contentBlockDelta"]


def test_a_frame_may_carry_a_wrong_checksum(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.corrupt_crc(frame=1))
    body = caller.stream().content

    with pytest.raises(EventStreamDecodeError):
        decoded(body)


def test_an_exception_may_come_in_a_stream(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.inject(faults.exception_in_stream("throttlingException", frames=1))

    messages = decoded(caller.stream().content)

    assert [m.headers[":message-type"] for m in messages] == ["event", "exception"]
    assert messages[-1].headers[":exception-type"] == "throttlingException"
    assert b"Too many requests" in messages[-1].payload


def test_a_fault_of_streams_leaves_other_replies_alone(
    bedrock: LocalBedrock, caller: Caller
) -> None:
    bedrock.inject(faults.corrupt_crc())

    assert caller.converse().json()["stopReason"] == "end_turn"


def test_a_reply_may_bring_its_own_fault(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.script(say.text_reply("a b c").with_fault(faults.end_early(frames=1)))

    assert names(caller.stream().content) == ["messageStart"]


@pytest.mark.parametrize("name", faults.BY_NAME)
def test_every_fault_can_be_named(name: str) -> None:
    assert isinstance(faults.BY_NAME[name](), faults.Fault)
