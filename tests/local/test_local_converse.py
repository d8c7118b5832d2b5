"""What the local Bedrock replies, and what it refuses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.local import NOVA, Caller

from bedrock_bearer.local import Guardrail, LocalBedrock, LocalModel
from bedrock_bearer.local import replies as say
from bedrock_bearer.local.schemas import example_of
from bedrock_bearer.local.transport import LocalTransport, local_async_http_client

TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "weather",
                "inputSchema": {
                    "json": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    }
                },
            }
        }
    ]
}


def text_of(response: httpx.Response) -> str:
    text: str = response.json()["output"]["message"]["content"][0]["text"]
    return text


def message(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def assert_invalid(response: httpx.Response, sentence: str) -> None:
    assert response.status_code == 400
    assert response.headers["x-amzn-ErrorType"] == (
        "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"
    )
    assert response.json() == {"message": sentence}


def test_the_first_exchange_of_all_can_be_scripted(bedrock: LocalBedrock, caller: Caller) -> None:
    usage = {"inputTokens": 8, "outputTokens": 21, "totalTokens": 29}
    bedrock.answer("Hello", say.text_reply("Hi there!", usage=usage, latency_ms=551))

    body = caller.converse("Hello").json()

    assert body == {
        "metrics": {"latencyMs": 551},
        "output": {"message": {"content": [{"text": "Hi there!"}], "role": "assistant"}},
        "stopReason": "end_turn",
        "usage": usage,
    }


def test_a_greeting_is_greeted(caller: Caller) -> None:
    assert text_of(caller.converse("Hello")) == "Hello! How can I help you today?"


def test_anything_else_is_echoed(caller: Caller) -> None:
    assert text_of(caller.converse("One two three")) == "You said: One two three"


def test_a_tool_result_is_echoed(caller: Caller) -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bonn"}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}}
    messages = [message("user", {"text": "?"}), message("assistant", use), message("user", result)]

    response = caller.converse(messages=messages, toolConfig=TOOLS)

    assert text_of(response) == "The tool answered: sunny"


def test_a_forced_tool_is_used_with_input_that_fits_its_schema(caller: Caller) -> None:
    body = caller.converse(toolConfig=TOOLS | {"toolChoice": {"any": {}}}).json()

    use = body["output"]["message"]["content"][0]["toolUse"]
    assert body["stopReason"] == "tool_use"
    assert (use["name"], use["input"]) == ("weather", {"city": "text"})


def test_an_output_schema_is_filled(caller: Caller) -> None:
    schema = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
    output = {
        "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}
    }

    assert text_of(caller.converse(outputConfig=output)) == '{"n": 1}'


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"const": 7}, 7),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": ["string", "null"]}, "text"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"type": "number"}, 1.0),
        ({"type": "null"}, None),
        (True, {}),
    ],
)
def test_a_schema_has_a_smallest_example(schema: Any, example: Any) -> None:
    assert example_of(schema) == example


def test_what_has_no_text_is_seen(caller: Caller) -> None:
    image = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}

    response = caller.converse(messages=[message("user", image)])

    assert text_of(response) == "I see what you sent."
    assert response.json()["usage"]["inputTokens"] > 1000


def test_guarded_text_is_echoed_too(caller: Caller) -> None:
    guarded = {"guardContent": {"text": {"text": "One"}}}

    assert text_of(caller.converse(messages=[message("user", guarded)])) == "You said: One"


def test_a_count_without_input_is_refused(caller: Caller) -> None:
    assert caller.post("count-tokens", {}).status_code == 400
    assert caller.post("count-tokens", {"input": {"invokeModel": {"body": "QUJD"}}}).json() == {
        "inputTokens": 1
    }


def test_a_count_for_an_unknown_model_is_refused(caller: Caller) -> None:
    response = caller.post("count-tokens", {}, model="does-not-exist")

    assert_invalid(response, "The provided model identifier is invalid.")


@pytest.mark.parametrize("tokens", [0, -1])
def test_less_than_one_token_is_refused(caller: Caller, tokens: int) -> None:
    assert caller.converse(inferenceConfig={"maxTokens": tokens}).status_code == 400


def test_a_body_beyond_the_limit_is_refused(bedrock: LocalBedrock) -> None:
    caller = Caller(bedrock, bedrock.mint_key())

    assert_invalid(
        caller.converse("x" * 25_000_001),
        "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must"
        " have length less than or equal to 25000000",
    )


def test_the_echo_keeps_to_max_tokens(caller: Caller) -> None:
    body = caller.converse("a long question", inferenceConfig={"maxTokens": 2}).json()

    assert body["stopReason"] == "max_tokens"
    assert body["usage"]["outputTokens"] == 2


def test_the_echo_stops_at_a_stop_sequence(caller: Caller) -> None:
    response = caller.converse("one|two", inferenceConfig={"stopSequences": ["|"]})

    assert response.json()["stopReason"] == "stop_sequence"
    assert text_of(response) == "You said: one|"


def test_token_counts_add_up(caller: Caller) -> None:
    usage = caller.converse("One two three").json()["usage"]

    assert usage["inputTokens"] + usage["outputTokens"] == usage["totalTokens"]


def test_queued_replies_come_in_turn_and_then_the_echo(
    bedrock: LocalBedrock, caller: Caller
) -> None:
    bedrock.script(say.text_reply("first"), lambda request: say.text_reply(str(len(request))))

    assert [text_of(caller.converse("x")) for _ in range(3)] == ["first", "1", "You said: x"]


def test_a_reply_names_its_request(caller: Caller) -> None:
    first, second = caller.converse(), caller.converse()

    assert first.headers["x-amzn-RequestId"] != second.headers["x-amzn-RequestId"]
    assert first.headers["Content-Type"] == "application/json"


def test_an_unknown_model_is_refused(caller: Caller) -> None:
    assert_invalid(
        caller.converse(model="does-not-exist"), "The provided model identifier is invalid."
    )


def test_a_model_that_needs_a_profile_is_refused_without_one(caller: Caller) -> None:
    assert_invalid(
        caller.converse(model="deepseek.r1-v1:0"),
        "Invocation of model ID deepseek.r1-v1:0 with on-demand throughput isn\u2019t supported."
        " Retry your request with the ID or ARN of an inference profile that contains this model.",
    )


@pytest.mark.parametrize(
    "model",
    [
        "us.deepseek.r1-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.deepseek.r1-v1:0",
        f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}",
    ],
)
def test_profiles_and_arns_are_found(caller: Caller, model: str) -> None:
    assert caller.converse(model=model).status_code == 200


def test_a_model_of_ones_own_can_be_offered() -> None:
    bedrock = LocalBedrock(models=[LocalModel("acme.tiny-v1", "Tiny", "Acme", output_tokens=8)])

    response = Caller(bedrock, bedrock.mint_key()).converse(model="acme.tiny-v1")

    assert response.status_code == 200


USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}}
EMPTY_ERROR = {"toolResult": {"toolUseId": "t1", "content": [], "status": "error"}}
HI = {"text": "Hi"}


def document(name: str) -> dict[str, Any]:
    return {"document": {"name": name, "format": "txt", "source": {"bytes": "YQ=="}}}


@pytest.mark.parametrize(
    "messages",
    [
        [message("user", {"text": " "})],
        [message("user", HI), message("assistant", {"text": ""}), message("user", HI)],
        [message("assistant", HI)],
        [message("user", HI), message("user", HI)],
        [
            message("user", HI),
            message("assistant", USE),
            message("user", RESULT),
            message("user", HI),
        ],
        [message("user", HI, document("company_policy [2] (a)"))],
    ],
)
def test_what_aws_accepts_beyond_its_documentation_is_accepted(
    caller: Caller, messages: Any
) -> None:
    assert caller.converse(messages=messages, toolConfig=TOOLS).status_code == 200


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        (
            [message("user")],
            "The content field in the Message object at messages.0 is empty."
            " Add a ContentBlock object to the content field and try again.",
        ),
        (
            [message("user", HI), message("assistant", HI), message("user", RESULT)],
            "The number of toolResult blocks at messages.2.content exceeds the number of toolUse"
            " blocks of previous turn.",
        ),
        (
            [message("user", HI), message("assistant", USE), message("user", HI)],
            "Expected toolResult blocks at messages.2.content for the following Ids: t1",
        ),
        (
            [message("user", HI), message("assistant", USE), message("user", EMPTY_ERROR)],
            "The content field at messages.2.content.0.toolResult cannot be empty when status value"
            " is error.",
        ),
        (
            [],
            "A conversation must start with a user message."
            " Try again with a conversation that starts with a user message.",
        ),
        (
            [message("user", document("a"))],
            "A text block must be included when using documents.",
        ),
        (
            [message("user", HI, document("a.pdf"))],
            "The document file name can only contain alphanumeric characters, whitespace"
            " characters, hyphens, parentheses, and square brackets. The name can't contain more"
            " than one consecutive whitespace character. Rename your document and try again.",
        ),
        (
            [message("user", {"unheardOf": {}})],
            "ContentBlock object at messages.0.content.0 must set one of the following keys: text,"
            " image, document, video, audio, toolUse, toolResult, guardContent, cachePoint,"
            " reasoningContent, citationsContent, searchResult, toolAddition, toolRemoval.",
        ),
        (
            None,
            "1 validation error detected: Value null at 'messages' failed to satisfy constraint:"
            " Member must not be null",
        ),
    ],
)
def test_mistakes_are_refused_in_bedrocks_words(
    caller: Caller, messages: Any, sentence: str
) -> None:
    assert_invalid(caller.converse(messages=messages, toolConfig=TOOLS), sentence)


def test_tool_blocks_without_tool_configuration_are_refused(caller: Caller) -> None:
    messages = [message("user", HI), message("assistant", USE), message("user", RESULT)]

    assert_invalid(
        caller.converse(messages=messages),
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
    )


def test_more_tokens_than_the_model_gives_are_refused(caller: Caller) -> None:
    assert_invalid(
        caller.converse(inferenceConfig={"maxTokens": 10_001}),
        "The maximum tokens you requested exceeds the model limit of 10000."
        " Try again with a maximum tokens value that is lower than 10000.",
    )


def test_a_prompt_beyond_the_context_is_refused(caller: Caller) -> None:
    assert_invalid(caller.converse("word " * 110_000), "Input is too long for requested model.")


def test_a_body_that_is_no_json_is_refused(bedrock: LocalBedrock) -> None:
    client = httpx.Client(transport=LocalTransport(bedrock))

    response = client.post(
        f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{NOVA}/converse",
        content=b"{",
        headers={"Authorization": f"Bearer {bedrock.mint_key()}"},
    )

    assert response.status_code == 400


def test_invoke_model_is_refused_plainly(caller: Caller) -> None:
    assert_invalid(
        caller.post("invoke", {"prompt": "Hi"}),
        "This is a local Bedrock: it does not serve InvokeModel. Use Converse.",
    )


def test_an_unknown_path_is_refused_before_the_key_is_looked_at(bedrock: LocalBedrock) -> None:
    response = Caller(bedrock, None).get("/nowhere")

    assert (response.status_code, response.text) == (404, "<UnknownOperationException/>\n")


def test_tokens_are_counted_as_converse_counts_them(caller: Caller) -> None:
    request = {"messages": [message("user", {"text": "One two three"})]}

    counted = caller.post("count-tokens", {"input": {"converse": request}}).json()

    assert counted == {
        "inputTokens": caller.converse("One two three").json()["usage"]["inputTokens"]
    }


def test_the_probe_costs_nothing_and_lists_nothing(caller: Caller) -> None:
    assert caller.get("/async-invoke?maxResults=1").json() == {"asyncInvokeSummaries": []}


def test_the_models_are_listed(caller: Caller) -> None:
    summaries = caller.get("/foundation-models").json()["modelSummaries"]

    assert NOVA in {summary["modelId"] for summary in summaries}


def test_the_profiles_are_listed_for_the_area_of_the_region(bedrock: LocalBedrock) -> None:
    caller = Caller(
        bedrock, bedrock.mint_key("LONG_TERM"), host="https://bedrock.eu-west-1.amazonaws.com"
    )

    summaries = caller.get("/inference-profiles").json()["inferenceProfileSummaries"]

    assert {summary["inferenceProfileId"].partition(".")[0] for summary in summaries} == {"eu"}


GUARDRAIL = Guardrail("g1", blocked_words=("secret",), message="Not that.")
GUARDED = {"guardrailIdentifier": "g1", "guardrailVersion": "1", "trace": "enabled"}


def test_a_guardrail_blocks_a_prompt(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.add_guardrail(GUARDRAIL)

    body = caller.converse("Tell me the secret", guardrailConfig=GUARDED).json()

    assert body["stopReason"] == "guardrail_intervened"
    assert body["output"]["message"]["content"] == [{"text": "Not that."}]
    words = body["trace"]["guardrail"]["inputAssessment"]["g1"]["wordPolicy"]["customWords"]
    assert words == [{"action": "BLOCKED", "match": "secret"}]


def test_a_guardrail_blocks_a_reply(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.add_guardrail(GUARDRAIL)
    bedrock.script(say.text_reply("The secret is 42."))

    body = caller.converse("Well?", guardrailConfig=GUARDED).json()

    assert body["trace"]["guardrail"]["modelOutput"] == ["The secret is 42."]
    assert body["stopReason"] == "guardrail_intervened"


def test_a_guardrail_lets_other_prompts_pass(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.add_guardrail(GUARDRAIL)

    assert caller.converse("Hello", guardrailConfig=GUARDED).json()["stopReason"] == "end_turn"


def test_a_guardrail_that_does_not_exist_is_refused(caller: Caller) -> None:
    assert_invalid(
        caller.converse(guardrailConfig=GUARDED),
        "The guardrail identifier or version provided in the request does not exist.",
    )


def test_a_guardrail_can_be_applied_by_itself(bedrock: LocalBedrock, caller: Caller) -> None:
    bedrock.add_guardrail(GUARDRAIL)
    content = [{"text": {"text": "the secret"}}]

    body = caller.post_path(
        "/guardrail/g1/version/1/apply", {"source": "INPUT", "content": content}
    ).json()

    assert (body["action"], body["outputs"]) == ("GUARDRAIL_INTERVENED", [{"text": "Not that."}])


async def test_async_clients_are_answered_too(bedrock: LocalBedrock) -> None:
    async with local_async_http_client(bedrock) as client:
        response = await client.get(
            "https://bedrock-runtime.us-east-1.amazonaws.com/async-invoke",
            headers={"Authorization": f"Bearer {bedrock.mint_key()}"},
        )

    assert response.json() == {"asyncInvokeSummaries": []}


def test_clients_of_httpx2_are_answered_too(bedrock: LocalBedrock) -> None:
    import httpx2

    client = httpx2.Client(transport=LocalTransport(bedrock))  # type: ignore[arg-type]

    response = client.get(
        "https://bedrock-runtime.us-east-1.amazonaws.com/async-invoke",
        headers={"Authorization": f"Bearer {bedrock.mint_key()}"},
    )

    assert isinstance(response, httpx2.Response)
    assert response.json() == {"asyncInvokeSummaries": []}
