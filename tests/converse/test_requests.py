"""Requests built from what a caller has at hand, and the mistakes that are named."""

from __future__ import annotations

import datetime
import json
import traceback
from typing import Any

import pytest
from pydantic import BaseModel

from bedrock_bearer.converse import (
    BytesSource,
    ConverseRequest,
    ConverseResponse,
    CountTokensRequest,
    CountTokensResponse,
    GuardrailConfiguration,
    ImageBlock,
    ImageContent,
    InferenceConfiguration,
    JsonContent,
    Message,
    PerformanceConfiguration,
    S3Location,
    S3Source,
    ServiceTier,
    TextContent,
    ToolConfiguration,
    ToolInputSchema,
    ToolResultBlock,
    ToolResultContent,
    ToolSpecification,
    ToolSpecTool,
    UnknownContent,
)

USER = {"role": "user", "content": [{"text": "Hi"}]}
ASSISTANT = {"role": "assistant", "content": [{"text": "Hello"}]}
IMAGE = b"\xfb\xff\xfe\x3e\x3f"


def body(messages: Any = "Hi", **arguments: Any) -> dict[str, Any]:
    return ConverseRequest.build("model", messages, **arguments).to_wire()


def refusal(messages: Any = "Hi", **arguments: Any) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        ConverseRequest.build("model", messages, **arguments)
    return str(caught.value)


def test_a_text_is_a_message_of_the_user() -> None:
    assert body("Hi") == {"messages": [USER]}


@pytest.mark.parametrize(
    "message",
    [
        USER,
        Message(role="user", content=[TextContent(text="Hi")]),
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": [TextContent(text="Hi")]},
    ],
    ids=["dict", "model", "plain content", "dict with a model"],
)
def test_one_message_may_be_given_alone_or_in_a_list(message: Any) -> None:
    assert body(message) == body([message]) == body((message,)) == {"messages": [USER]}


def test_texts_dicts_and_models_may_be_mixed() -> None:
    reply = Message.model_validate(ASSISTANT)
    assert body(["Hi", reply, USER]) == {"messages": [USER, ASSISTANT, USER]}


def test_the_model_id_is_not_part_of_the_body() -> None:
    request = ConverseRequest.build("amazon.nova-lite-v1:0", "Hi")
    assert request.model_id == "amazon.nova-lite-v1:0"
    assert "modelId" not in request.to_wire()


def test_arguments_of_the_caller_are_left_as_they_are() -> None:
    message = {"role": "user", "content": "Hi"}
    messages = [message]
    body(messages, inference_config={"maxTokens": 3}, temperature=1)
    assert messages == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("system", ["Be brief", {"text": "Be brief"}, TextContent(text="Be brief")])
def test_the_system_prompt_is_a_text_or_a_block_or_a_list_of_them(system: Any) -> None:
    assert body(system=system)["system"] == [{"text": "Be brief"}]
    assert body(system=[system])["system"] == [{"text": "Be brief"}]


def test_numbers_keep_the_form_the_caller_gave_them() -> None:
    config = body(max_tokens=5, temperature=1, top_p=0.5)["inferenceConfig"]
    assert json.dumps(config) == '{"maxTokens": 5, "temperature": 1, "topP": 0.5}'


@pytest.mark.parametrize(
    "config", [{"maxTokens": 5}, {"max_tokens": 5}, InferenceConfiguration(max_tokens=5)]
)
def test_inline_settings_join_the_inference_configuration(config: Any) -> None:
    merged = body(inference_config=config, temperature=0, stop_sequences=("END",))
    assert merged["inferenceConfig"] == {
        "maxTokens": 5,
        "temperature": 0,
        "stopSequences": ["END"],
    }


@pytest.mark.parametrize("config", [{"maxTokens": 5}, InferenceConfiguration(max_tokens=5)])
def test_a_setting_given_twice_is_refused(config: Any) -> None:
    sentence = "max_tokens is given twice: as an argument and in inference_config"
    assert refusal(max_tokens=5, inference_config=config) == sentence


@pytest.mark.parametrize("tier", ["flex", {"type": "flex"}, ServiceTier(type="flex")])
def test_the_service_tier_may_be_a_plain_name(tier: Any) -> None:
    assert body(service_tier=tier)["serviceTier"] == {"type": "flex"}


@pytest.mark.parametrize(
    "config",
    ["optimized", {"latency": "optimized"}, PerformanceConfiguration(latency="optimized")],
)
def test_the_performance_configuration_may_be_a_plain_name(config: Any) -> None:
    assert body(performance_config=config)["performanceConfig"] == {"latency": "optimized"}


def test_every_other_argument_is_put_where_aws_wants_it() -> None:
    tools = ToolConfiguration(
        tools=[
            ToolSpecTool(
                tool_spec=ToolSpecification(
                    name="add", input_schema=ToolInputSchema(json={"type": "object"}), strict=True
                )
            )
        ]
    )
    assert body(
        tool_config=tools,
        guardrail_config=GuardrailConfiguration(guardrail_identifier="g", trace="enabled"),
        additional_model_request_fields={"top_k": 5},
        additional_model_response_field_paths=["/stop_sequence"],
        prompt_variables={"city": "Rome", "day": {"text": "Monday"}},
        request_metadata={"team": "a"},
        output_config={"effort": "low"},
    ) == {
        "messages": [USER],
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "add",
                        "inputSchema": {"json": {"type": "object"}},
                        "strict": True,
                    }
                }
            ]
        },
        "guardrailConfig": {"guardrailIdentifier": "g", "trace": "enabled"},
        "additionalModelRequestFields": {"top_k": 5},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "promptVariables": {"city": {"text": "Rome"}, "day": {"text": "Monday"}},
        "requestMetadata": {"team": "a"},
        "outputConfig": {"effort": "low"},
    }


@pytest.mark.parametrize("data", [IMAGE, bytearray(IMAGE), memoryview(IMAGE), "+//+Pj8="])
def test_bytes_are_sent_as_standard_base64(data: Any) -> None:
    image = {"image": {"format": "png", "source": {"bytes": data}}}
    [message] = body({"role": "user", "content": [image]})["messages"]
    assert message["content"][0]["image"]["source"] == {"bytes": "+//+Pj8="}


def test_base64_text_is_read_as_bytes() -> None:
    assert BytesSource.model_validate({"bytes": "+//+Pj8="}).bytes == IMAGE


@pytest.mark.parametrize("text", ["-__-Pj8=", "+//+Pj8", "+//+\nPj8="])
def test_nonstandard_base64_is_read_and_given_back_unchanged(text: str) -> None:
    source = BytesSource.model_validate({"bytes": text})
    assert source.bytes == IMAGE
    assert source.to_wire() == {"bytes": text}


def test_blocks_made_in_python_are_sent_under_their_wire_names() -> None:
    image = ImageContent(
        image=ImageBlock(format="png", source=S3Source(s3_location=S3Location(uri="s3://b/k")))
    )
    result = ToolResultContent(
        tool_result=ToolResultBlock(
            tool_use_id="t1", content=[JsonContent(json={"n": 1}), image], status="success"
        )
    )
    [message] = body(Message(role="user", content=[result]))["messages"]
    wire_image = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}}
    assert message["content"] == [
        {
            "toolResult": {
                "toolUseId": "t1",
                "content": [{"json": {"n": 1}}, wire_image],
                "status": "success",
            }
        }
    ]


def test_explicit_nulls_are_kept() -> None:
    wire = {"messages": [USER], "system": None, "inferenceConfig": {"topP": None}}
    assert ConverseRequest.model_validate(wire).to_wire() == wire


def test_a_block_of_an_unknown_kind_is_sent_as_it_is() -> None:
    block: dict[str, Any] = {"hologram": {"depth": 3}}
    request = ConverseRequest.build("model", {"role": "user", "content": [block]})
    assert request.messages is not None
    assert isinstance(request.messages[0].content[0], UnknownContent)
    assert request.to_wire()["messages"][0]["content"] == [block]


@pytest.mark.parametrize(
    ("model_id", "variables"),
    [
        ("arn:aws:bedrock:us-east-1:123456789012:prompt/PROMPT12345:1", None),
        ("model", {"city": "Rome"}),
    ],
)
def test_a_managed_prompt_needs_no_messages(model_id: str, variables: Any) -> None:
    request = ConverseRequest.build(model_id, prompt_variables=variables)
    assert "messages" not in request.to_wire()


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        (None, "messages is missing: pass a text, a message or a list of messages"),
        ([], "messages is empty: pass a text, a message or a list of messages"),
        ("", "messages is empty: pass a text, a message or a list of messages"),
        (b"Hi", "messages: Input should be a text, a dict or a list, not bytes"),
        (3, "messages: Input should be a text, a dict or a list, not int"),
        (["Hi", 3], "messages[1]: Input should be a text, a Message or a dict, not int"),
        ([{"content": "Hi"}], "messages[0].role is missing: user or assistant"),
        ([{"content": [{"text": "Hi"}]}], "messages[0].role is missing: user or assistant"),
        ([USER, {"role": "user"}], "messages[1].content: Field required"),
        (
            [{"role": "user", "content": [{"text": 3}]}],
            "messages[0].content[0].text: Input should be a valid string",
        ),
        (
            [USER, {"role": "user", "content": [{"image": {"format": "png", "source": "x"}}]}],
            "messages[1].content[0].image.source: Input should be a dict with one of the keys "
            "'bytes', 's3Location', or the model of one of them; it is a str",
        ),
        (
            [{"role": "user", "content": [{"toolUse": {"name": "add", "input": {}}}]}],
            "messages[0].content[0].toolUse.toolUseId: Field required",
        ),
        (
            {"role": "user", "content": [{"image": {"source": {"bytes": "not base64!"}}}]},
            "messages[0].content[0].image.format: Field required (and 1 more)",
        ),
    ],
    ids=str,
)
def test_a_mistake_in_the_messages_is_named_with_its_place(messages: Any, sentence: str) -> None:
    assert refusal(messages) == sentence


def test_a_reply_in_place_of_its_message_is_refused_with_a_hint() -> None:
    sentence = refusal(["Hi", ConverseResponse.model_validate({})])
    assert sentence.endswith("not ConverseResponse; append its .message")


def test_a_block_outside_a_message_is_refused() -> None:
    assert refusal(TextContent(text="Hi")).startswith("messages[0]: Input should be a text")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"temperature": float("nan")}, "inference_config.temperature: Input should be a finite"),
        ({"top_p": "0.5"}, "inference_config.top_p: Input should be a number"),
        ({"max_tokens": "5"}, "inference_config.max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "inference_config.max_tokens: Input should be a valid integer"),
        (
            {"stop_sequences": "END"},
            "inference_config.stop_sequences: Input should be a valid list",
        ),
        ({"inference_config": 3}, "inference_config: Input should be a valid dictionary"),
        ({"tool_config": []}, "tool_config: Input should be a valid dictionary"),
        ({"tool_config": {}}, "tool_config.tools: Field required"),
        ({"system": 3}, "system: Input should be a text, a dict or a list, not int"),
        ({"system": [3]}, "system[0]: Input should be a dict with one of the keys 'text'"),
        ({"request_metadata": {"a": 3}}, "request_metadata.a: Input should be a valid string"),
        (
            {"additional_model_request_fields": {"k": [float("inf")]}},
            "additional_model_request_fields: Input should hold finite numbers only",
        ),
        (
            {"additional_model_request_fields": {"k": datetime.date(2026, 1, 1)}},
            "additional_model_request_fields: Input should be JSON (dict, list, str, int, float, "
            "bool, None); it holds a date",
        ),
        (
            {"additional_model_request_fields": {1: 2}},
            "additional_model_request_fields: Input should have strings as its keys",
        ),
    ],
    ids=str,
)
def test_a_mistake_in_a_setting_is_named_with_its_place(
    arguments: dict[str, Any], sentence: str
) -> None:
    assert refusal(**arguments).startswith(sentence)


@pytest.mark.parametrize("model_id", ["", "  "])
def test_an_empty_model_id_is_refused(model_id: str) -> None:
    with pytest.raises(ValueError, match="model_id is empty"):
        ConverseRequest.build(model_id, "Hi")


def test_a_model_id_that_is_not_a_string_is_refused() -> None:
    wrong: Any = None
    with pytest.raises(ValueError, match="model_id: Input should be a string, not NoneType"):
        ConverseRequest.build(wrong, "Hi")


def test_a_refusal_never_shows_the_content() -> None:
    secret = "the patient's name"
    message = {"role": "user", "content": [{"text": "x"}, {"toolUse": secret}]}
    with pytest.raises(ValueError, match="messages") as caught:
        ConverseRequest.build("model", [message])
    shown = "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert "messages[0].content[1].toolUse" in shown
    assert secret not in shown


def test_models_are_frozen() -> None:
    block = TextContent(text="Hi")
    with pytest.raises(ValueError, match="frozen"):
        block.text = "Ho"


def test_count_tokens_wraps_the_parts_that_have_tokens() -> None:
    request = CountTokensRequest.build(
        "model",
        "Hi",
        system="Be brief",
        tool_config={"tools": [{"systemTool": {"name": "web"}}]},
        additional_model_request_fields={"k": 1},
    )
    assert request.model_id == "model"
    assert request.to_wire() == {
        "input": {
            "converse": {
                "messages": [USER],
                "system": [{"text": "Be brief"}],
                "toolConfig": {"tools": [{"systemTool": {"name": "web"}}]},
                "additionalModelRequestFields": {"k": 1},
            }
        }
    }


def test_count_tokens_names_mistakes_as_converse_does() -> None:
    with pytest.raises(ValueError, match=r"^messages\[0\]\.content\[0\]\.text: "):
        CountTokensRequest.build("model", {"role": "user", "content": [{"text": 3}]})  # type: ignore[dict-item]


def test_count_tokens_answers_with_a_number() -> None:
    assert CountTokensResponse.model_validate({"inputTokens": 21}).input_tokens == 21


def test_models_of_another_class_are_refused() -> None:
    class Other(BaseModel):
        role: str = "user"

    assert refusal([Other()]).endswith("not Other")


def test_the_json_of_a_request_is_its_wire_form() -> None:
    request = ConverseRequest.build("m", "Gr\u00fc\u00dfe", temperature=1, top_p=0.5)

    assert json.loads(request.to_wire_json()) == request.to_wire()


def test_half_a_surrogate_pair_is_sent_as_an_escape() -> None:
    request = ConverseRequest.build("m", "\ud83d")

    assert b'"\\ud83d"' in request.to_wire_json()
