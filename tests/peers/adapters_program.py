"""Calls Bedrock through a framework with our adapters and prints what came, as JSON. Run by a test.

    adapters_program.py langchain|litellm|pydantic_ai|strands

The endpoint and the authority come from AWS's own environment variables, the keys from FIRST_KEY,
SECOND_KEY and DENIED_KEY.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bedrock_bearer import FallbackKeys, FileKey
from bedrock_bearer.adapters import BearerAuth, boto3_session, translate_error

MODEL = "amazon.nova-micro-v1:0"

Ask = Callable[[], str]

# The frameworks are imported by name: the environment that checks types has none of them.


def langchain(source: Any) -> Ask:
    session = boto3_session(source)
    chat = import_module("langchain_aws").ChatBedrockConverse(
        model=MODEL,
        client=session.client("bedrock-runtime"),
        bedrock_client=session.client("bedrock"),
    )
    return lambda: str(chat.invoke("Hello").content)


def strands(source: Any) -> Ask:
    model = import_module("strands.models").BedrockModel(
        boto_session=boto3_session(source), model_id=MODEL
    )

    def ask() -> str:
        return str(import_module("strands").Agent(model=model, callback_handler=None)("Hello"))

    return ask


def pydantic_ai(source: Any) -> Ask:
    provider = import_module("pydantic_ai.providers.bedrock").BedrockProvider(
        bedrock_client=boto3_session(source).client("bedrock-runtime")
    )
    model = import_module("pydantic_ai.models.bedrock").BedrockConverseModel(
        MODEL, provider=provider
    )
    agent = import_module("pydantic_ai").Agent(model)
    return lambda: str(agent.run_sync("Hello").output)


def litellm(source: Any) -> Ask:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    url = os.environ["AWS_ENDPOINT_URL"]
    tls = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    client = import_module("httpx").Client(auth=BearerAuth(source, origin=url), verify=tls)
    library = import_module("litellm")
    handler = import_module("litellm.llms.custom_httpx.http_handler").HTTPHandler(client=client)
    messages = [{"role": "user", "content": "Hello"}]

    def ask() -> str:
        reply = library.completion(
            f"bedrock/converse/{MODEL}",
            messages,
            aws_bedrock_runtime_endpoint=url,
            api_key="set by the handler",
            client=handler,
        )
        return str(reply.choices[0].message.content)

    return ask


def main(connect: Callable[[Any], Ask]) -> dict[str, Any]:
    first, second, denied = (os.environ[name] for name in ("FIRST_KEY", "SECOND_KEY", "DENIED_KEY"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        file.write_text(first)
        ask = connect(FileKey(file))
        replies = [ask()]
        file.write_text(second)
        replies.append(ask())
    replies.append(connect(FallbackKeys(denied, second))())
    try:
        connect(denied)()
    except Exception as error:  # noqa: BLE001 - each framework has its own
        raised, translated = error, translate_error(error)
    return {
        "replies": [reply.strip() for reply in replies],
        "raised": type(raised).__name__,
        "translated": type(translated).__name__,
        "explanation": translated.governing_policy.explain(),  # type: ignore[union-attr]
        "request_id": translated.request_id,  # type: ignore[union-attr]
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(globals()[sys.argv[1]])))
