"""Mistakes that a type checker finds. Each is the statement below its comment; it is not run."""

from __future__ import annotations

import httpx
import httpx2
from pydantic import BaseModel

from bedrock_bearer import (
    AsyncBedrockClient,
    BedrockClient,
    CallRecord,
    ConverseOptions,
    Message,
    MessagesInput,
    OnEvent,
    RetryPolicy,
    check_keys,
    run_tools,
)
from bedrock_bearer.adapters import boto3_session
from bedrock_bearer.converse import TextContent, ToolConfiguration
from bedrock_bearer.local import LocalBedrock, local_async_client, local_client
from bedrock_bearer.testing import FakeBedrock, synthetic_key, text_reply

MODEL = "amazon.nova-micro-v1:0"


def messages(client: BedrockClient) -> None:
    # mistake: a number instead of messages
    client.converse(MODEL, 42)
    # mistake: a number among messages
    client.converse(MODEL, ["Hello", 42])
    # mistake: bytes instead of a text
    client.converse(MODEL, b"Hello")
    # mistake: a misspelt member of a message
    client.converse(MODEL, {"rol": "user", "content": [{"text": "Hello"}]})
    # mistake: a misspelt member of a message in a list
    client.converse(MODEL, [{"role": "user", "contents": [{"text": "Hello"}]}])
    # mistake: a message without content
    client.converse(MODEL, {"role": "user"})
    # mistake: a role that is a number
    client.converse(MODEL, {"role": 1, "content": [{"text": "Hello"}]})
    # mistake: a block that does not exist
    client.converse(MODEL, {"role": "user", "content": [{"txt": "Hello"}]})
    # mistake: a text that is a number
    client.converse(MODEL, {"role": "user", "content": [{"text": 42}]})
    # mistake: an image without a format
    client.converse(MODEL, {"role": "user", "content": [{"image": {"source": {"bytes": b""}}}]})
    # mistake: a name of Python's in a dict of AWS
    client.converse(MODEL, {"role": "user", "content": [{"tool_result": {}}]})
    # mistake: a reply instead of its message
    client.converse(MODEL, [client.converse(MODEL, "Hello")])
    # mistake: messages in a stream
    client.converse_stream(MODEL, 42)
    # mistake: messages to count
    client.count_tokens(MODEL, {"rol": "user", "content": []})
    # mistake: a model that is a number
    client.converse(5, "Hello")
    # mistake: no model
    client.converse(messages="Hello")
    # mistake: content of a model that is no list
    Message(role="user", content=TextContent(text="Hello"))
    # mistake: a variable of the exported type
    given: MessagesInput = 42
    print(given)


def options(client: BedrockClient) -> None:
    # mistake: an option that does not exist
    client.converse(MODEL, "Hi", max_token=5)
    # mistake: a limit as text
    client.converse(MODEL, "Hi", max_tokens="5")
    # mistake: a temperature as text
    client.converse(MODEL, "Hi", temperature="hot")
    # mistake: top_p as a list
    client.converse(MODEL, "Hi", top_p=[1])
    # mistake: stop sequences that are numbers
    client.converse(MODEL, "Hi", stop_sequences=[1])
    # mistake: a system that is a number
    client.converse(MODEL, "Hi", system=42)
    # mistake: a misspelt member of a system block
    client.converse(MODEL, "Hi", system=[{"txt": "Be brief."}])
    # mistake: a tool configuration that is a number
    client.converse(MODEL, "Hi", tool_config=3)
    # mistake: a misspelt member of a tool
    client.converse(MODEL, "Hi", tool_config={"tools": [{"toolSpek": {"name": "a"}}]})
    # mistake: a tool configuration without tools
    client.converse(MODEL, "Hi", tool_config={"toolChoice": {"auto": {}}})
    # mistake: a tool choice that does not exist
    client.converse(MODEL, "Hi", tool_config={"tools": [], "toolChoice": {"some": {}}})
    # mistake: tools of a model that are no tools
    ToolConfiguration(tools=["weather"])
    # mistake: a name of Python's in the inference configuration
    client.converse(MODEL, "Hi", inference_config={"max_tokens": 5})
    # mistake: a limit as text in the inference configuration
    client.converse(MODEL, "Hi", inference_config={"maxTokens": "5"})
    # mistake: a guardrail as text
    client.converse(MODEL, "Hi", guardrail_config="g-1")
    # mistake: a misspelt member of the guardrail configuration
    client.converse(MODEL, "Hi", guardrail_config={"guardrailId": "g-1"})
    # mistake: a path that is no list
    client.converse(MODEL, "Hi", additional_model_response_field_paths=5)
    # mistake: a variable of a prompt that is a number
    client.converse(MODEL, "Hi", prompt_variables={"city": 5})
    # mistake: metadata that is a number
    client.converse(MODEL, "Hi", request_metadata={"team": 5})
    # mistake: a latency that is a number
    client.converse(MODEL, "Hi", performance_config=1)
    # mistake: a misspelt member of the service tier
    client.converse(MODEL, "Hi", service_tier={"tier": "flex"})
    # mistake: a misspelt member of the output configuration
    client.converse(MODEL, "Hi", output_config={"text_format": {"type": "json_schema"}})
    # mistake: a time limit as text
    client.converse(MODEL, "Hi", timeout="5")
    # mistake: a deadline as text
    client.converse(MODEL, "Hi", deadline="5")
    # mistake: an option of Converse that counting does not have
    client.count_tokens(MODEL, "Hi", temperature=0.5)
    # mistake: options to hand on that do not exist
    handed: ConverseOptions = {"max_token": 5}
    print(handed)


def clients() -> None:
    # mistake: a text as HTTP client
    BedrockClient(http_client="x")
    # mistake: an async HTTP client for threads
    BedrockClient(http_client=httpx.AsyncClient())
    # mistake: an async HTTP client of the other family for threads
    BedrockClient(http_client=httpx2.AsyncClient())
    # mistake: an HTTP client for threads in an event loop
    AsyncBedrockClient(http_client=httpx.Client())
    # mistake: an HTTP client for threads, of the other family, in an event loop
    AsyncBedrockClient(http_client=httpx2.Client())
    # mistake: a text as HTTP client of the async client
    AsyncBedrockClient(http_client="x")
    # mistake: a text as HTTP client of a check
    check_keys(["key"], http_client="x")
    # mistake: a key that is a number
    BedrockClient(42)
    # mistake: a key that is bytes
    BedrockClient(b"key")
    # mistake: a Region that is a number
    BedrockClient(region=1)
    # mistake: a number of retries instead of a policy
    BedrockClient(retry=3)
    # mistake: a time limit as text
    BedrockClient(timeout="5")
    # mistake: a number of connections as text
    BedrockClient(max_connections="5")
    # mistake: an option that does not exist
    BedrockClient(region_name="us-east-1")
    # mistake: attempts as text
    RetryPolicy(max_attempts="3")


def siblings(client: BedrockClient) -> None:
    # mistake: an option that a sibling cannot change
    client.with_options(region="us-east-1")
    # mistake: a time limit as text
    client.with_options(timeout="5")
    # mistake: a retry policy that is a number
    client.with_options(retry=3)
    # mistake: an observer that is no function
    client.with_options(on_event=5)


def observers() -> None:
    def only_calls(record: CallRecord) -> None:
        print(record)

    def nothing() -> None:
        print()

    # mistake: an observer that takes only one kind of record
    BedrockClient(on_event=only_calls)
    # mistake: an observer that takes no record
    BedrockClient(on_event=nothing)
    # mistake: a variable of the exported type
    on_event: OnEvent = nothing
    print(on_event)


def replies(client: BedrockClient) -> None:
    reply = client.converse(MODEL, "Hello")
    # mistake: a member that a reply does not have
    print(reply.txt)
    # mistake: a name of AWS's on a reply
    print(reply.stopReason)
    # mistake: a member that usage does not have
    print(reply.usage.inputTokens)
    # mistake: text used as a number
    print(reply.text + 1)
    # mistake: a request id that may be None
    print(reply.request_id.upper())
    # mistake: a record's member that does not exist
    BedrockClient(on_event=lambda record: print(record.tokens))


def tools(client: BedrockClient) -> None:
    # mistake: a number among tools
    client.converse(MODEL, "Hello", tools=[3])
    # mistake: a function instead of a list
    client.converse(MODEL, "Hello", tools=len)
    # mistake: a message instead of a reply
    run_tools(client.converse(MODEL, "Hello").message, [len])


class City(BaseModel):
    name: str


def outputs(client: BedrockClient) -> None:
    # mistake: an instance instead of a class
    client.converse(MODEL, "Rome?", output_type=City(name="Rome"))
    # mistake: a member that the class does not have
    print(client.converse(MODEL, "Rome?", output_type=City).parsed.size)
    # mistake: an output that was not asked for
    print(client.converse(MODEL, "Rome?").parsed.name)


def streams(client: BedrockClient) -> None:
    # mistake: a stream that is used as a reply
    print(client.converse_stream(MODEL, "Hello").text)
    with client.converse_stream(MODEL, "Hello") as stream:
        # mistake: a member that no event has
        print([event.text for event in stream])
        # mistake: pieces of text used as numbers
        print([text + 1 for text in stream.text_stream])


async def event_loops(client: AsyncBedrockClient) -> None:
    # mistake: a reply that is not awaited
    print(client.converse(MODEL, "Hello").text)
    # mistake: an async client in a plain with
    with client.converse_stream(MODEL, "Hello") as stream:
        print(stream)
    # mistake: messages of the async client
    await client.converse(MODEL, 42)
    # mistake: an option of the async client
    await client.converse(MODEL, "Hi", tool_config=3)


def a_guardrail(client: BedrockClient) -> None:
    # mistake: a source that does not exist
    client.apply_guardrail("g-1", "1", "Hello", source=3)
    # mistake: content that is a number
    client.apply_guardrail("g-1", "1", 42, source="INPUT")


def doubles(bedrock: LocalBedrock, fake: FakeBedrock) -> None:
    # mistake: an option that a client does not have
    local_client(bedrock, tiemout=5)
    # mistake: a key that is a number
    local_client(bedrock, api_key=5)
    # mistake: a deadline as text
    local_async_client(bedrock, deadline="5")
    # mistake: a number instead of a local Bedrock
    local_client(5)
    # mistake: an option that a client of a double does not have
    fake.client(max_retries=5)
    # mistake: a number of retries instead of a policy
    fake.async_client(retry=5)
    # mistake: an option that a retry policy does not have
    fake.retry_policy(retries=5)
    # mistake: a number as a step
    bedrock.script(5)
    # mistake: a detail that a reply does not have
    text_reply("Hi", stop="end_turn")
    # mistake: a detail that a key does not have
    synthetic_key(expires=5)
    # mistake: a status in small letters
    bedrock.set_key_status("key", "active")
    # mistake: an argument that boto3's sessions do not have
    boto3_session(region="us-east-1")
