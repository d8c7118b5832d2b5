"""An AWS Lambda handler. `python examples/lambda_handler.py` calls it once, on this machine.

The client is made once for each container and kept between invocations. On Lambda, use
`BedrockClient()`: the key comes from the variable `AWS_BEARER_TOKEN_BEDROCK` and is read anew for
every call, or from `ShortTermKeys()`, which mints it from the function's own role (extra [aws]).
"""

from typing import Any

from bedrock_bearer import BedrockError
from bedrock_bearer.local import local_client

client = local_client(timeout=20, deadline=25)  # below the function's own time limit


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer the question in the event."""
    try:
        reply = client.converse("us.amazon.nova-micro-v1:0", event["question"], max_tokens=200)
    except BedrockError as error:
        print(repr(error))  # the class, the request id and the explanation; never the key
        return {"statusCode": 502, "body": type(error).__name__}
    return {"statusCode": 200, "body": reply.text}


if __name__ == "__main__":
    print(handler({"question": "Hello"}, None))
